"""Questions for what was said in their conversation, and look-alikes that ask for something else, in two halves.

The halves are drawn by a hash of the text. Half 0 is fitted and tuned on, and what `tuned_asked.txt` and
`tuned_other.txt` add to it; half 1 only judges. Its errors have been seen since; `held_asked.txt` and `held_other.txt`
were written and committed before any result on them was.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

HERE = Path(__file__).parent


def half(number: int) -> tuple[list[str], list[str]]:
    """One half of the sentences.

    Args:
        number: 0 for the half that is tuned on, 1 for the one that only judges.

    Returns:
        Questions for what was said, and the others.
    """

    def lines(name: str) -> list[str]:
        every = (HERE / f"{name}.txt").read_text("utf-8").splitlines()
        mine = [one for one in every if blake2b(one.encode(), digest_size=2).digest()[0] % 2 == number]
        return mine if number else mine + (HERE / f"tuned_{name}.txt").read_text("utf-8").splitlines()

    return lines("asked"), lines("other")


def held() -> tuple[list[str], list[str]]:
    """Returns the sentences whose errors nobody has looked at: questions for what was said, and the others."""
    asked, other = ((HERE / f"held_{name}.txt").read_text("utf-8").splitlines() for name in ("asked", "other"))
    return asked, other
