"""The law of sharing: which other runs may be served the answer of this one.

An answer may be served in another run only if everything that the chain could have used is the same there, or is known
not to matter, and only if serving it leaves out no effect. What a chain is shown is part of every key. This module adds
what a chain can see besides: who asks, when, and what it does to the world. A prompt and a model see none of that; a
function, a tool or an agent (an *opaque* chain) may see all of it, so there the words of the question decide.

`docs/law-of-sharing.md` has the whole table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any, Literal, NamedTuple, Protocol, get_args

from langchain_redis_memory.checks import check_word
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.language.audience.linguistic import classify_audience, doubtful_to_repeat
from langchain_redis_memory.language.audience.verdict import Audience, AudienceVerdict
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.need.politeness import without_politeness
from langchain_redis_memory.redis.ttl import milliseconds

Share = Literal["auto", "user", "tenant", "none"]
"""With whom a chain's answers are shared: as the words and the chain tell, with the same user only, with everybody of
the tenant, with nobody. A question that asks for an effect is shared with nobody, whatever is chosen; what changes by
itself, and what is the asker's own, only as long as `Lifetimes` says."""

Grounding = Literal["check", "epoch", "trust"]
"""When an answer made from documents is served: `check` runs the retriever as for this asker and serves the answer only
if it finds the very documents that the answer was made from; `epoch` serves it without a search until the corpus's
epoch ends (`RagCache.bump_epoch`); `trust` serves it without a search."""


class AudienceClassifier(Protocol):
    """Says from a question's words for whom its answer is.

    LangChain's caches go by what is clear only: by a probability whose name the evidence has, as in "effect: 'cancel'".
    """

    def __call__(self, turn: str, /, *, opaque: bool) -> AudienceVerdict:
        """Judges one question; `opaque` says whether the chain may see who asks."""
        ...


class Asker(NamedTuple):
    """The user who asks, by the ids that the config spells, empty where nobody is named; and the conversation."""

    users: tuple[str, ...]
    session: str

    @property
    def user(self) -> str:
        """The user's id, "" where nobody is named."""
        return self.users[0] if self.users else ""

    @property
    def name(self) -> str:
        """Names the asker in keys: by every id of the user, else by the conversation."""
        return f"user:{list(self.users)}" if self.users else f"conversation:{self.session}"

    @property
    def place(self) -> str:
        """Names the asker in this very conversation: another user may have logged in there since."""
        return f"session:{[self.session, *self.users]}"


class Lifetimes(Frozen):
    """Bounds how long answers may be served that do not stay true, by their audience.

    Nothing tells a cache that a user's order was cancelled, by him or elsewhere: by default such answers are not kept.

    Args:
        user_s: Lifetime in seconds of what is the asker's own, of a chain that may know who asks; 0 for not at all.
            Within these seconds he may be told what was so before he did something.
        volatile_s: Lifetime in seconds of what changes by itself (the weather, a price); 0 for not at all.

    Raises:
        InvalidInputError: A lifetime is not a number from 0.
    """

    user_s: float = 0
    volatile_s: float = 0

    def __post_init__(self) -> None:
        for name in ("user_s", "volatile_s"):
            seconds = getattr(self, name)
            if seconds != 0 or isinstance(seconds, bool):
                milliseconds(seconds, name)


NOT_KEPT = Lifetimes()
"""What is the asker's own and what changes by itself is asked each time."""


class SharingRule(NamedTuple):
    """Decides with whom the answer to one turn may be shared, besides what the model is shown.

    Args:
        asker: Who asks.
        words: What the question's words say of its audience.
        opaque: Whether the chain may see who asks, and do something (it holds a function, a tool, an agent).
        share: What the application chose for the chain.
        judge: Says the same of another text, such as the question that a dependent one continues.
        lifetimes: How long answers are kept that do not stay true.
        barred: Why no key can hold all that the chain could use; "" where one can.
    """

    asker: Asker
    words: AudienceVerdict
    opaque: bool
    share: Share = "auto"
    judge: Callable[[str], AudienceVerdict] | None = None
    lifetimes: Lifetimes = NOT_KEPT
    barred: str = ""

    def bypass(self) -> str:
        """Returns the reason why the answer may be served to nobody, "" where it may be to somebody."""
        if self.share == "none":
            return "its answers are shared with nobody"
        if self.barred:
            return self.barred
        if self.words.effect:
            return "may ask for something to be done"
        if self.words.vary:
            return "asks for something other than what was said"
        if self.words.volatile and not self.lifetimes.volatile_s:
            return "its answer may change by itself"
        return "its answer may be the asker's own" if self._own and not self.lifetimes.user_s else ""

    @property
    def _own(self) -> bool:
        """Whether the answer may be of the asker's own account, orders, appointments: the chain can look them up."""
        chosen = not self.opaque or self.share == "tenant"
        return not chosen and self.words.audience in (Audience.USER, Audience.SESSION)

    def lifetime_s(self) -> float | None:
        """Returns the bound on the answer's lifetime in seconds; None for no bound but the cache's own."""
        bounds = [self.lifetimes.volatile_s] if self.words.volatile else []
        return min([*bounds, self.lifetimes.user_s] if self._own else bounds, default=None)

    def bypass_after(self, texts: Iterable[str], question: str = "", *, earlier: Iterable[str] = ()) -> str:
        """Returns the reason why the answer to a question that continues others may be served to nobody, else "".

        "What about Berlin?" asks for the weather where that was asked before, "the kitchen as well" for another lamp.
        "How long does a refund take?" asks for no effect, whatever the user wanted to be done before. `texts` is what
        the user said before, as far as the question depends on it, and what the question means. Of what he said
        `earlier`, which the question may go on with all the same, only what is clear of it counts, as most questions do
        not.
        """
        if self.judge is None:
            return ""
        clearly = partial(_clearly, asks=asks_to_know(question))
        near: Iterable[AudienceVerdict] = map(self.judge, texts)
        judged = chain(near if self.opaque else map(clearly, near), map(clearly, map(self.judge, earlier)))
        continued = (SharingRule(self.asker, words, self.opaque, self.share).bypass() for words in judged)
        return next((f"continues what {why.removeprefix('its answer ')}" for why in continued if why), "")

    def audience_key(self, *, dependent: bool) -> str | None:
        """Decides for whom the answer may be kept, as a part of its key; the words of a dependent question do not tell.

        Returns "" for everybody of the tenant, the asker's name for the asker alone, None for nobody.
        """
        if self.bypass():
            return None
        if self.share == "tenant" or not (self.opaque or self.share == "user"):
            return ""
        if self.opaque and self.words.audience is Audience.SESSION:
            return self.asker.place
        if self.share == "user":
            return self.asker.name
        return "" if self.words.audience is Audience.EVERYONE and not dependent else self.asker.name


def _clearly(words: AudienceVerdict, *, asks: bool) -> AudienceVerdict:
    """What words said before mean for a question: only what is clear of them."""
    clear = _clear(words)
    own = words.here or words.p_personal >= LIKELY
    return words._replace(
        audience=words.audience if own else Audience.EVERYONE,
        volatile="volatile" in clear,
        effect="effect" in clear and not asks,
        vary="vary" in clear,
    )


def _clear(words: AudienceVerdict) -> list[str]:
    """Why an answer may not be served again, as far as the words leave no doubt."""
    signs = {"effect": words.p_effect, "vary": words.p_vary, "volatile": words.p_volatile}
    return [name for name in signs if signs[name] >= LIKELY and any(one.startswith(name) for one in words.evidence)]


_ASKS = lazy_pattern(
    r"(?:(?:\w+ ){0,2}(?:what(?! about| else)|which|who|whose|when|where|why|how(?! about))"
    r"|is|are|was|were|does|do|did|has|have|may i|can (?:i|we|one)|must|should)\b",
    re.IGNORECASE,
)
"""How a question begins that asks to know something, in so many words of its own."""


def asks_to_know(question: str) -> bool:
    """Checks whether a question asks to know something by itself, so that what it continues asks for no effect."""
    return _ASKS.match(without_politeness(question)) is not None


def unrepeatable(text: str, audience: AudienceClassifier = classify_audience) -> str | None:
    """Checks whether a question's answer may be served again: not in place of an effect, nor on another day.

    LangChain's caches take any text, so only clear signs count, and doubt (another language) does not.

    Returns "effect", "vary" or "volatile" as a word of statistics; None where the answer may be repeated.
    """
    words = doubtful_to_repeat(text, LIKELY) if audience is classify_audience else audience(text, opaque=False)
    return None if words is None else next(iter(_clear(words)), None)


def asks_for_anybody(text: str, audience: AudienceClassifier = classify_audience) -> bool:
    """Checks whether a question is answered alike for all who ask it, whatever personal statements they made before.

    "How long does a refund take?" is, whoever asks; "What should I cook?" is not, of a model that was told of an
    allergy; and in "How do I reset my phone?" what was told says which phone.

    Returns False also where it cannot be told.
    """
    if _ADVICE.search(text):
        return False
    words = audience(text, opaque=True)
    return words.shareable() and not words.own_procedure


_ADVICE = lazy_pattern(
    r"\b(?:recommend\w*|suggest\w*|advi[cs]e|ideas?|best|better|good|suitable|should (?:i|we)|for (?:me|us|my|our)"
    r"|help (?:me|us)|what (?:can|could|to)|write|draft|compose|create|plan|recipes?|meals?|safe)\b",
    re.IGNORECASE,
)
"""Words of questions whose answer is fitted to who asks, where the model knows anything of him."""


def instructs(text: str) -> bool:
    """Checks whether a user says how to answer from then on; such answers are made for him."""
    return _INSTRUCTS.search(text) is not None


_INSTRUCTS = lazy_pattern(
    r"\bfrom now on\b|\b(?:answer|respond|reply|talk|speak)(?: \w+){0,3} (?:in|like|as|with|without|only)\b"
    r"|\byou(?:'re| are)(?: now)? (?:a|an|my|the)\b|\bin (?:one|two|a few|\d+) (?:words?|sentences?)\b"
    r"|\b(?:all|each|every)(?: of)?(?: your)? (?:answers?|repl(?:y|ies)|responses?)\b"
    r"|\bi(?:'d)? (?:would )?(?:(?:only|just|mostly|always) (?:speak|read|understand|want|use)|prefer"
    r"|(?:don't|do not|can't|cannot) (?:speak|read|understand))\b"
    r"|(?:^|[.!?,;:] *|\b(?:please|and|but) )"
    r"(?:always|never|use|avoid|act|pretend|assume|suppose|imagine|keep|write|explain|limit|stick to|call me|address me"
    r"|(?:don't|do not) (?:use|mention|include|say|write|call|add|give|show|tell|repeat|explain|apologi[sz]e)"
    r"|stop \w+ing|no more than|at most|switch to (?!(?:the|my|an?|this|that)\b)\w+"
    r"|(?:answer|respond|reply|talk|speak) \w+ly"
    r"|be (?:brief|concise|short|polite|rude|funny|formal|honest|more|less|as))\b",
    re.IGNORECASE,
)
"""What a user says of all answers to come: they are another user's only where he said it too."""

LIKELY = 0.85
"""From which probability on a question asks for an effect or for what changes, in caches that take any text."""


def check_share(share: Any, grounding: Any) -> None:
    """Refuses a choice that does not exist. Raises `ConfigError`: it is none of the words."""
    check_word(share, "share", get_args(Share), ConfigError)
    check_word(grounding, "grounding", get_args(Grounding), ConfigError)
