"""How a replay was done and what it found: the one thing that the table, the page and the JSON are made from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_redis_memory.cli.replay.judge import CacheOutcome
from langchain_redis_memory.cli.replay.recorded import DamagedLine
from langchain_redis_memory.cli.replay.reliability import CONFIDENCE, Reliability
from langchain_redis_memory.cli.replay.stream import Kind
from langchain_redis_memory.errors import ConfigError

RISKS = (0.01, 0.02, 0.05, 0.1)
ASSUMED_S = 1.0
"""Seconds that making an answer is assumed to take where recorded answers stand in for a model."""


@dataclass(frozen=True)
class Settings:
    """The settings of a replay.

    Args:
        users: How many users have each conversation.
        seed: Draws the order and the wordings.
        risks: The risk levels, each above 0 and below 0.5.
        cache: "semantic" finds what means the same, "exact" the very same question.
        classifier: "linguistic" or "embedding".
        share_rewrites: See `ConversationMemory`.
        seconds_per_answer: What making an answer is assumed to take; None to measure the answerer.
        max_unsafe: The classifier's, at every risk level, which is then the cache's `max_error` alone; None for the
            risk level.

    Raises:
        ConfigError: One of them cannot work.
    """

    users: int = 3
    seed: int = 0
    risks: tuple[float, ...] = RISKS
    cache: Literal["exact", "semantic"] = "exact"
    classifier: Literal["linguistic", "embedding"] = "linguistic"
    share_rewrites: bool = False
    seconds_per_answer: float | None = ASSUMED_S
    max_unsafe: float | None = None

    def __post_init__(self) -> None:
        if not self.risks or not all(0 < risk < 0.5 for risk in self.risks):
            raise ConfigError(f"risk levels are shares above 0 and below 0.5, got {self.risks}")
        if self.cache not in {"exact", "semantic"} or self.classifier not in {"linguistic", "embedding"}:
            msg = f"cache is exact or semantic, classifier linguistic or embedding; got {self.cache}, {self.classifier}"
            raise ConfigError(msg)
        if self.seconds_per_answer is not None and self.seconds_per_answer < 0:
            raise ConfigError(f"seconds per answer must not be negative, got {self.seconds_per_answer}")


@dataclass
class ReplayReport:
    """The report of a replay.

    Args:
        settings: How it was done.
        server: Which server.
        conversations: How many were read.
        recorded: How many turns they have.
        asked: How many turns were replayed, by all users.
        kinds: Of these, how many of each kind.
        wordings: How many of the paraphrases have their words from where.
        outcomes: One for each raw key, then one for each risk level.
        damaged: Lines that could not be read.
    """

    settings: Settings
    server: str
    conversations: int
    recorded: int
    asked: int
    kinds: Counter[Kind]
    wordings: Counter[str]
    outcomes: list[CacheOutcome] = field(default_factory=list)
    damaged: list[DamagedLine] = field(default_factory=list)

    @property
    def levels(self) -> list[CacheOutcome]:
        """The outcomes of the risk levels."""
        return [outcome for outcome in self.outcomes if outcome.risk is not None]

    @property
    def recommended(self) -> CacheOutcome | None:
        """The level to choose: fewest wrong serves in this log, of these the most hits, of these the lowest risk.

        None where no dependent turn could be judged.
        """
        judged = [one for one in self.levels if one.risk is not None and one.wrong_share is not None]
        return min(judged, key=lambda one: (len(one.wrong), -one.cache["hit"], one.risk), default=None)

    @property
    def conclusion(self) -> str:
        """What to conclude: which risk to take, and how sure the log makes one of it."""
        best = self.recommended
        if best is None:
            return "No dependent turn of this log has a rewrite to judge by: look at the hits, or add rewrites."
        taken = f"{best.risk:g}" if best.reliability.shown else f"{best.risk:g} for now"
        naive = [f"{len(one.wrong)} ({one.name})" for one in self.outcomes if one.risk is None]
        return (
            f"Take max_unsafe and max_error {taken}: of {best.turns} turns {best.cache['hit']} were served from the "
            f"cache and {len(best.wrong)} wrongly; a cache keyed on the last utterance served {' and '.join(naive)} "
            f"wrongly. {self._how_sure(best.reliability)}"
        )

    @staticmethod
    def _how_sure(reliability: Reliability) -> str:
        if reliability.at_most is None:
            return "How sure is that? Nothing that was served can be judged, so that nothing is shown."
        return (
            f"How sure is that? {reliability.wrong} wrong of {reliability.served} judged serves: with "
            f"{100 * CONFIDENCE:g} % confidence at most {100 * reliability.at_most:.1f} % are wrong; claimed are "
            f"{100 * (reliability.claimed or 0):g} %: {reliability.verdict}."
        )

    @property
    def notes(self) -> list[str]:
        """How to read it, for people."""
        changed = ", ".join(f"{count} {words}" for words, count in self.wordings.most_common())
        assumed = self.settings.seconds_per_answer
        return [
            "ours, risk r: this memory, told to keep to that share of errors (max_unsafe and max_error); naive: a "
            "cache keyed on the last utterance alone, on its very words or on their embedding.",
            "Follow-ups lean on what was said before them, the others stand alone; the rewrites tell.",
            "At most: with 95 % confidence, if serves are independent; those of one conversation are less so.",
            "User 1 plays each conversation as recorded, the next repeats it, the one after that paraphrases it.",
            f"Where the paraphrases have their words from: {changed or 'there are none'}. 'paraphrase' and 'rewrite' "
            "are people's; 'case', 'politeness' and 'contraction' are plain changes of form that keep the meaning.",
            "A serve is wrong if its answer was made for a turn whose rewrite asks something else. "
            "First turns that are cut off lean on what the recording lacks.",
            "Seconds saved are measured." if assumed is None else f"Seconds saved assume {assumed:g} s for an answer.",
        ]

    def as_dict(self) -> dict[str, Any]:
        """Returns the whole report as plain data, for JSON."""
        return {
            "settings": {**vars(self.settings), "risks": list(self.settings.risks)},
            "server": self.server,
            "conversations": self.conversations,
            "recorded_turns": self.recorded,
            "asked_turns": self.asked,
            "kinds": {str(kind): count for kind, count in self.kinds.items()},
            "paraphrase_wordings": dict(self.wordings),
            "conclusion": self.conclusion,
            "recommended_risk": self.recommended.risk if self.recommended else None,
            "notes": self.notes,
            "outcomes": [outcome.as_dict() for outcome in self.outcomes],
            "damaged": [vars(fault) for fault in self.damaged],
        }
