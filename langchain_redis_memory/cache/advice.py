"""Advice from the decision log: what other values of the risk would have served, and what was missed most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from langchain_redis_memory.cache.decision_log import Decision, hit_of
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.language.classify.question_type import QuestionType

MAX_ERRORS = (0.005, 0.01, 0.02, 0.05, 0.1)
MAX_UNSAFES = (0.001, 0.005, 0.01, 0.02, 0.05)


class AdvisedRisk(NamedTuple):
    """What one value of a risk would have given.

    Args:
        option: "max_error" of the cache or "max_unsafe" of the classifier.
        value: Its value.
        turns: For `max_error` the turns that a near question would have answered, for `max_unsafe` those that would
            have counted as standing alone.
        wrong: How many of the hits that were reported as wrong it would have allowed.
    """

    option: str
    value: float
    turns: int
    wrong: int


class Advice(NamedTuple):
    """Reports what other values of `max_error` and `max_unsafe` would have done with the logged turns.

    The scores are those of the built-in verifier.

    Args:
        turns: How many turns are in the log.
        wrong: How many hits in it were reported as wrong.
        risks: A row for each value of each option that plays a part in the log.
        repeated: How many misses had been asked before, in the same words: under another model or prompt, in another
            context, or after the answer had gone.
    """

    turns: int
    wrong: int
    risks: tuple[AdvisedRisk, ...]
    repeated: int = 0

    def __str__(self) -> str:
        what = {"max_error": "answered by a near question", "max_unsafe": "standing alone"}
        rows = [
            f"  {row.option}={row.value:g}: {row.turns} turns {what[row.option]}, {row.wrong} of {self.wrong} wrong"
            for row in self.risks
        ]
        again = f", {self.repeated} missed although asked before" if self.repeated else ""
        return "\n".join([f"{self.turns} logged turns, {self.wrong} reported wrong{again}", *rows])


class MissedQuestion(NamedTuple):
    """A question that was asked and not found.

    Args:
        question: Its words, as they were asked last.
        times: How often.
        prompt: What the model was asked last, as a cache of LangChain's sees it; "" where nobody knows.
    """

    question: str
    times: int
    prompt: str = ""


def advice_of(decisions: Sequence[Decision]) -> Advice:
    """Computes what other risks would have given, from the newest decisions on."""
    # Only here: they are read from files.
    from langchain_redis_memory.language.classify.weights import weights
    from langchain_redis_memory.language.equivalence.weights import shipped

    turns = [one for one in decisions if one.outcome in {"hit", "miss", "bypass"}]
    wrong = {one.entry for one in decisions if one.outcome == "wrong"}
    best = [_best(one) for one in turns if one.kind != "exact"]
    reported = [_probability(entry) for entry in wrong]
    depended = {one.entry: one.dependence for one in reversed(turns) if one.outcome == "hit"}
    rows = []
    for value in MAX_ERRORS if any(one.candidates for one in turns) else ():
        cut = shipped().cut(value)
        rows.append(
            AdvisedRisk("max_error", value, sum(one >= cut for one in best), sum(cut <= one < 1.0 for one in reported))
        )
    for value in MAX_UNSAFES if any(one.dependence is not None for one in turns) else ():
        below = weights("linguistic").threshold(value)
        alone = sum(one.dependence is not None and one.dependence < below for one in turns)
        theirs = [depended.get(entry) for entry in wrong]
        rows.append(AdvisedRisk("max_unsafe", value, alone, sum(one is not None and one < below for one in theirs)))
    asked: set[bytes] = set()
    repeated = 0
    for one in reversed(turns):
        repeated += one.outcome == "miss" and one.marks.question in asked
        asked.add(one.marks.question)
    return Advice(len(turns), len(wrong), tuple(rows), repeated)


def _best(decision: Decision) -> float:
    return max((one.probability for one in decision.candidates if not one.vetoed), default=0.0)


def _probability(entry: str) -> float:
    """Reads how sure the cache was of a hit; 1 for the very same question."""
    try:
        return hit_of(entry)[1]
    except InvalidInputError:
        return 1.0


def top_misses_of(decisions: Sequence[Decision], most: int) -> list[MissedQuestion]:
    """Counts the questions that stand alone and were missed, those whose words were logged, the most frequent first."""
    times: Counter[bytes] = Counter()
    last: dict[bytes, Decision] = {}
    for one in decisions:
        if one.outcome == "miss" and one.question and one.type == str(QuestionType.NEW_TOPIC):
            times[one.marks.question] += 1
            last.setdefault(one.marks.question, one)
    return [MissedQuestion(last[mark].question, n, last[mark].prompt) for mark, n in times.most_common(most)]
