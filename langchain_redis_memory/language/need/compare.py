"""Compares two needs: the questions as the verifier does, and what was said before as a set of words and numbers.

What one side says and the other does not may be chatter; what each says in the other's place decides. How much it
weighs depends on how far the question leans on its conversation.
"""

from __future__ import annotations

from typing import NamedTuple

from langchain_redis_memory.language.classify.standalone import leaning
from langchain_redis_memory.language.equivalence.compare import (
    Difference,
    compare,
    opposition,
    pair_up,
    replaced,
    unpaired,
)
from langchain_redis_memory.language.equivalence.normalise import key_of
from langchain_redis_memory.language.equivalence.parse import ParsedQuestion, Word, parse
from langchain_redis_memory.language.equivalence.relations import OPPOSITE, SAME, SISTER
from langchain_redis_memory.language.equivalence.weights import shipped
from langchain_redis_memory.language.need.need import Need

_LEANS = 0.5
"""From which probability a question leans on what was said, so that another number there is another need."""


def compare_needs(a: Need, b: Need) -> Difference:
    """Compares two needs.

    Returns:
        Features and vetoes; they do not depend on which need comes first.
    """
    question = compare(parse(a.asked), parse(b.asked))
    vetoes = [f"questions: {veto}" for veto in question.vetoes]
    lean = max(1.0 if need.personal else leaning(need.asked) for need in (a, b))
    features = {f"question_{name}": question.features[name] for name in _OF_QUESTION}
    features["against"] = _against(question)
    features["leaning"] = lean
    mine, theirs = parse(a.words), parse(b.words)
    words = _words(mine, theirs)
    numbers = {number for number, _ in mine.numbers}, {number for number, _ in theirs.numbers}
    odd = numbers[0] - numbers[1], numbers[1] - numbers[0]
    features["numbers_both"] = float(bool(odd[0] and odd[1]))
    features["numbers_same"] = float(bool(numbers[0]) and numbers[0] == numbers[1])
    features["replaced"] = replaced(*words.alone)
    features["opposite"] = float(min(len(words.opposite), 2))
    features["sister"] = float(min(words.sisters, 2))
    names = [any(word.name for word in alone) for alone in words.alone]
    features["names_both"], features["names_one"] = float(all(names)), float(names[0] != names[1])
    heavy = sorted(min(sum(word.weight for word in alone), 6.0) for alone in words.alone)
    features["alone_less"], features["alone_more"] = heavy
    copied, odd_a, odd_b = _copied(a, b)
    features["facts_copied"] = copied * bool(odd_a and odd_b and words.differ)
    features["question_copied"] = copied * bool(features["question_alone_less"])
    features |= {f"{name}_leaning": features[name] * lean for name in _BY_LEANING}
    if features["numbers_both"] and lean >= _LEANS:
        vetoes.append(f"numbers differ: {_list(odd[0])} / {_list(odd[1])}")
    vetoes += words.opposite if lean >= _LEANS else []
    if all(words.alone) and lean >= _LEANS:
        vetoes += [
            f"a detail differs: {one} / {two}" for one in sorted(odd_a) for two in sorted(odd_b) if _swapped(one, two)
        ][:1]
    if bool(a.facts) != bool(b.facts):
        vetoes.append("only one side says what the question leans on")
    vetoes += _replies(a, b)
    return Difference(features, vetoes)


def _against(question: Difference) -> float:
    """What the verifier holds against the two questions: its negative terms, without what is counted here."""
    skipped = _COUNTED | _OF_ORDER if question.features["voice"] and not question.features["roles"] else _COUNTED
    terms = ((name, weight) for name, weight in shipped().weights.items() if weight < 0 and name not in skipped)
    return sum(weight * question.features[name] for name, weight in terms)


_OF_QUESTION = (
    "alone_less", "alone_more", "question", "plain", "covered", "sister", "replaced", "modal_both",
)  # fmt: skip
_COUNTED = frozenset((*_OF_QUESTION, "one_sided", "replaced_only", "names_one", "names_both"))
_OF_ORDER = frozenset(("reordered", "exchanged", "crossed"))
"""Terms that mean nothing where one text is passive."""
_BY_LEANING = ("numbers_both", "replaced", "opposite", "sister", "names_both", "alone_less")


class _Words(NamedTuple):
    """The words of two needs: those that stand alone on either side, vetoes against opposites, and sisters."""

    alone: tuple[list[Word], list[Word]]
    opposite: list[str]
    sisters: int
    differ: bool


def _words(mine: ParsedQuestion, theirs: ParsedQuestion) -> _Words:
    paired = pair_up(mine.words, theirs.words)
    alone = unpaired(mine, theirs, paired)
    pairs = [(mine.words[one], theirs.words[two], kind) for one, (two, kind) in paired.items()]
    opposite = sorted(opposition(one, two) for one, two, kind in pairs if kind == OPPOSITE)
    sisters = sum(kind == SISTER for *_, kind in pairs)
    return _Words(alone, opposite, sisters, all(alone) or any(kind != SAME for *_, kind in pairs))


def _copied(a: Need, b: Need) -> tuple[float, set[str], set[str]]:
    """The share of facts that both say in the same words, and what each says otherwise.

    Who repeats the rest changes a detail on purpose.
    """
    mine, theirs = (set(map(key_of, need.lines[1:])) for need in (a, b))
    return len(mine & theirs) / max(min(len(mine), len(theirs)), 1), mine - theirs, theirs - mine


def _swapped(one: str, two: str) -> bool:
    """Whether one sentence is the other with a word or two in the place of others."""
    words, others = one.split(), two.split()
    apart = sum(word != other for word, other in zip(words, others, strict=False))
    return len(words) == len(others) and 0 < apart <= 2 and apart * 2 <= len(words)


def _replies(a: Need, b: Need) -> list[str]:
    """Replies that say something have to be the same, except those to asides."""
    asides_a, asides_b = (set(need.facts) - set(need.bearing) for need in (a, b))
    if asides_a - set(b.facts) and asides_b - set(a.facts):
        return ["other questions were asked before"]
    mine, theirs = ([fact.reply for fact in need.bearing if fact.reply] for need in (a, b))
    return [] if mine == theirs else ["other replies were given before"]


def _list(values: set[str]) -> str:
    return ", ".join(sorted(values)[:4])
