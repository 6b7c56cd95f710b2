"""Tests whose outcome depends on how long something takes, on machines that are busy with other things.

What waits too long does so whatever the timeout; what a busy machine delays does not. So a test that is marked
`clocked` and fails is repeated with a longer `TIMEOUT_S` of its module: the machine's own delays count for less in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

LONGER = (1, 3, 9)


@contextmanager
def longer(module: Any, factor: int) -> Iterator[None]:
    """Multiplies the timeout that the tests of a module use."""
    before = getattr(module, "TIMEOUT_S", None)
    if before is not None:
        module.TIMEOUT_S = before * factor
    try:
        yield
    finally:
        if before is not None:
            module.TIMEOUT_S = before


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Runs a test that is marked `clocked` until it passes, each time with longer waits."""
    if item.get_closest_marker("clocked") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports: list[pytest.TestReport] = []
    for factor in LONGER:
        with longer(getattr(item, "module", None), factor):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not any(report.failed for report in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
