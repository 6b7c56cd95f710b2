"""What does a question speak of? Noun phrases with number and kind, found without a model.

A phrase is a run of words that are neither function words nor verbs. Without a tagger that is a guess, so a phrase says
whether it is safe: whether its ends are certain, because a frame that names a topic ("What is ...?", "Tell me about
...") or a function word or a known verb closes it. Only safe phrases may be put into another question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from langchain_redis_memory.contextualise.lexicon import (
    ADJECTIVE_ENDINGS,
    ADJECTIVES,
    FEMININE,
    FUNCTION,
    MASCULINE,
    PEOPLE,
    PLURALS,
    RELATIONAL,
    SINGULARS,
    TITLES,
    VAGUE,
    VERBS,
)

LONGEST = 1_000
"""Characters of a message that are looked at."""

_TOKEN = re.compile(r"[^\W_](?:[\w.+#&/'-]*[\w+#])?|[^\w\s]")
_DO = frozenset("do does did can could will would shall should may might must to".split())
_BE = frozenset("is are was were am be been being".split())
_ARTICLES = frozenset(("a", "an", "the"))
_PREPOSITIONS = frozenset("of in on at for from by with about into after before between during against within through to".split())


@dataclass(frozen=True)
class Mention:
    """Something that a text speaks of.

    Args:
        text: The words, with an article where one belongs to them.
        head: The last of them, in lower case.
        plural: Whether it is more than one; None where either is possible.
        person: "he", "she", "person" where it is one, "" where it is none or unknown.
        named: Whether it is a name.
        oblique: Whether a preposition stands before it.
        safe: Whether its ends are certain.
        place: The message it is in, as a place in the history; -1 for another source.
    """

    text: str
    head: str
    plural: bool | None
    person: str
    named: bool
    oblique: bool = False
    safe: bool = True
    place: int = -1

    @property
    def words(self) -> frozenset[str]:
        """Its words in lower case, without articles."""
        return frozenset(word for word in self.text.lower().split() if word not in _ARTICLES)

    @property
    def relational(self) -> bool:
        """Whether it is of something else ("the symptoms") and so hardly what a pronoun means."""
        return singular(self.head) in RELATIONAL

    def agrees(self, pronoun: str) -> bool:
        """Whether a pronoun of a kind ("it", "they", "he", "she") can mean it."""
        if pronoun == "it":
            return self.plural is not True and not self.person
        if pronoun == "they":
            return self.plural is not False
        if self.plural is True or (not self.named and not self.person):
            return False
        return self.person in ("", "person", pronoun)


def singular(word: str) -> str:
    """A noun without its plural ending, roughly."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def is_plural(word: str) -> bool:
    """Whether a common noun is more than one."""
    return word in PLURALS or (
        word.endswith("s") and word not in SINGULARS and not word.endswith(("ss", "us", "is", "'s"))
    )


def tokens(text: str) -> list[str]:
    """Words and punctuation."""
    return _TOKEN.findall(text[:LONGEST].replace("\u2019", "'"))


def _is_adjective(word: str) -> bool:
    return word in ADJECTIVES or (len(word) > 5 and word.endswith(ADJECTIVE_ENDINGS))


def mentions(text: str, place: int = -1) -> list[Mention]:
    """What a text speaks of.

    Args:
        text: A question or an answer; what is beyond `LONGEST` is not looked at.
        place: Where the text is in the history.

    Returns:
        The mentions, in order.
    """
    words = tokens(text)
    if not words:
        return []
    cased = any(word.islower() for word in words[1:] if len(word) > 3) or len(words) < 4
    found: list[Mention] = []
    run: list[str] = []
    before = after_do = preposition = ""
    closed_by_verb = False

    def close(end: str) -> None:
        nonlocal run, preposition
        while run and _is_adjective(run[-1].lower()) and not run[-1][0].isupper():
            run.pop()
            end = "adjective"
        if run:
            safe = not after_do or end in {"verb", "adjective"} or bool(preposition) or closed_by_verb
            found.append(_mention(run, before, cased, safe, place, words, oblique=bool(preposition)))
        if run or end != "function":
            preposition = ""
        run = []

    for at, word in enumerate(words):
        low = word.lower()
        name = cased and word[0].isupper() and (at > 0 and words[at - 1] not in ".?!") and low not in FUNCTION
        if not (word[0].isalnum()):
            close("punctuation")
            before, after_do, closed_by_verb = "", "", False
        elif low in FUNCTION and not (name and run):
            if low == "of" and run and at + 1 < len(words) and run[-1][0].isupper() and words[at + 1][0].isupper():
                run.append(word)
                continue
            close("function")
            if low in _DO:
                after_do, closed_by_verb = low, False
            before = low
            if low not in _ARTICLES:
                preposition = low if low in _PREPOSITIONS else ""
        elif not name and (low in VERBS or (low.endswith("ed") and (run or before in _BE))) and not (before in {"a", "an", "the"} and not run):
            close("verb")
            closed_by_verb, before = True, "verb"
        else:
            run.append(word)
    close("end")
    return [mention for mention in found if mention.head not in VAGUE]


def _mention(run: list[str], before: str, cased: bool, safe: bool, place: int, words: list[str], *, oblique: bool) -> Mention:
    run = [*run]
    if run[-1].lower().endswith("'s"):
        run[-1] = run[-1][:-2]
    head = run[-1].lower()
    first_word = words[0] == run[0]
    named = cased and any(word[0].isupper() or any(c.isdigit() for c in word) for word in (run[1:] if first_word else run))
    named = named or (len(run[0]) > 1 and run[0].isupper())
    article = before + " " if before in _ARTICLES else ""
    lows = [word.lower() for word in run]
    person = ""
    if named:
        if any(low in MASCULINE for low in lows[:2]):
            person = "he"
        elif any(low in FEMININE for low in lows[:2]):
            person = "she"
        elif lows[0].rstrip(".") in TITLES or (
            words[0].lower() in {"who", "who's"} and len(words) > 2 and words[1].lower() in _BE and not article
        ):
            person = "person"
    elif head in PEOPLE or head in MASCULINE or head in FEMININE:
        person = "he" if head in MASCULINE else "she" if head in FEMININE else "person"
    if article and person in ("he", "she") and named and article == "the ":
        person = ""
    plural: bool | None = None if named else is_plural(head)
    return Mention(article + " ".join(run), head, plural, person, named, oblique, safe, place)
