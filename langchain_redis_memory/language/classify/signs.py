"""The signs that a turn leans on its conversation, each with its place in the turn.

A sign is what a linguist would point at: a pronoun or demonstrative
that nothing before it in the turn can mean, "the" before a noun that the turn never introduced, a noun that is always
of something without that something ("symptoms"), a transitive verb without its object, a comparison without a
standard, a question without its verb, a word that continues. Against them stand the signs of a turn that carries its
subject itself: names, specific nouns, modifiers, complements. What the history holds is compared by words.

No sign decides: `logistic` weighs them.
"""

from __future__ import annotations

import itertools
import re
from math import log1p

from langchain_redis_memory.language.classify.lexicon import Lexicon
from langchain_redis_memory.language.classify.reference_signs import definites, pointers
from langchain_redis_memory.language.classify.tokens import HEAD, HistoryWords, TurnTokens
from langchain_redis_memory.language.classify.word_kinds import WordKinds

_INVERTED = frozenset("do does did can will could".split())
_BE = frozenset("is are was were".split())
_DETERMINER = frozenset("a an most some many".split())
_QUOTED = re.compile(r"[\"\u201c`][^\"\u201d`\n]{2,200}[\"\u201d`]|\w\(\)|\w\.\w+\(|\w_\w|https?://|```")


def signs(reading: TurnTokens, before: HistoryWords, language: Lexicon) -> TurnTokens:
    """Finds the signs of a turn.

    Args:
        reading: Its words.
        before: The history's.
        language: The lexicon.

    Returns:
        The same reading, with features and evidence.
    """
    if reading.words:
        kinds = WordKinds(reading, before, language)
        for look in (pointers, definites, _relational, _ellipsis, _comparison, _substance):
            look(reading, kinds, before, language)
    return reading


def _relational(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    low, stop, count = reading.low, reading.stop, len(reading.low)
    for place, word in enumerate(low):
        if word not in language.relational or kinds.name[place]:
            continue
        if place + 1 < count and not stop[place] and not kinds.function[place + 1]:
            continue  # the head of a compound comes later
        start = place
        while start and not stop[start - 1] and not kinds.function[start - 1]:
            start -= 1
        modifiers = [
            at for at in range(start, place) if low[at] not in language.generic and low[at] not in language.relational
        ]
        owner = low[start - 1] if start and not stop[start - 1] else ""
        filled = any(kinds.owned[at] for at in range(start, place))
        complement = ""
        if not stop[place] and place + 1 < count and low[place + 1] in language.complement:
            rest = [
                at
                for at in range(place + 2, min(place + 8, count))
                if kinds.clause[at] == kinds.clause[place + 1] or low[place + 1] in language.clause
            ]
            complement = "own" if any(kinds.noun[at] for at in rest) else "empty"
        if filled or complement == "own":
            reading.sign("relation_filled", place)
        elif owner in ("my", "your", "our"):
            reading.sign("relation_mine", place)
        elif modifiers:
            reading.sign("relation_modified", place)
        elif any(
            kinds.noun[at] and low[at] not in language.relational and low[at] not in language.generic
            for at in range(count)
            if at != place
        ):
            reading.sign("relation_doubtful", place, why="of what")
        else:
            reading.sign("relation_open", place, why="of what")


def _ellipsis(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    low, stop, count = reading.low, reading.stop, len(reading.low)
    start = 0
    while (
        start < count - 1
        and low[start] in language.acknowledgement
        and (stop[start] or low[start + 1] in language.acknowledgement)
    ):
        start += 1
    if start or (low[0] in language.acknowledgement and count <= 4):
        reading.sign("acknowledges", 0, max(start - 1, 0), why="answers or comments" if start >= count - 1 else "")
    if all(word in language.acknowledgement for word in low):
        reading.sign("only_acknowledges", 0, count - 1, why="answers or comments")
    first = low[start]
    if first in language.opener:
        reading.sign("opener", start, why="continues")
    for phrase in language.opening_phrase:
        if first == phrase[0] or phrase[0] in low:
            for at in range(start, min(count, start + 12)):
                if tuple(low[at : at + len(phrase)]) == phrase:
                    reading.sign(
                        "opening_phrase" if at == start else "phrase", at, at + len(phrase) - 1, why="continues"
                    )
    verb = any(
        word in language.auxiliary
        or word in language.imperative
        or (len(word) > 4 and word.endswith(("ed", "ing")))
        or (word in language.light and place > 0)
        for place, word in enumerate(low)
    )
    asks = (
        first in language.wh
        or first in language.auxiliary
        or first in language.imperative
        or "?" in stop
        or first in ("how", "what")
    )
    if first in language.wh and count - start <= 2 and not any(kinds.noun[start:]):
        reading.sign("bare_question", start, count - 1, why="part of a question")
    if not verb:
        reading.sign("fragment", start, count - 1, why="part of a sentence")
    if first in language.preposition and not verb:
        reading.sign("phrase", start, why="part of a sentence")
    if not asks:
        reading.sign("statement", start, why="a statement, not a question")
        if before.asked_back:
            reading.sign("reply", start, why="may answer what was asked")
    # a transitive verb at the end of a question whose object is not asked for
    last = count - 1
    while last > start and kinds.function[last] and low[last] not in language.transitive:
        last -= 1
    if (
        (
            last > start
            and low[last] in language.transitive
            and first
            in (
                "how",
                "when",
                "where",
                "why",
                "can",
                "should",
                "do",
                "does",
                "did",
                "could",
                "will",
                "would",
                "is",
                "who",
            )
            and last == count - 1
        )
        and low[last - 1] not in ("be", "is", "are", "was", "were", "been", "get")
        and kinds.function[last - 1]
    ):
        reading.sign("no_object", last, why="lacks its object")
    # "how is being used?": a question without its subject
    if (
        first in language.wh
        and count - start > 2
        and low[start + 1] in ("is", "are", "was", "were")
        and (
            low[start + 2] == "being"
            or (low[start + 2].endswith("ing") and start + 3 < count and low[start + 3] in language.preposition)
        )
    ):
        reading.sign("no_subject", start, start + 2, why="lacks its subject")
    # "is there a fee?": existence without a place
    if (
        first in ("is", "are", "was", "were", "any")
        and count - start <= 6
        and ("there" in low[start : start + 2] or first == "any")
    ) and not any(kinds.name[start:]):
        reading.sign("existence", start, count - 1, why="where, or of what")


def _comparison(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    low, stop, count = reading.low, reading.stop, len(reading.low)
    for place, word in enumerate(low):
        closing = place + 1 >= count or bool(stop[place])
        if word in language.comparative:
            if "than" in low[place:] or "or" in low[place:]:
                continue
            if closing or (low[place + 1] in language.function and low[place + 1] != "about"):
                reading.sign("comparative", place, why="compares with something unsaid")
            elif word == "more" and low[place + 1] == "about":
                continue
            elif word not in ("more", "less"):
                reading.sign("comparative_noun", place, why="compares with something unsaid")
            else:
                reading.sign("more", place)
        elif word in language.comparison:
            rest = low[place + 1 :]
            two = ("and" in low and any(kinds.noun)) or any(
                one in ("between", "than", "vs", "versus", "or") for one in low
            )
            if not two and (closing or not any(one in language.standard for one in rest)):
                reading.sign("comparison", place, why="compares with something unsaid")
            elif not two:
                reading.sign("comparison_one", place)
        elif len(word) > 4 and word.endswith("er") and closing and place and low[place - 1] in language.auxiliary:
            reading.sign("comparative", place, why="compares with something unsaid")


def _substance(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    """What the turn brings itself: names, specific nouns, words that the history has or has not."""
    low, count = reading.low, len(reading.low)
    features = reading.features
    content = [place for place in range(count) if not kinds.function[place]]
    names = [place for place in content if kinds.name[place]]
    anchors = [
        place
        for place in content
        if kinds.noun[place]
        and low[place] not in language.relational
        and low[place] not in language.generic
        and low[place] not in language.comparative
        and low[place] not in language.acknowledgement
        and low[place] not in language.anaphor
    ]
    nouns = [place for place in content if kinds.noun[place] or low[place] in language.relational]
    features["anchors"] = log1p(len(anchors))
    features["no_anchor"] = float(not anchors)
    features["one_anchor"] = float(len(anchors) == 1)
    features["content"] = log1p(len(content))
    features["no_content"] = float(not content)
    features["length"] = log1p(count)
    features["short"] = float(count <= 4)
    features["named"] = float(bool(names))
    features["names"] = log1p(len(names))
    features["quoted"] = float(bool(_QUOTED.search(reading.text[:HEAD])))
    features["mine"] = float(
        any(
            word in language.fact and not (word == "me" and place and low[place - 1] in language.imperative)
            for place, word in enumerate(low)
        )
    )
    features["addressed"] = float("you" in low or "your" in low)
    if before.started:
        new = [place for place in anchors if kinds.stems[place] not in before.content]
        old = [place for place in anchors if kinds.stems[place] in before.content]
        features["new_anchors"] = log1p(len(new))
        features["old_anchors"] = log1p(len(old))
        features["no_old"] = float(not old)
        features["old_share"] = len(old) / max(len(anchors), 1)
        features["name_known"] = float(any(kinds.stems[place] in before.names for place in names))
        features["name_new"] = float(any(kinds.stems[place] not in before.content for place in names))
        spoken = {kinds.stems[place] for place in content}
        if cut := next(
            (
                p
                for p in names
                if (reading.words[p][0].isupper() or reading.text.islower())
                and kinds.stems[p] in before.names
                and _cut_short(kinds.stems[p], spoken, before)
            ),
            None,
        ):
            reading.sign("part_of_name", cut, why="part of a name")
        features["last_share"] = sum(kinds.stems[place] in before.last for place in nouns) / max(len(nouns), 1)
    compound = any(b == a + 1 and not reading.stop[a] for a, b in itertools.pairwise(anchors))
    features["compound"] = float(compound)
    pointing = any(
        name in features
        for name in (
            "pronoun",
            "demonstrative",
            "there",
            "anaphor",
            "pronoun_doubtful",
            "opening_phrase",
            "opener",
            "comparative",
            "comparison",
        )
    )
    features["clean"] = float(not reading.evidence)
    features["clean_named"] = float(not reading.evidence and bool(names))
    features["clean_anchored"] = float(not reading.evidence and len(anchors) > 1)
    features["points_named"] = float(pointing and bool(names))
    features["two_anchors"] = float(len(anchors) > 1)
    features["three_anchors"] = float(len(anchors) > 2)
    features["new_only"] = float(
        before.started and not features["no_anchor"] and features["no_old"] and not reading.evidence
    )
    features["new_only_named"] = features["new_only"] * features["named"]
    features["new_only_answered"] = features["new_only"] * before.answered
    features["old_clean"] = features["clean"] * (1 - features.get("no_old", 1.0))
    plain = next(
        (place for place in range(count) if low[place] in language.generic and not kinds.function[place]), None
    )
    if anchors and not names and plain is not None and not {"of", "for", "in", "between"} & set(low):
        reading.sign("evaluative", plain)
    features["specific"] = log1p(sum(len(low[place]) > 3 and low[place] not in language.common for place in anchors))
    features["my_thing"] = float(any(low[place - 1] == "my" for place in anchors if place))
    features["own_subject"] = float(not reading.evidence and _has_subject(reading, kinds, language, set(anchors)))
    heavy = [place for place in content if low[place] not in language.light and low[place] not in language.generic]
    if before.started and heavy and not any(kinds.stems[place] in before.content for place in heavy):
        features["novel"] = 1.0
        features["novel_many"] = log1p(len(heavy))
        features["novel_answered"] = float(before.answered)
    features["definition"] = float(_defines(reading, kinds, language, anchors))
    if not content:
        reading.sign("no_content", 0, count - 1, why="no content of its own")
    if any(word in language.acknowledgement for word in low) and not anchors:
        features["only_comment"] = 1.0


def _has_subject(reading: TurnTokens, kinds: WordKinds, language: Lexicon, anchors: set[int]) -> bool:
    """Whether a question names what does or suffers it: "how does photosynthesis work?", "who wrote Hamlet?"."""
    low, count = reading.low, len(reading.low)
    start = 0
    while start < count - 1 and low[start] in language.acknowledgement:
        start += 1
    asked = low[start] in language.wh
    for place in range(start, min(start + 5, count - 1)):
        if low[place] in _INVERTED or (asked and low[place] in _BE):
            following = place + 1
            while following < count and (low[following] in _DETERMINER or low[following] in language.generic):
                following += 1
            return following in anchors and not reading.stop[place]
    return (
        low[start] in ("who", "what", "which")
        and start + 2 < count
        and not kinds.function[start + 1]
        and any(place in anchors for place in range(start + 2, count))
    )


def _cut_short(name: str, spoken: set[str], before: HistoryWords) -> bool:
    """Whether the history knows a name only together with another one, which the turn leaves out."""
    partners = {other for pair in before.pairs if name in pair for other in pair if other != name}
    return bool(partners) and not partners & spoken


def _defines(reading: TurnTokens, kinds: WordKinds, language: Lexicon, anchors: list[int]) -> bool:
    """Whether the turn asks what something is, or to be told about it, and names that something: "what is taurine?"."""
    low = reading.low
    if reading.evidence or not anchors or len(low) > 9:
        return False
    start = 0
    while start < len(low) - 1 and low[start] in language.acknowledgement:
        start += 1
    opening = next(
        (phrase for phrase in language.definition if tuple(low[start : start + len(phrase)]) == phrase), None
    )
    if opening is None:
        return False
    rest = range(start + len(opening), len(low))
    return all(place in anchors or low[place] in ("a", "an", "and", "in", "of") for place in rest)
