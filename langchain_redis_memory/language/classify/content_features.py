"""Features of a turn's own content: names, specific nouns, and words that the history has or has not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import log1p
from typing import NamedTuple

from langchain_redis_memory.language.classify.tokens import HistoryWords
from langchain_redis_memory.language.classify.word_kinds import WordKinds
from langchain_redis_memory.language.lexicon import Lexicon
from langchain_redis_memory.language.turn_tokens import TurnTokens

_INVERTED = frozenset("do does did can will could".split())
_BE = frozenset("is are was were".split())
_DETERMINER = frozenset("a an most some many".split())
_POINTING = (
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
"""Signs that point at something outside the turn."""
_UNRESOLVED = ("pronoun", "demonstrative", "there", "anaphor", "member", "opening_phrase")
"""Signs in a last sentence that the sentences before do not explain."""


class _Content(NamedTuple):
    """A turn's content words by their places.

    Args:
        reading: The turn.
        kinds: The kind of each word.
        before: The history's words.
        language: The lexicon.
        content: Words that are no function words.
        names: Those of them that are names.
        anchors: Nouns specific enough to say what the turn is about.
        nouns: All nouns.
    """

    reading: TurnTokens
    kinds: WordKinds
    before: HistoryWords
    language: Lexicon
    content: list[int]
    names: list[int]
    anchors: list[int]
    nouns: list[int]

    @property
    def low(self) -> list[str]:
        """The turn's words in lower case."""
        return self.reading.low

    @property
    def clean(self) -> bool:
        """Whether no sign speaks for dependence so far."""
        return not self.reading.evidence

    def feature(self, name: str) -> float:
        """Returns the value of a feature that was found before, else 0."""
        return self.reading.features.get(name, 0.0)

    def known(self, places: list[int]) -> list[int]:
        """Returns those of the places whose words occur in the history."""
        return [place for place in places if self.kinds.stems[place] in self.before.content]


def content_features(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    """Computes the features of a turn's own content.

    Args:
        reading: The turn; the features are added to it.
        kinds: The kind of each word.
        before: The history's words.
        language: The lexicon.
    """
    turn = _content(reading, kinds, before, language)
    _apply(_SIZE, turn)
    if before.started:
        _apply(_KNOWN, turn)
        if (cut := _part_of_name(turn)) is not None:
            reading.sign("part_of_name", cut, why="part of a name")
        reading.features["last_share"] = sum(kinds.stems[place] in before.last for place in turn.nouns) / max(
            len(turn.nouns), 1
        )
    _apply(_CLEAN, turn)
    if (plain := _evaluates(turn)) is not None:
        reading.sign("evaluative", plain)
    _apply(_SUBJECT, turn)
    if _is_novel(turn):
        _apply(_NOVEL, turn)
    reading.features["definition"] = float(_defines(reading, kinds, language, turn.anchors))
    if not turn.content:
        reading.sign("no_content", 0, len(reading.low) - 1, why="no content of its own")
    if any(word in language.acknowledgement for word in reading.low) and not turn.anchors:
        reading.features["only_comment"] = 1.0


def _apply(table: tuple[_Feature, ...], turn: _Content) -> None:
    for name, value in table:
        turn.reading.features[name] = float(value(turn))


def _content(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> _Content:
    low = reading.low
    content = [place for place in range(_scope(reading, kinds), len(low)) if not kinds.function[place]]
    names = [place for place in content if kinds.name[place]]
    anchors = [place for place in content if kinds.noun[place] and low[place] not in language.unspecific]
    nouns = [place for place in content if kinds.noun[place] or low[place] in language.relational]
    return _Content(reading, kinds, before, language, content, names, anchors, nouns)


def _scope(reading: TurnTokens, kinds: WordKinds) -> int:
    """Where the words begin that say what the turn is about.

    Where the last sentence points at something unsaid, the names and nouns before it are not what it means.
    """
    points = any(reading.at.get(name, -1) >= kinds.sentence for name in _UNRESOLVED)
    return kinds.sentence if points else 0


def _part_of_name(turn: _Content) -> int | None:
    """The place of a name that the history knows only as a part of a longer one."""
    stems, words = turn.kinds.stems, turn.reading.words
    spoken = {stems[place] for place in turn.content}
    for place in turn.names:
        # The first word's capital proves nothing; the weights were fitted without it.
        spelt = place > 0 and (words[place][0].isupper() or turn.reading.text.islower())
        if spelt and stems[place] in turn.before.names and _cut_short(stems[place], spoken, turn.before):
            return place
    return None


def _points(turn: _Content) -> bool:
    return any(name in turn.reading.features for name in _POINTING)


def _plainly(turn: _Content) -> bool:
    """Whether a word can only mean something unsaid: however much else is named, that is missing."""
    return any(name in turn.reading.features for name in ("pronoun", "demonstrative", "there", "member"))


def _only_new(turn: _Content) -> bool:
    """Whether all the turn names is new to the conversation, and nothing points back."""
    return bool(turn.before.started and turn.anchors and turn.feature("no_old") and turn.clean)


def _evaluates(turn: _Content) -> int | None:
    """The place of a generic word ("good") in a turn that names nothing and relates it to nothing."""
    if not turn.anchors or turn.names or {"of", "for", "in", "between"} & set(turn.low):
        return None
    return next((place for place in turn.content if turn.low[place] in turn.language.generic), None)


def _is_novel(turn: _Content) -> bool:
    heavy = _heavy(turn)
    return turn.before.started and bool(heavy) and not turn.known(heavy)


def _heavy(turn: _Content) -> list[int]:
    return [place for place in turn.content if turn.low[place] not in turn.language.weak]


def _has_subject(reading: TurnTokens, kinds: WordKinds, language: Lexicon, anchors: set[int]) -> bool:
    """Whether a question names what does or suffers it: "how does photosynthesis work?", "who wrote Hamlet?"."""
    low, count, start = reading.low, len(reading.low), kinds.start
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
        and (low[start + 1] in language.light | language.transitive or low[start + 1].endswith("ed"))
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
    start = kinds.start
    opening = next(
        (phrase for phrase in language.definition if tuple(low[start : start + len(phrase)]) == phrase), None
    )
    if opening is None:
        return False
    rest = range(start + len(opening), len(low))
    return all(place in anchors or low[place] in ("a", "an", "and", "in", "of") for place in rest)


_Feature = tuple[str, Callable[[_Content], float]]
"""A feature's name and its value."""
_SIZE: tuple[_Feature, ...] = (
    ("anchors", lambda turn: log1p(len(turn.anchors))),
    ("no_anchor", lambda turn: not turn.anchors),
    ("no_content", lambda turn: not turn.content),
    ("short", lambda turn: len(turn.low) <= 4),
    ("named", lambda turn: bool(turn.names)),
    ("names", lambda turn: log1p(len(turn.names))),
    ("addressed", lambda turn: "you" in turn.low or "your" in turn.low),
)
_KNOWN: tuple[_Feature, ...] = (
    ("old_anchors", lambda turn: log1p(len(turn.known(turn.anchors)))),
    ("no_old", lambda turn: not turn.known(turn.anchors)),
    ("old_share", lambda turn: len(turn.known(turn.anchors)) / max(len(turn.anchors), 1)),
    ("name_known", lambda turn: any(turn.kinds.stems[place] in turn.before.names for place in turn.names)),
)
_CLEAN: tuple[_Feature, ...] = (
    ("compound", lambda turn: any(b == a + 1 and not turn.reading.stop[a] for a, b in pairwise(turn.anchors))),
    ("clean", lambda turn: turn.clean),
    ("points_named", lambda turn: _points(turn) and bool(turn.names)),
    ("points_anchored", lambda turn: log1p(len(turn.anchors)) * _plainly(turn)),
    ("two_anchors", lambda turn: len(turn.anchors) > 1),
    ("three_anchors", lambda turn: len(turn.anchors) > 2),
    ("new_only", _only_new),
    ("new_only_named", lambda turn: turn.feature("new_only") * turn.feature("named")),
    ("new_only_answered", lambda turn: turn.feature("new_only") * turn.before.answered),
    ("old_clean", lambda turn: turn.feature("clean") * (1 - turn.reading.features.get("no_old", 1.0))),
)
_SUBJECT: tuple[_Feature, ...] = (
    (
        "specific",
        lambda turn: log1p(
            sum(len(turn.low[place]) > 3 and turn.low[place] not in turn.language.common for place in turn.anchors)
        ),
    ),
    ("my_thing", lambda turn: any(turn.low[place - 1] == "my" for place in turn.anchors if place)),
    (
        "own_subject",
        lambda turn: turn.clean and _has_subject(turn.reading, turn.kinds, turn.language, set(turn.anchors)),
    ),
)
_NOVEL: tuple[_Feature, ...] = (
    ("novel_many", lambda turn: log1p(len(_heavy(turn)))),
    ("novel_answered", lambda turn: turn.before.answered),
    ("novel_named", lambda turn: turn.clean and bool(turn.names)),
    ("novel_related", lambda turn: turn.feature("relation_filled") * turn.clean),
)
