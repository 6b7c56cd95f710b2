"""Reads the questions by domain that were written for this project: see `questions/README.md`."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "questions"
HELD = ("health", "housing", "itsupport", "museum", "phone", "science", "shopping", "transport")
"""Domains that nothing is fitted on: cuts are set and figures reported by them."""


class Group(NamedTuple):
    """Questions around one need.

    Args:
        domain: What they are about.
        same: Ways to ask for one answer.
        other: Questions that look alike and need another answer.
    """

    domain: str
    same: tuple[str, ...]
    other: tuple[str, ...]


def groups() -> list[Group]:
    """Reads all groups, by domain."""
    found = []
    for file in sorted(FOLDER.glob("*.txt")):
        for block in file.read_text("utf-8").strip().split("\n\n"):
            first, *rest = block.splitlines()
            same = [line.removeprefix("= ") for line in rest if line.startswith("= ")]
            other = [line.removeprefix("! ") for line in rest if line.startswith("! ")]
            found.append(Group(file.stem, (first, *same), tuple(other)))
    return found


def written_pairs(*, held: bool) -> list[tuple[str, str, int, str]]:
    """Returns the pairs of the held-out domains, or of the others.

    Args:
        held: Whether the domains are those that nothing is fitted on.

    Returns:
        Two texts, 1 if one answer serves both, and the domain.
    """
    found = []
    for group in groups():
        if (group.domain in HELD) == held:
            found += [(a, b, 1, group.domain) for a, b in combinations(group.same, 2)]
            found += [(a, b, 0, group.domain) for a, b in product(group.same, group.other)]
    return found
