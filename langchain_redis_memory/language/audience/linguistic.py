"""Classifying a turn's audience by its words: signs, weighed by a logistic model a question.

Four questions are asked of a turn: is it personal, volatile, an effect, a wish to vary? And a fifth, whether it is any
of them, which knows more of what is none. Each sentence that asks or
orders is weighed, and the worst one counts. What cannot be read, or is written in another language, is personal and
volatile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from langchain_redis_memory.checks import check_text
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.language.audience.signs import SentenceSigns, signs
from langchain_redis_memory.language.audience.verdict import (
    MAX_UNSAFE,
    QUESTIONS,
    Audience,
    AudienceThresholds,
    AudienceVerdict,
    check_risk,
)
from langchain_redis_memory.language.logistic import LogisticModel, probability
from langchain_redis_memory.language.logistic import odds as log_odds_of

WHOLE = "unsafe"
"""The fifth question, which is asked of a turn to a chain that can know who asks: is it any of the four?"""
_ASKED = (*QUESTIONS, WHOLE)
PLAIN_SHIFT = -3.0
"""By how much log-odds a turn is less personal to a chain that knows nobody: it can only use the words."""
_UNREADABLE = 0.99
_ASKER = ("own", "aux_i", "me", "i_plain", "lists_filed", "record_ruled", "given", "of_a_name")
"""Signs that the asker, or what is filed for them, is spoken of outside of a procedure: most likely it is personal."""
_BY_HAND: Mapping[str, Sequence[float]] = {"moves": (0.0, 12.0, 0.0, 0.0, 12.0)}
"""Signs that say all by themselves, so that nothing is fitted: what each adds to `QUESTIONS` and, last, to `WHOLE`."""
_NEAR = 1e-6
"""By how much the same sum may differ by the order of what is added."""
_SPEAKS, _TOLD, _EVIDENCE = 0.4, 0.05, 6
"""From which weight on a sign is evidence, from which probability on it is told, and how much of it."""


class AudienceWeights(Frozen):
    """The weights of the four questions, and the thresholds of their probabilities."""

    heads: Mapping[str, LogisticModel]
    thresholds: AudienceThresholds
    by_sign: Mapping[str, Sequence[float]]
    """What a sign adds to each of `QUESTIONS` and, last, to `WHOLE`."""
    by_pattern: dict[str, Sequence[float] | str]
    """The same of a pattern: numbers, or a text where nobody met it yet. A process meets few of the thousands."""

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> AudienceWeights:
        """Parses the weights that `benchmarks/training/audience.py` writes; without thresholds nothing is shared."""
        by_risk = {
            kind: {float(risk): value for risk, value in values.items()}
            for kind, values in found.get("thresholds", {}).items()
        }
        heads = {head: LogisticModel(found[head]["bias"], found[head]["weights"]) for head in _ASKED}
        signs_ = {name for model in heads.values() for name in model.weights}
        fitted = {name: [heads[head].weights.get(name, 0.0) for head in _ASKED] for name in signs_}
        by_sign = {**fitted, **_BY_HAND}
        return cls(heads, AudienceThresholds(by_risk), by_sign, dict(found.get("patterns", {})))

    def of_signs(self, named: Mapping[str, str]) -> list[tuple[Sequence[float], str]]:
        """Returns what signs add to each question, with the words that speak for each."""
        known = self.by_sign
        return [(known[sign], words) for sign, words in named.items() if sign in known]

    def of_patterns(self, patterns: Sequence[str]) -> list[Sequence[float]]:
        """Returns what patterns add to each question."""
        found: list[Sequence[float]] = []
        known = self.by_pattern
        for pattern in patterns:
            if pattern in known:
                if isinstance(weights := known[pattern], str):
                    weights = known[pattern] = [float(weight) for weight in weights.split()]
                found.append(weights)
        return found


@cache
def audience_weights() -> AudienceWeights:
    """Reads the weights, once per process."""
    return AudienceWeights.parse(json.loads((resources.files(__package__) / "weights.json").read_text("utf-8")))


def classify_audience(turn: str, *, opaque: bool = True, max_unsafe: float = MAX_UNSAFE) -> AudienceVerdict:
    """Classifies who may be served the answer to a turn, by its words alone.

    Args:
        turn: What the user said.
        opaque: Whether the chain can know who asks: it has functions, tools or a retriever. A plain prompt and model
            know nobody.
        max_unsafe: The largest share of turns that must not be shared and are.

    Returns:
        The verdict. It never raises on a text, and errs to the safe side on one that it cannot read.

    Raises:
        InvalidInputError: The risk is not a share.

    Example:
        ```python
        classify_audience("What is my balance?").audience  # Audience.USER
        classify_audience("Cancel my order").effect  # True
        classify_audience("What is an IBAN?").shareable()  # True
        ```
    """
    check_risk(max_unsafe)
    return _classified(check_text(turn, "turn"), bool(opaque)).at(max_unsafe)


@lru_cache(2048)
def doubtful_to_repeat(turn: str, likely: float) -> AudienceVerdict | None:
    """Classifies a turn for a chain that knows nobody, without deciding yet, where its answer may not be served again.

    None where no words speak for an effect, a wish to vary or a change, where none of them is `likely`, or where it
    cannot be read: nothing is clear then.
    """
    model, found = audience_weights(), signs(turn, unreadable=False)
    present = [model.of_signs(each.named) for each in found]
    if not any(words and max(weights[1:4]) > _SPEAKS for each in present for weights, words in each):
        return None
    biases = [model.heads[head].bias for head in _ASKED[1:4]]
    nothing = (0.0,) * len(_ASKED)
    rows = (
        (nothing, *(weights for weights, _ in of_signs), *model.of_patterns(each.patterns()))
        for of_signs, each in zip(present, found, strict=True)
    )
    columns = ([*zip(*each, strict=True)][1:4] for each in rows)
    most = max(bias + sum(column) for each in columns for bias, column in zip(biases, each, strict=True))
    return weigh(found, model, opaque=False) if most > log_odds_of(likely) - _NEAR else None


@lru_cache(2048)
def _classified(turn: str, opaque: bool) -> AudienceVerdict:
    return weigh(signs(turn), audience_weights(), opaque=opaque)


def weigh(sentences: Sequence[SentenceSigns], model: AudienceWeights, *, opaque: bool) -> AudienceVerdict:
    """Weighs the signs of a turn, without deciding yet; see `AudienceVerdict.at`."""
    odds = dict.fromkeys(_ASKED, -20.0)
    spoke: dict[tuple[str, str], float] = {}
    for each in sentences:
        present = model.of_signs(each.named)
        rows = [(0.0,) * len(_ASKED), *(weights for weights, _ in present), *model.of_patterns(each.patterns())]
        for head, column in zip(_ASKED, zip(*rows, strict=True), strict=True):
            odds[head] = max(odds[head], model.heads[head].bias + sum(column))
        for weights, words in present:
            if words and max(weights) > _SPEAKS:
                for head, weight in zip(QUESTIONS, weights, strict=False):
                    if weight > _SPEAKS:
                        spoke[head, words] = max(weight, spoke.get((head, words), 0.0))
    named = {sign: words for each in sentences for sign, words in each.named.items()}
    if not opaque:
        odds["personal"] += PLAIN_SHIFT
    elif not named.keys().isdisjoint(_ASKER):
        odds["personal"], odds[WHOLE] = max(odds["personal"], 0.0), max(odds[WHOLE], 0.0)
    found = {head: probability(score) for head, score in odds.items()}
    kept = sorted(spoke, key=lambda key: -spoke[key])
    evidence = [f"{head}: {words!r}" for head, words in kept if found[head] >= _TOLD][:_EVIDENCE]
    if "unreadable" in named:
        found["personal"] = found["volatile"] = found[WHOLE] = _UNREADABLE
        evidence = [f"cannot be read: {named['unreadable']}"]
    return AudienceVerdict(
        Audience.NOBODY,
        volatile=True,
        effect=True,
        vary=True,
        **{f"p_{head}": found[head] for head in QUESTIONS},
        evidence=tuple(evidence),
        opaque=opaque,
        own_procedure="own_procedure" in named,
        here="here" in named,
        p_whole=found[WHOLE] if opaque else None,
        thresholds=model.thresholds,
    )
