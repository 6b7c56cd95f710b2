"""Noun phrases with number and kind (mentions), found without a model.

A phrase is a run of words that are neither function words nor verbs. Without a tagger that is a guess, so a phrase says
whether it is safe: whether its ends are certain, because a frame that names a topic ("What is ...?", "Tell me about
...") or a function word or a known verb closes it. Only safe phrases may be put into another question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from langchain_redis_memory.language.contextualise import word_lists as lists
from langchain_redis_memory.language.english import straight
from langchain_redis_memory.language.turn_tokens import TOKEN
from langchain_redis_memory.language.words import ends_like_plural, singular

LONGEST = 1_000
"""Characters of a message that are looked at."""

_DO = frozenset("do does did can could will would shall should may might must to".split())
_BE = frozenset("is are was were am be been being".split())
_ARTICLES = frozenset(("a", "an", "the"))
_OWNERS = frozenset("its their his her my your our".split())
_SUBJECTS = frozenset("i you he she it we they what who which that".split())
_UNCERTAIN = frozenset(
    "what which long first last next one two three four five six seven eight nine ten most other own many much more few "
    "some any same such all both these those this".split()
)
"""Words before a phrase that say it is not a whole phrase, or not a certain thing."""
_EVALUATIVE = frozenset(
    "good better best nice great important popular common famous typical cheap easy healthy effective similar different "
    "interesting main major key suitable recommended nearby notable known big large small new".split()
)
_PREPOSITIONS = frozenset(
    "of in on at for from by with about into after before between during against within through to".split()
)


@dataclass(frozen=True)
class Mention:
    """A noun phrase of a text.

    Args:
        text: The words, with an article where one belongs to them.
        head: The last of them, in lower case.
        plural: Whether it is more than one; None where either is possible.
        person: "he", "she", "person" where it is one, "" where it is none or unknown.
        named: Whether it is a name.
        oblique: Whether a preposition stands before it.
        safe: Whether its ends are certain.
        owned: Whether a pronoun says whose it is: "its origin".
        place: The message it is in, as a place in the history; -1 for another source.
    """

    text: str
    head: str
    plural: bool | None
    person: str
    named: bool
    oblique: bool = False
    safe: bool = True
    owned: bool = False
    place: int = -1

    @property
    def words(self) -> frozenset[str]:
        """Its words in lower case, without articles."""
        return frozenset(word for word in self.text.lower().split() if word not in _ARTICLES)

    @property
    def relational(self) -> bool:
        """Whether it is of something else ("the symptoms") and so hardly what a pronoun means."""
        return singular(self.head) in lists.RELATIONAL

    def agrees(self, pronoun: str) -> bool:
        """Returns whether a pronoun ("it", "they", "he", "she") agrees with it in number and kind."""
        if pronoun == "it":
            return self.plural is not True and not self.person
        if pronoun == "they":
            return self.plural is not False
        if self.plural is True or (not self.named and not self.person):
            return False
        return self.person in ("", "person", pronoun)

    def surely(self, pronoun: str) -> bool:
        """Returns whether all is known about it that the pronoun's agreement depends on."""
        if pronoun == "it":
            return self.safe
        if pronoun == "they":
            return self.safe and self.plural is True
        words = self.text.split()
        full_name = len(words) == 2 and all(word.isalpha() and word.istitle() for word in words)
        return self.safe and (bool(self.person) or full_name)

    def same(self, other: Mention) -> bool:
        """Returns whether both name the same thing in more or fewer words: "Curie" and "Marie Curie"."""
        return singular(self.head) == singular(other.head) and (
            self.words <= other.words or other.words <= self.words or len(self.words) == 1
        )


def is_plural(word: str) -> bool:
    """Returns whether a common noun is in the plural."""
    return word in lists.PLURALS or (word not in lists.SINGULARS and ends_like_plural(word))


def tokens(text: str) -> list[str]:
    """Splits a text into words and punctuation."""
    return TOKEN.findall(" ".join(straight(text[:LONGEST]).split()))


def _trails(word: str) -> bool:
    """Whether a noun phrase cannot end with it: an adjective or an adverb."""
    return word in lists.ADJECTIVES or (len(word) > 5 and word.endswith((*lists.ADJECTIVE_ENDINGS, "ly")))


def _is_participle(word: str) -> bool:
    return word.endswith("ed") and len(word) > 4 and not word.endswith("eed")


@lru_cache(maxsize=1024)
def mentions(text: str, place: int = -1) -> tuple[Mention, ...]:
    """Finds the noun phrases of a text.

    Args:
        text: A question or an answer; what is beyond `LONGEST` is not looked at.
        place: Where the text is in the history.

    Returns:
        The mentions, in order.
    """
    words = tokens(text)
    if not words:
        return ()
    scan = _Scan(words, place)
    for at in range(len(words)):
        scan.read(at)
    scan.close("end")
    return tuple(mention for mention in scan.found if mention.head not in lists.VAGUE and not mention.head.isdigit())


class _Scan:
    """Reads the words of a text from left to right and collects its noun phrases.

    Args:
        words: The text's words and punctuation.
        place: Where the text is in the history.
    """

    def __init__(self, words: list[str], place: int) -> None:
        self.found: list[Mention] = []
        self._words, self._place = words, place
        self._cased = any(word.islower() and len(word) > 2 for word in words) or len(words) < 4
        self._run: list[str] = []
        self._before = self._after_do = self._preposition = ""
        self._closed_by_verb = False
        self._owner: Mention | None = None

    def read(self, at: int) -> None:
        """Adds one word to the phrase that is open, or closes it."""
        words, word = self._words, self._words[at]
        low, ahead = word.lower(), self._words[at + 1 : at + 2]
        name = self._cased and word[0].isupper() and at > 0 and words[at - 1] not in ".?!" and low != "i"
        goes_on = low in {"of", "the"} and self._cased and _name_goes_on(self._run, words[at + 1 : at + 3])
        if not word[0].isalnum():
            self.close("punctuation")
            self._before, self._after_do, self._closed_by_verb = "", "", False
        elif goes_on:
            self._run.append(word)
        elif low in lists.FUNCTION and not (name and ahead and ahead[0][0].isupper()):
            self.close("function")
            if low in _DO:
                self._after_do, self._closed_by_verb = low, False
            self._before = low
            if low not in _ARTICLES:
                self._preposition = low if low in _PREPOSITIONS else ""
        elif _is_verb(low, self._before, ahead, first=not self._run) and not name:
            self.close("verb")
            self._closed_by_verb, self._before = True, "verb"
        elif low.endswith("'s"):
            self._run.append(word[:-2])
            self.close("possessor")
            self._owner = self.found[-1] if self.found else None
        else:
            self._run.append(word)

    def close(self, end: str) -> None:
        """Ends the phrase that is open, if there is one; `end` says what ends it."""
        run = self._run
        while run and _trails(run[-1].lower()) and not run[-1][0].isupper():
            run.pop()
            end = "adjective"
        if run:
            self.found.append(self._mention(run, end))
            self._owner = None
        if run or end != "function":
            self._preposition = ""
        self._run = []

    def _mention(self, run: list[str], end: str) -> Mention:
        mention = _mention(run, self._before, self._words, cased=self._cased, place=self._place)
        certain = not self._after_do or end in {"verb", "adjective"} or bool(self._preposition) or self._closed_by_verb
        safe = certain and mention.safe
        if (owner := self._owner) is not None:
            text = f"{owner.text}'s {mention.text}"
            mention, safe = replace(mention, text=text, named=owner.named, person=""), safe and owner.safe
        return replace(mention, oblique=bool(self._preposition), safe=safe, owned=self._before in _OWNERS)


def _is_verb(low: str, before: str, ahead: Sequence[str], *, first: bool) -> bool:
    """Whether a word is a verb here: a known one, a participle after what it says, or a deed with an object.

    After an article it begins a phrase ("a used car"); "-ing" is a deed in "effects of drinking coffee", a thing in
    "what is intermittent fasting".
    """
    if first and low.endswith("ing") and len(low) > 5:
        takes_object = bool(ahead) and ahead[0][0].isalnum() and ahead[0].lower() not in lists.FUNCTION
        if before in _SUBJECTS or (before in _PREPOSITIONS and takes_object):
            return True
    if first and before in _ARTICLES:
        return False
    if low in lists.VERBS:
        return True
    followed = bool(ahead) and ahead[0][0].isalnum() and ahead[0].lower() not in lists.FUNCTION
    return _is_participle(low) and (not first or before in _SUBJECTS or (before in _BE and not followed))


def _name_goes_on(run: Sequence[str], ahead: Sequence[str]) -> bool:
    """Whether "of" or "the" is inside a name: "Lord of the Rings"."""
    following = [word for word in ahead if word.lower() != "the"][:1]
    return bool(run) and bool(following) and following[0][0].isupper() and (run[-1][0].isupper() or run[-1] == "of")


def _mention(run: Sequence[str], before: str, words: Sequence[str], *, cased: bool, place: int) -> Mention:
    head = run[-1].lower()
    inner = run[1:] if words[0] == run[0] else run
    named = (cased and any(word[0].isupper() for word in inner)) or (len(run[0]) > 1 and run[0].isupper())
    article = before if before in _ARTICLES else ""
    text = " ".join([article, *run]) if article else " ".join(run)
    person = _person(run, words, named=named, article=article)
    plural: bool | None = is_plural(head)
    if named:
        plural = True if re.fullmatch(r"[A-Z]{2,}s", run[-1]) else is_plural(head) if run[-1].islower() else None
    # "The system" says which one no more than "it" does, nor does "the biggest plane"; "which plane" asks for it.
    said_before = article == "the" and not named
    vague = before in _UNCERTAIN
    asked_for = not named and run[0].lower() in _EVALUATIVE  # "a good pet" is whatever the answer says
    deed = (head.endswith("ing") and len(run) == 1) or (run[0].lower().endswith("ing") and before in _PREPOSITIONS)
    return Mention(text, head, plural, person, named, safe=not (said_before or vague or deed or asked_for), place=place)


def _person(run: Sequence[str], words: Sequence[str], *, named: bool, article: str) -> str:
    lows = [word.lower().rstrip(".") for word in run]
    if not named:
        head = lows[-1]
        return (
            "he"
            if head in lists.MASCULINE
            else "she"
            if head in lists.FEMININE
            else "person"
            if head in lists.PEOPLE
            else ""
        )
    if article:
        return ""
    if any(low in lists.MASCULINE for low in lows[:2]):
        return "he"
    if any(low in lists.FEMININE for low in lows[:2]):
        return "she"
    asked_who = words[0].lower() == "who" and len(words) > 2 and words[1].lower() in _BE and words[2] == run[0]
    return "person" if lows[0] in lists.TITLES or asked_who else ""
