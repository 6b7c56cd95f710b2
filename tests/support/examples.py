"""How many examples a property is tried on: few at every run, many weekly (`--hypothesis-profile=thorough`).

Those of every run are the same each time, so a run is red for what was changed and not for what was drawn; the weekly
ones are new.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

QUICK, THOROUGH = "quick", "thorough"


def load_profiles() -> None:
    """Registers both numbers, and takes the small one unless pytest is told another."""
    # Other people's load and a fresh server make an example slow; a fixture for all examples is what the tests mean.
    suppressed = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    settings.register_profile(QUICK, max_examples=20, deadline=None, derandomize=True, suppress_health_check=suppressed)
    settings.register_profile(THOROUGH, max_examples=100, deadline=None, suppress_health_check=suppressed)
    settings.load_profile(QUICK)


def share(part: int) -> settings:
    """A part of the examples, for a property of which one example costs much."""
    return settings(max_examples=settings().max_examples // part)
