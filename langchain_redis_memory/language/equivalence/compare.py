"""Compares two parsed questions: features for the model, and vetoes that no probability overrules.

Content words are paired one to one (same, synonym, same stem, wider, kinds of one thing, opposite); what stays alone is
what one text says and the other does not. Order is compared over the pairs: inversions, neighbours, governing
prepositions, exchanged places. All features are symmetric in the two texts.
"""

from __future__ import annotations

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
    vetoes: list[str] = []
    features: dict[str, float] = {}
    paired = pair_up(a.words, b.words)
    alone_a, alone_b = _contents(a, b, paired, features, vetoes)
    _order(a, b, paired, features, vetoes)
    _numbers(a, b, features, vetoes)
    _marks(a, b, features, vetoes)
    _questions(a, b, features, vetoes)
    _alone(alone_a, alone_b, features, vetoes)
    _literals_and_symbols(a, b, features, vetoes)
    if min(a.english, b.english) < _ENGLISH and a.tokens != b.tokens:
        vetoes.append("not English as far as known: only a near-identical text may hit")
    features["plain"] = float(not vetoes and bool(paired) and not any(features[name] for name in _DIFFERENCES))
    features["told_plain"] = features["told"] * features["plain"] * (1 - features["bigrams"])
    return Difference(features, vetoes)


_DIFFERENCES = (
    "alone_share loose inverted_any voice question negations literals symbols synonym scope_one time_one degree_one "
    "modal_both tense_both person_both time_both scope_both tense_one modal_one subject owner wanted governed "
    "opposed".split()
)
"""Features of which a plain pair, the same question in other words, has none."""


def _alone(a: list[Word], b: list[Word], features: dict[str, float], vetoes: list[str]) -> None:
    """Words that one text says and the other does not."""
    features["names_both"] = 0.0
    if a and b:
        names = [word for word in a if word.name], [word for word in b if word.name]
        features["names_both"] = float(min(len(names[0]), len(names[1])))
        sure = any(word.sure for word in names[0]) and any(word.sure for word in names[1])
        if sure or replaced(*names):
            vetoes.append(f"names differ: {_list(names[0])} / {_list(names[1])}")
    features["replaced"] = replaced(a, b)
    features["replaced_only"] = float(bool(features["replaced"]) and len(a) == len(b) == 1)
    features["one_sided"] = float(features["alone_more"] >= 0.9 and not features["alone_less"])
    features["names_one"] = float(sum(word.name for word in (*a, *b)))


def _literals_and_symbols(a: ParsedQuestion, b: ParsedQuestion, features: dict[str, float], vetoes: list[str]) -> None:
    mine, theirs = a.literals, b.literals
    odd = mine ^ theirs
    features["literals"] = float(min(len(odd), 4.0))
    if odd:
        quoted = {literal for literal in odd if not literal.replace(" ", "").isalpha()}
        if any(literal.lower() not in {*a.tokens, *b.tokens} for literal in quoted) or (
            mine - theirs and theirs - mine
        ):
            vetoes.append("literals differ: " + " / ".join(sorted(odd)[:4]))
    differ = sorted(a.symbols) != sorted(b.symbols)
    features["symbols"] = float(differ)
    if differ and a.symbols and b.symbols:
        vetoes.append(f"symbols differ: {' '.join(a.symbols)} / {' '.join(b.symbols)}")


def _list(words: list[Word]) -> str:
    return ", ".join(word.lemma for word in words[:3])


def _contents(
    a: ParsedQuestion,
    b: ParsedQuestion,
    paired: dict[int, tuple[int, int]],
    features: dict[str, float],
    vetoes: list[str],
) -> tuple[list[Word], list[Word]]:
    weights = [0.0] * 6
    for one, (two, kind) in paired.items():
        first, second = a.words[one], b.words[two]
        weights[kind] += (first.weight + second.weight) / 2
        if kind == OPPOSITE:
            vetoes.append(opposition(first, second))
        elif kind == SISTER and first.name and second.name:
            vetoes.append(f"names differ: {first.lemma} / {second.lemma}")
    alone_a, alone_b = unpaired(a, b, paired)
    heavy_a, heavy_b = sum(word.weight for word in alone_a), sum(word.weight for word in alone_b)
    total = sum(word.weight for word in a.words) + sum(word.weight for word in b.words) or 1.0
    for title, kind in (("synonym", SYNONYM), ("derived", DERIVED), ("sister", SISTER)):
        features[title] = min(weights[kind], 4.0)
    features["covered"] = 2 * sum(weights[: WIDER + 1]) / total
    features["loose"] = 2 * (weights[SISTER] + weights[OPPOSITE]) / total
    features["alone_less"], features["alone_more"] = sorted((min(heavy_a, 6.0), min(heavy_b, 6.0)))
    features["alone_share"] = (heavy_a + heavy_b) / total
    bigrams_a, bigrams_b = (set(zip(text.tokens, text.tokens[1:], strict=False)) for text in (a, b))
    features["bigrams"] = len(bigrams_a & bigrams_b) / max(len(bigrams_a | bigrams_b), 1)
    return alone_a, alone_b


def _order(
    a: ParsedQuestion,
    b: ParsedQuestion,
    paired: dict[int, tuple[int, int]],
    features: dict[str, float],
    vetoes: list[str],
) -> None:
    order = order_of(a, b, paired)
    voice = float(a.passive != b.passive)
    features["inverted_any"] = float(order.inversions > 0 and not voice)
    features["voice"] = voice
    features["fronted"] = float(order.moved > 0 and not order.inversions)
    features["exchanged"] = float(min(order.exchanged, 3))
    features["crossed"] = float(min(order.crossed, 3))
    features["governed"] = float(order.governed)
    features["roles"] = float(order.roles)
    features["reordered"] = features["inverted_any"] * (not features["alone_share"])
    if order.roles and features["alone_share"] < 0.25:
        vetoes.append("roles exchanged")
    if a.compared and b.compared and a.compared[0] == b.compared[1] and a.compared[1] == b.compared[0]:
        vetoes.append("the two sides of a comparison are exchanged")


def _numbers(a: ParsedQuestion, b: ParsedQuestion, features: dict[str, float], vetoes: list[str]) -> None:
    mine, theirs = sorted(number for number, _ in a.numbers), sorted(number for number, _ in b.numbers)
    odd_a, odd_b = [n for n in mine if n not in theirs], [n for n in theirs if n not in mine]
    features["number_one"] = float(mine != theirs and not (odd_a and odd_b))
    if mine == theirs:
        units = {number: unit for number, unit in a.numbers if unit}
        for number, unit in b.numbers:
            if unit and number in units and units[number] != unit:
                vetoes.append(f"units differ: {number} {units[number]} / {number} {unit}")
        return
    if not (odd_a and odd_b) and a.loose.union(b.loose).issuperset((*odd_a, *odd_b)):
        return
    one, two = sorted((", ".join(mine[:4]) or "none", ", ".join(theirs[:4]) or "none"))
    vetoes.append(f"numbers differ: {one} / {two}")


def _marks(a: ParsedQuestion, b: ParsedQuestion, features: dict[str, float], vetoes: list[str]) -> None:
    features["negations"] = float(a.negations != b.negations)
    if (a.negations - b.negations) % 2:
        vetoes.append("one is negated")
    for kind in ("scope", "modal", "time", "person", "tense", "degree"):
        mine, theirs = a.marks[kind], b.marks[kind]
        features[f"{kind}_both"] = float(bool(mine - theirs) and bool(theirs - mine))
        features[f"{kind}_one"] = float(bool(mine) != bool(theirs) or (mine != theirs and not features[f"{kind}_both"]))
        if kind == "scope":
            vetoes += sorted(
                f"scope differs: {' / '.join(sorted((x, y)))}"
                for x in mine - theirs
                for y in theirs - mine
                if (x, y) in OPPOSITES or {x, y} <= _ORDINALS
            )[:1]
        if features[f"{kind}_both"] and kind in {"time", "degree"} and not _alike_times(mine - theirs, theirs - mine):
            vetoes.append(f"{kind} differs: {_set(mine - theirs)} / {_set(theirs - mine)}")
    people_a, people_b = a.marks["person"], b.marks["person"]
    if _conflict(people_a - people_b, people_b - people_a):
        vetoes.append("persons differ")
    owners_a, owners_b = a.marks["owner"], b.marks["owner"]
    features["owner"] = float(owners_a != owners_b and not (bool(owners_a and owners_b) and _anybody(a, b)))
    if features["owner"] and _conflict(owners_a - owners_b, owners_b - owners_a):
        names = (
            {_OWNERS[one] for one in owners if one in _OWNERS} for owners in (owners_a - owners_b, owners_b - owners_a)
        )
        vetoes.append("owners differ: " + " / ".join(_set(frozenset(one)) for one in names))
    only = {"only"} & (a.marks["scope"] ^ b.marks["scope"])
    if only:
        vetoes.append("one says only")
    opposed = _opposed(a, b) if a.particles != b.particles else set()
    features["opposed"] = float(len(opposed))
    for word, other in sorted(opposed):
        vetoes.append("opposites: " + " / ".join(sorted((word, other))))


def _opposed(a: ParsedQuestion, b: ParsedQuestion) -> set[tuple[str, str]]:
    """Opposite prepositions or particles of the same word: of the one after, or of the one before where alone."""
    mine, theirs = {word for word, *_ in a.particles}, {word for word, *_ in b.particles}
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


_OWNERS = {"1": "my", "2": "your", "m": "his", "f": "her"}
_ORDINALS = frozenset({"first", "last", "next", "previous"})
_NOW = frozenset({"now", "currently", "new", "modern", "recent", "recently", "latest", "daily"})


def _alike_times(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether both are ways to say that it is of now."""
    return mine <= _NOW and theirs <= _NOW


_ANYBODY = frozenset({"how do", "can", "should"})
"""Types of question whose "your" is anybody's, like "my"."""
_CONFLICTS = frozenset(
    frozenset(pair) for pair in (("1", "2"), ("1", "m"), ("1", "f"), ("2", "m"), ("2", "f"), ("m", "f"))
)


def _anybody(a: ParsedQuestion, b: ParsedQuestion) -> bool:
    return a.question in _ANYBODY and b.question in _ANYBODY


def _conflict(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether two texts speak of persons that exclude each other; "own" and anybody's do not."""
    return any(frozenset((x, y)) in _CONFLICTS for x in mine for y in theirs)


def _set(values: frozenset[str]) -> str:
    return ", ".join(sorted(values))


def _questions(a: ParsedQuestion, b: ParsedQuestion, features: dict[str, float], vetoes: list[str]) -> None:
    told = "tell" in {a.question, b.question} and not a.asks and not b.asks
    features["question"] = 0.0 if told else question_distance(a.question, b.question)
    features["told"] = float(a.question == b.question == "tell")
    if features["question"] == 1.0:
        vetoes.append("questions of two types: " + " / ".join(sorted((a.question, b.question))))
    if a.wh_role and b.wh_role and a.wh_role != b.wh_role:
        vetoes.append("who does it / to whom it is done")
    features["wanted"] = float(bool(a.wanted and b.wanted) and relation(a.wanted, b.wanted) > DERIVED)
    if features["wanted"] and a.question == b.question == "how many":
        vetoes.append(f"asked for differs: {' / '.join(sorted((a.wanted, b.wanted)))}")
    features["subject"] = float(bool(a.subject and b.subject and a.subject != b.subject))
