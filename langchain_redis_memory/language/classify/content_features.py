"""Features of a turn's own content: names, specific nouns, and words that the history has or has not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from math import log1p

from langchain_redis_memory.language.classify.read_turn import BE, ReadTurn

_INVERTED = frozenset("do does did can will could".split())
_DETERMINER = frozenset("a an most some many".split())
_RELATING = frozenset("of for in between".split())
_MISSING = ("pronoun", "demonstrative", "there", "member")
"""Signs of a word that can only mean something unsaid: however much else is named, that is missing."""
_POINTING = "pronoun demonstrative there anaphor pronoun_doubtful opening_phrase opener comparative comparison".split()
"""Signs that point at something outside the turn."""
_UNRESOLVED = (*_MISSING, "anaphor", "opening_phrase")
"""Signs in a last sentence that the sentences before do not explain."""


def content_features(t: ReadTurn) -> None:
    """Computes the features of a turn's own content."""
    low, lists, before, features = t.low, t.language, t.before, t.features
    # Where the last sentence points at something unsaid, the names and nouns before it are not what it means.
    points = any(place >= t.sentence and name in _UNRESOLVED for name, place in t.tokens.at.items())
    content = [place for place in t.content if place >= t.sentence] if points else t.content
    names = [place for place in content if t.name[place]]
    anchors = [place for place in content if t.noun[place] and low[place] not in lists.unspecific]
    features |= {
        "anchors": log1p(len(anchors)),
        "no_anchor": float(not anchors),
        "no_content": float(not content),
        "short": float(len(low) <= 4),
        "named": float(bool(names)),
        "names": log1p(len(names)),
        "addressed": float("you" in t.inside or "your" in t.inside),
    }
    if before.started:
        old = len(_known(t, anchors))
        features |= {
            "old_anchors": log1p(old),
            "no_old": float(not old),
            "old_share": old / max(len(anchors), 1),
            "name_known": float(bool(before.names) and any(t.stems[place] in before.names for place in names)),
        }
        if (cut := _part_of_name(t, content, names)) is not None:
            t.sign("part_of_name", cut, why="part of a name")
        features["last_share"] = _last_share(t, content) if before.last else 0.0
    clean = not t.tokens.evidence  # no sign speaks for dependence so far
    # All that the turn names is new to the conversation, and nothing points back.
    new_only = bool(before.started and anchors and features["no_old"] and clean)
    features |= {
        "compound": float(any(b == a + 1 and not t.stop[a] for a, b in pairwise(anchors))),
        "clean": float(clean),
        "points_named": float(bool(names) and not features.keys().isdisjoint(_POINTING)),
        "points_anchored": log1p(len(anchors)) * (not features.keys().isdisjoint(_MISSING)),
        "two_anchors": float(len(anchors) > 1),
        "three_anchors": float(len(anchors) > 2),
        "new_only": float(new_only),
        "new_only_named": float(new_only and bool(names)),
        "new_only_answered": float(new_only and before.answered),
        "old_clean": clean * (1 - features.get("no_old", 1.0)),
    }
    if anchors and not names and _RELATING.isdisjoint(t.inside):
        plain = next((place for place in content if low[place] in lists.generic), None)
        if plain is not None:  # "good" in a turn that names nothing and relates it to nothing
            t.sign("evaluative", plain)
    specific = sum(len(low[place]) > 3 and low[place] not in lists.common for place in anchors)
    features |= {
        "specific": log1p(specific),
        "my_thing": float("my" in t.inside and any(low[place - 1] == "my" for place in anchors if place)),
        "own_subject": float(clean and _has_subject(t, anchors)),
    }
    heavy = [place for place in content if low[place] not in lists.weak] if before.started else []
    if heavy and not _known(t, heavy):
        features |= {
            "novel_many": log1p(len(heavy)),
            "novel_answered": float(before.answered),
            "novel_named": float(clean and bool(names)),
            "novel_related": features.get("relation_filled", 0.0) * clean,
        }
    features["definition"] = float(clean and _defines(t, anchors))
    if not content:
        t.sign("no_content", 0, t.last, why="no content of its own")
    if not anchors and not lists.acknowledgement.isdisjoint(low):
        features["only_comment"] = 1.0


def _known(t: ReadTurn, places: Sequence[int]) -> list[int]:
    """Those of the places whose words occur in the history."""
    return [place for place in places if t.stems[place] in t.before.content] if t.before.content else []


def _last_share(t: ReadTurn, content: Sequence[int]) -> float:
    """The share of the turn's nouns that occur in the last exchange."""
    nouns = [place for place in content if t.noun[place] or t.low[place] in t.language.relational]
    return sum(t.stems[place] in t.before.last for place in nouns) / max(len(nouns), 1)


def _part_of_name(t: ReadTurn, content: Sequence[int], names: Sequence[int]) -> int | None:
    """The place of a name that the history knows only together with another one, which the turn leaves out."""
    if not t.before.pairs:
        return None
    spoken = {t.stems[place] for place in content}
    for place in names:
        # The first word's capital proves nothing; the weights were fitted without it.
        spelt = place > 0 and (t.words[place][0].isupper() or t.tokens.text.islower())
        name = t.stems[place]
        if spelt and name in t.before.names:
            partners = {other for pair in t.before.pairs if name in pair for other in pair if other != name}
            if partners and not partners & spoken:
                return place
    return None


def _has_subject(t: ReadTurn, anchors: Collection[int]) -> bool:
    """Whether a question names what does or suffers it: "how does photosynthesis work?", "who wrote Hamlet?"."""
    low, start = t.low, t.start
    asked = t.first in t.language.wh
    for place in range(start, min(start + 5, t.last)):
        if low[place] in _INVERTED or (asked and low[place] in BE):
            following = place + 1
            while following <= t.last and (low[following] in _DETERMINER or low[following] in t.language.generic):
                following += 1
            return following in anchors and not t.stop[place]
    if t.first not in ("who", "what", "which") or start + 2 > t.last:
        return False
    verb = low[start + 1]
    does = verb in t.language.light or verb in t.language.transitive or verb.endswith("ed")
    return does and any(place >= start + 2 for place in anchors)


def _defines(t: ReadTurn, anchors: Collection[int]) -> bool:
    """Whether the turn asks what something is, or to be told about it, and names that something: "what is taurine?"."""
    low = t.low[t.start :]
    if not anchors or len(t.low) > 9:
        return False
    phrases = (phrase for phrase in t.language.definition if phrase[0] == low[0])
    opening = next((phrase for phrase in phrases if tuple(low[: len(phrase)]) == phrase), None)
    return opening is not None and all(
        t.start + place in anchors or low[place] in ("a", "an", "and", "in", "of")
        for place in range(len(opening), len(low))
    )
