"""Each row of the threat model names its tests, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "security.md"
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", DOCUMENT.read_text("utf-8"))
ROW = re.compile(r"^\| (?!what they try|---)(.+) \| (.+) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_a_test_that_the_threat_model_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (TESTS / file).read_text("utf-8"), re.MULTILINE)


def test_every_row_has_a_test_or_says_that_it_is_possible() -> None:
    model = DOCUMENT.read_text("utf-8").partition("## Threat model")[2]
    rows = ROW.findall(model)
    assert len(rows) > 20
    for what, answer, test in rows:
        assert test != "-" or re.search(r"Possible|They read that conversation|linear", answer), what
