"""Compares two parsed questions: features for the model, and vetoes that no probability overrules.

Content words are paired one to one (same, synonym, same stem, wider, kinds of one thing, opposite); what stays alone is
what one text says and the other does not. Order is compared over the pairs: inversions, neighbours, governing
prepositions, exchanged places. All features are symmetric in the two texts.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

from langchain_redis_memory.language.equivalence.contrasts import OPPOSITE_PREPOSITIONS, contrasted
from langchain_redis_memory.language.equivalence.order import order_of
from langchain_redis_memory.language.equivalence.parse import ParsedQuestion, Word
from langchain_redis_memory.language.equivalence.relations import (
    DERIVED,
    OPPOSITE,
    OPPOSITES,
    SAME,
    SISTER,
    SYNONYM,
    UNRELATED,
    WIDER,
    relation,
)

_ENGLISH = 0.45
"""Least share of known words of a text that is taken for English."""
_MOST_WORDS = 40
"""Content words that are paired by meaning; beyond them words pair only if they are the same."""
_HARD = frozenset(
    {"who", "when", "where", "why", "how many", "how much", "how long", "how often", "how far", "how old"}
)
_OPEN = frozenset({"how do", "how", "what", "how big"}) | _HARD
_SOFT = {
    frozenset(pair): weight
    for pair, weight in {
        ("how", "how do"): 0.3, ("what", "how do"): 0.6, ("what", "how"): 0.6, ("how do", "can"): 0.7,
        ("what", "ask"): 0.3, ("what", "tell"): 0.3, ("how do", "tell"): 0.4, ("polar", "can"): 0.4,
        ("ask", "tell"): 0.1, ("polar", "ask"): 0.4, ("how much", "how big"): 0.8, ("what", "when"): 0.7,
        ("what", "where"): 0.6, ("what", "who"): 0.6, ("what", "how much"): 0.7, ("what", "how many"): 0.7,
        ("what", "why"): 0.9, ("polar", "what"): 0.8, ("how", "how big"): 0.5, ("polar", "tell"): 0.5,
        ("how do", "where"): 0.8, ("what", "how long"): 0.7, ("what", "how old"): 0.6,
        ("how long", "when"): 0.8, ("how much", "how many"): 0.7, ("how big", "how far"): 0.6, ("what", "how big"): 0.7,
        ("how big", "how many"): 0.8, ("how long", "how much"): 0.8, ("how long", "how old"): 0.8,
    }.items()
}  # fmt: skip


class Difference(NamedTuple):
    """Features by name, and the vetoes in words."""

    features: dict[str, float]
    vetoes: list[str]


def question_distance(a: str, b: str) -> float:
    """Returns the distance of two question types, 0 to 1.

    Returns:
        0 for one type, 1 for types whose answers are never the same.
    """
    if a == b:
        return 0.0
    return _SOFT.get(frozenset((a, b)), 1.0 if a in _OPEN and b in _OPEN else 0.8)


def pair_up(a: tuple[Word, ...], b: tuple[Word, ...]) -> dict[int, tuple[int, int]]:
    """Pairs the content words of two texts.

    Returns:
        For places in `a`: the place in `b` and the relation. A place is in one pair at most.
    """
    free: dict[str, list[int]] = {}
    for at in range(len(b) - 1, -1, -1):
        free.setdefault(b[at].lemma, []).append(at)
    paired: dict[int, tuple[int, int]] = {}
    rest: list[int] = []
    for at, word in enumerate(a):
        places = free.get(word.lemma)
        if places:
            paired[at] = (places.pop(), SAME)
        else:
            rest.append(at)
    others = sorted(place for places in free.values() for place in places)
    if rest and others and len(rest) <= _MOST_WORDS and len(others) <= _MOST_WORDS:
        found = sorted(
            (kind, abs(one - two), one, two)
            for one in rest
            for two in others
            for kind in (relation(a[one].lemma, b[two].lemma),)
            if kind != UNRELATED
        )
        used: set[int] = set()
        for kind, _, one, two in found:
            if one not in paired and two not in used:
                paired[one] = (two, kind)
                used.add(two)
    return paired


def unpaired(a: ParsedQuestion, b: ParsedQuestion, paired: dict[int, tuple[int, int]]) -> tuple[list[Word], list[Word]]:
    """Returns the words of each text that stand alone, without numbers."""
    taken = {two for two, _ in paired.values()}
    return (
        [word for at, word in enumerate(a.words) if at not in paired and word.lemma[:1] != "#"],
        [word for at, word in enumerate(b.words) if at not in taken and word.lemma[:1] != "#"],
    )


def replaced(a: list[Word], b: list[Word]) -> float:
    """Counts the words that stand alone in the place of another one: with the same neighbours, or one and an end."""

    def same_slot(one: Word, two: Word) -> bool:
        return bool(one.before or one.after) and one.before == two.before and one.after == two.after

    return float(min(sum(any(same_slot(one, two) for two in b) for one in a), 3))


def opposition(one: Word, two: Word) -> str:
    """Returns the veto against two opposite words."""
    kind = contrasted(one.lemma, two.lemma)
    return f"{f'{kind} differs' if kind else 'opposites'}: {' / '.join(sorted((one.lemma, two.lemma)))}"


def compare(a: ParsedQuestion, b: ParsedQuestion) -> Difference:
    """Compares two parsed questions.

    Returns:
        Features and vetoes; they do not depend on which text comes first.
    """
    c = _Comparison(a, b)
    for look in (_contents, _order, _numbers, _marks, _persons, _particles, _questions, _alone, _literals, _symbols):
        look(c)
    if min(a.english, b.english) < _ENGLISH and a.tokens != b.tokens:
        c.vetoes.append("not English as far as known: only a near-identical text may hit")
    plain = not c.vetoes and bool(c.paired) and not any(c.features[name] for name in _DIFFERENCES)
    c.features["plain"] = float(plain)
    c.features["told_plain"] = c.features["told"] * plain * (1 - c.features["bigrams"])
    return Difference(c.features, c.vetoes)


_DIFFERENCES = (
    "alone_share loose inverted_any voice question negations literals symbols synonym scope_one time_one degree_one "
    "modal_both tense_both person_both time_both scope_both tense_one modal_one subject owner wanted governed "
    "opposed".split()
)
"""Features of which a plain pair, the same question in other words, has none."""


class _Comparison:
    """Two parsed questions, how their words are paired, and what was found of them so far."""

    def __init__(self, a: ParsedQuestion, b: ParsedQuestion) -> None:
        self.a, self.b = a, b
        self.paired = pair_up(a.words, b.words)
        self.alone = unpaired(a, b, self.paired)
        self.features: dict[str, float] = {}
        self.vetoes: list[str] = []

    def veto(self, what: str, *sides: str) -> None:
        """Notes what forbids a hit: the two sides in the order of the alphabet."""
        self.vetoes.append(f"{what}: {' / '.join(sorted(sides))}")

    def odd(self, kind: str) -> tuple[frozenset[str], frozenset[str]]:
        """Returns the marks of a kind that only one of the two has."""
        mine, theirs = self.a.marks[kind], self.b.marks[kind]
        return mine - theirs, theirs - mine


def _contents(c: _Comparison) -> None:
    weights = [0.0] * 6
    for one, (two, kind) in c.paired.items():
        first, second = c.a.words[one], c.b.words[two]
        weights[kind] += (first.weight + second.weight) / 2
        if kind == OPPOSITE:
            c.vetoes.append(opposition(first, second))
        elif kind == SISTER and first.name and second.name:
            c.vetoes.append(f"names differ: {first.lemma} / {second.lemma}")
    heavy_a, heavy_b = (sum(word.weight for word in alone) for alone in c.alone)
    total = sum(word.weight for word in c.a.words) + sum(word.weight for word in c.b.words) or 1.0
    for title, kind in (("synonym", SYNONYM), ("derived", DERIVED), ("sister", SISTER)):
        c.features[title] = min(weights[kind], 4.0)
    c.features["covered"] = 2 * sum(weights[: WIDER + 1]) / total
    c.features["loose"] = 2 * (weights[SISTER] + weights[OPPOSITE]) / total
    c.features["alone_less"], c.features["alone_more"] = sorted((min(heavy_a, 6.0), min(heavy_b, 6.0)))
    c.features["alone_share"] = (heavy_a + heavy_b) / total
    bigrams_a, bigrams_b = (set(pairwise(text.tokens)) for text in (c.a, c.b))
    c.features["bigrams"] = len(bigrams_a & bigrams_b) / max(len(bigrams_a | bigrams_b), 1)


def _order(c: _Comparison) -> None:
    order = order_of(c.a, c.b, c.paired)
    voice, share = float(c.a.passive != c.b.passive), c.features["alone_share"]
    inverted = float(order.inversions > 0 and not voice)
    c.features |= {
        "inverted_any": inverted,
        "voice": voice,
        "fronted": float(order.moved > 0 and not order.inversions),
        "exchanged": float(min(order.exchanged, 3)),
        "crossed": float(min(order.crossed, 3)),
        "governed": float(order.governed),
        "roles": float(order.roles),
        "reordered": inverted * (not share),
    }
    if order.roles and share < 0.25:
        c.vetoes.append("roles exchanged")
    if c.a.compared and c.b.compared and c.a.compared == c.b.compared[::-1]:
        c.vetoes.append("the two sides of a comparison are exchanged")


def _numbers(c: _Comparison) -> None:
    mine, theirs = (sorted(number for number, _ in text.numbers) for text in (c.a, c.b))
    odd_a, odd_b = [n for n in mine if n not in theirs], [n for n in theirs if n not in mine]
    c.features["number_one"] = float(mine != theirs and not (odd_a and odd_b))
    if mine == theirs:
        units = {number: unit for number, unit in c.a.numbers if unit}
        for number, unit in c.b.numbers:
            if unit and units.get(number, unit) != unit:
                c.vetoes.append(f"units differ: {number} {units[number]} / {number} {unit}")
    elif (odd_a and odd_b) or not c.a.loose.union(c.b.loose).issuperset((*odd_a, *odd_b)):
        c.veto("numbers differ", *(", ".join(numbers[:4]) or "none" for numbers in (mine, theirs)))


def _marks(c: _Comparison) -> None:
    c.features["negations"] = float(c.a.negations != c.b.negations)
    if (c.a.negations - c.b.negations) % 2:
        c.vetoes.append("one is negated")
    for kind in ("scope", "modal", "time", "person", "tense", "degree"):
        mine, theirs = c.odd(kind)
        both = bool(mine and theirs)
        either = bool(c.a.marks[kind]) != bool(c.b.marks[kind]) or (bool(mine or theirs) and not both)
        c.features[f"{kind}_both"], c.features[f"{kind}_one"] = float(both), float(either)
        if kind == "scope":
            opposed = {tuple(sorted((x, y))) for x in mine for y in theirs if _excludes(x, y)}
            for pair in sorted(opposed)[:1]:
                c.veto("scope differs", *pair)
        elif both and kind in ("time", "degree") and not mine | theirs <= _NOW:
            c.vetoes.append(f"{kind} differs: {_list(mine)} / {_list(theirs)}")


def _excludes(one: str, two: str) -> bool:
    return (one, two) in OPPOSITES or {one, two} <= _ORDINALS


def _persons(c: _Comparison) -> None:
    if _conflict(*c.odd("person")):
        c.vetoes.append("persons differ")
    mine, theirs = c.a.marks["owner"], c.b.marks["owner"]
    anybody = mine and theirs and {c.a.question, c.b.question} <= _ANYBODY
    c.features["owner"] = float(mine != theirs and not anybody)
    if c.features["owner"] and _conflict(*c.odd("owner")):
        sides = ({_OWNERS[one] for one in odd if one in _OWNERS} for odd in c.odd("owner"))
        c.vetoes.append("owners differ: " + " / ".join(_list(side) for side in sides))
    if "only" in c.a.marks["scope"] ^ c.b.marks["scope"]:
        c.vetoes.append("one says only")


def _conflict(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether two texts speak of persons that exclude each other; "own" and anybody's do not."""
    return any(x != y and x in _OWNERS and y in _OWNERS for x in mine for y in theirs)


_OWNERS = {"1": "my", "2": "your", "m": "his", "f": "her"}
_ORDINALS = frozenset({"first", "last", "next", "previous"})
_NOW = frozenset({"now", "currently", "new", "modern", "recent", "recently", "latest", "daily"})
"""Ways to say that it is of now."""
_ANYBODY = frozenset({"how do", "can", "should"})
"""Types of question whose "your" is anybody's, like "my"."""


def _particles(c: _Comparison) -> None:
    opposed = _opposed(c.a, c.b) if c.a.particles != c.b.particles else set()
    c.features["opposed"] = float(len(opposed))
    for pair in sorted(opposed):
        c.veto("opposites", *pair)


def _opposed(a: ParsedQuestion, b: ParsedQuestion) -> set[tuple[str, str]]:
    """Opposite prepositions or particles of the same word: of the one after, or of the one before where alone."""
    mine, theirs = ({word for word, *_ in text.particles} for text in (a, b))
    under_mine, under_theirs = ({(word, after) for word, _, after in text.particles} for text in (a, b))
    found = set()
    for word, before, after in a.particles:
        for other, other_before, other_after in b.particles:
            if (word, other) not in OPPOSITES and (word, other) not in OPPOSITE_PREPOSITIONS:
                continue
            governing = after == other_after and (word, after) not in under_theirs and (other, after) not in under_mine
            if governing or (before == other_before and word not in theirs and other not in mine):
                found.add((word, other))
    return found


def _questions(c: _Comparison) -> None:
    a, b = c.a, c.b
    told = "tell" in (a.question, b.question) and not a.asks and not b.asks
    c.features["question"] = 0.0 if told else question_distance(a.question, b.question)
    c.features["told"] = float(a.question == b.question == "tell")
    if c.features["question"] == 1.0:
        c.veto("questions of two types", a.question, b.question)
    if a.wh_role and b.wh_role and a.wh_role != b.wh_role:
        c.vetoes.append("who does it / to whom it is done")
    c.features["wanted"] = float(bool(a.wanted and b.wanted) and relation(a.wanted, b.wanted) > DERIVED)
    if c.features["wanted"] and a.question == b.question == "how many":
        c.veto("asked for differs", a.wanted, b.wanted)
    c.features["subject"] = float(bool(a.subject and b.subject and a.subject != b.subject))


def _alone(c: _Comparison) -> None:
    """Words that one text says and the other does not."""
    a, b = c.alone
    names = [[word for word in side if word.name] for side in c.alone]
    c.features["names_both"] = float(min(map(len, names)))
    sure = all(any(word.sure for word in side) for side in names)
    if c.features["names_both"] and (sure or replaced(*names)):
        sides = (", ".join(word.lemma for word in side[:3]) for side in names)
        c.vetoes.append(f"names differ: {' / '.join(sides)}")
    c.features["replaced"] = replaced(a, b)
    c.features["replaced_only"] = float(bool(c.features["replaced"]) and len(a) == len(b) == 1)
    c.features["one_sided"] = float(c.features["alone_more"] >= 0.9 and not c.features["alone_less"])
    c.features["names_one"] = float(sum(word.name for word in (*a, *b)))


def _literals(c: _Comparison) -> None:
    odd = c.a.literals ^ c.b.literals
    c.features["literals"] = float(min(len(odd), 4.0))
    quoted = {literal for literal in odd if not literal.replace(" ", "").isalpha()}
    exchanged = c.a.literals - c.b.literals and c.b.literals - c.a.literals
    if exchanged or any(literal.lower() not in {*c.a.tokens, *c.b.tokens} for literal in quoted):
        c.veto("literals differ", *sorted(odd)[:4])


def _symbols(c: _Comparison) -> None:
    differ = sorted(c.a.symbols) != sorted(c.b.symbols)
    c.features["symbols"] = float(differ)
    if differ and c.a.symbols and c.b.symbols:
        c.vetoes.append(f"symbols differ: {' '.join(c.a.symbols)} / {' '.join(c.b.symbols)}")


def _list(values: Collection[str]) -> str:
    return ", ".join(sorted(values))
