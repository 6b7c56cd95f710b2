"""Damaged bytes: every read of them gives a value or one of the package's errors. See `tests/support/damage.py`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.damage import read_damaged
from tests.support.scenario import SCENARIOS

TIMES = settings().max_examples // 2


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("cipher", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_no_damage_makes_a_raw_exception(name: str, cipher: bool) -> None:
    _, wrong = await read_damaged(name, TIMES, 1, cipher=cipher)
    assert wrong == []
