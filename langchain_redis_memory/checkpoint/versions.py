"""Versions of channels: a counter with random bits, so that branches of a fork do not share values."""

from __future__ import annotations

import random
from typing import Any


class ForkSafeVersions:
    """Gives a saver its versions."""

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Returns a greater version of the same type: a counter, then random bits that tell branches of a fork apart.

        Args:
            current: The version so far; None for the first.
            channel: Not used.
        """
        if isinstance(current, str):
            return f"{int(current.split('.')[0]) + 1:032}.{random.random():016}"
        count = int(current or 0)
        return ((count >> 32 if count >= 1 << 32 else count) + 1) << 32 | random.getrandbits(32)
