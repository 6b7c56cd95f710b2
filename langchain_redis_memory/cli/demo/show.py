"""How the demo's turns are shown: what was said, and beside it what a last-utterance cache would have said."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.text import Text

from langchain_redis_memory.conversation.turn import TurnReport

WIDTH = 80
_STYLES = {"hit": "bold green", "WRONG": "bold red", "right": "green"}  # legible on black and on white


class NaiveCache:
    """A cache whose key is the last utterance alone: the first answer to some words is everybody's."""

    def __init__(self) -> None:
        self._stored: dict[str, tuple[str, str]] = {}

    def serve(self, user: str, question: str, fresh: str) -> tuple[str, str] | None:
        """Serves what is stored under the words and whose it was; else stores the fresh answer, and gives None."""
        stored = self._stored.get(question.strip())
        self._stored.setdefault(question.strip(), (user, fresh))
        return stored


@dataclass
class Comparison:
    """The turns so far, and what each cache did in them.

    Args:
        naive: The cache to compare with.
        reports: Of the turns, in order.
        hits: How many of them the naive cache answered.
        wrong: The questions of those whose answer lacks what this user had to be told.
        ours_wrong: The questions whose answer by the memory lacks it.
    """

    naive: NaiveCache = field(default_factory=NaiveCache)
    reports: list[TurnReport] = field(default_factory=list)
    hits: int = 0
    wrong: list[str] = field(default_factory=list)
    ours_wrong: list[str] = field(default_factory=list)

    def turn(self, user: str, report: TurnReport, expects: str) -> Iterator[Text]:
        """Compares one turn by the words that the right answer holds; yields lines of at most 80 columns."""
        self.reports.append(report)
        said = str(report.value)
        if expects not in said:
            self.ours_wrong.append(report.question)
        yield from _lines(f"{len(self.reports):2} {user}: ", report.question, "bold")
        trips = f"{report.trips} trip" + "s" * (report.trips != 1)
        yield from _lines(f"   ours  [{report.cache}, {trips}] ", said, _STYLES.get(report.cache, ""))
        served = self.naive.serve(user, report.question, said)
        if served is None:
            yield Text("   naive [miss]")
            return
        self.hits += 1
        made_for, answer = served
        if expects in answer:
            yield from _lines("   naive [hit, right] ", answer, _STYLES["right"])
        else:
            self.wrong.append(report.question)
            yield from _lines(
                f"   naive [WRONG] would have told {user} {made_for}'s answer: ", answer, _STYLES["WRONG"]
            )

    def conclusion(self) -> str:
        """Summarises the comparison of both caches in one sentence."""
        hits = sum(report.cache == "hit" for report in self.reports)
        most = max((report.trips for report in self.reports), default=0)
        return (
            f"Of {len(self.reports)} turns a cache keyed on the last utterance would have answered {self.hits}, "
            f"{len(self.wrong)} of them wrongly; this memory served {hits} from its cache and answered "
            f"{len(self.ours_wrong)} wrongly, with {most} round trips at most in a turn: a cache has to know "
            "who asks, what was said before and what an answer does."
        )


def _lines(label: str, text: str, style: str) -> Iterator[Text]:
    for line in textwrap.wrap(label + text, WIDTH, subsequent_indent="      ", drop_whitespace=False):
        yield Text(line.rstrip(), style=style)
