"""What an audience classifier decides, and the tolerated risk that it decides by.

A verdict keeps the probabilities, so that the same turn can be judged again at another risk. The risk is a share: of
the turns that must not be shared, at most that share is (measured on domains that took no part in fitting).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from langchain_redis_memory.checks import check_number
from langchain_redis_memory.language.logistic import odds, probability

MAX_UNSAFE = 0.005
"""The risk that is tolerated by default."""
WITHIN_USER = 0.02
"""The least risk by which a turn that is not everyone's is called volatile, an effect or a wish to vary.

Only the user who asked could be served it, so less depends on it; a smaller risk is not measured well.
"""
PROCEDURE_RISK = 0.02
"""How many "how do I reset my password" questions are taken to be answered by who asks, on a chain that knows who asks.

Assumed, not measured. Below this tolerated risk such a question is the user's own there.
"""


QUESTIONS = ("personal", "volatile", "effect", "vary")
"""What is asked of a turn; a verdict has a probability of each (`p_personal` ...)."""


class Audience(str, Enum):
    """Who may be served the answer to a turn."""

    EVERYONE = "everyone"
    """Everybody of the tenant."""
    USER = "user"
    """The user who asked."""
    SESSION = "session"
    """The session in which it was asked: the answer depends on where the user is or on what is shown."""
    NOBODY = "nobody"
    """Nobody, ever: the turn does something, or wants something new."""


class AudienceThresholds(NamedTuple):
    """From which probability on a turn counts as personal, volatile, an effect or a wish to vary, by tolerated risk."""

    by_risk: Mapping[str, Mapping[float, float]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # thirty numbers, the same in every verdict

    def threshold(self, head: str, max_unsafe: float) -> float:
        """Returns the probability below which a turn is not of a kind; 0 (never) where no risk is so small."""
        return max((value for risk, value in self.by_risk.get(head, {}).items() if risk <= max_unsafe), default=0.0)


class AudienceVerdict(NamedTuple):
    """Who may be served the answer to one turn, and for how long.

    Args:
        audience: Who may be served it.
        volatile: Whether the answer changes by itself within hours, so that it is served for seconds or not at all.
        effect: Whether the turn wants something done, so that no stored answer does for it.
        vary: Whether the turn wants something other than what was said before, or chance.
        p_personal: The probability that the answer depends on who asks.
        p_volatile: The probability that it changes within hours.
        p_effect: The probability that something is to be done.
        p_vary: The probability that something new is wanted.
        evidence: The words that spoke for it, for people: "personal: 'my balance'".
        opaque: Whether the chain can know who asks.
        max_unsafe: The tolerated risk it was decided by.
        own_procedure: Whether a general procedure is asked for with "my".
        here: Whether the answer depends on where the user is or on what is shown.
        p_whole: The probability that it is any of the four, judged by itself; None where it was not.
        p_read: The same by a model that read the turn; None where none did.
        read_share: How much of the log-odds is what was read.
        thresholds: What the probabilities are compared with.
    """

    audience: Audience
    volatile: bool
    effect: bool
    vary: bool
    p_personal: float
    p_volatile: float
    p_effect: float
    p_vary: float
    evidence: tuple[str, ...] = ()
    opaque: bool = True
    max_unsafe: float = MAX_UNSAFE
    own_procedure: bool = False
    here: bool = False
    p_whole: float | None = None
    p_read: float | None = None
    read_share: float = 0.5
    thresholds: AudienceThresholds | None = None

    @property
    def p_unsafe(self) -> float:
        """The probability that the answer must not be served to another user later, for any reason."""
        if self.here:
            return 1.0
        any_of = 1 - (1 - self.p_personal) * (1 - self.p_volatile) * (1 - self.p_effect) * (1 - self.p_vary)
        words = odds(any_of) if self.p_whole is None else (odds(any_of) + odds(self.p_whole)) / 2
        if self.p_read is not None:
            words += self.read_share * (odds(self.p_read) - words)
        return probability(words)

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} p={getattr(self, f'p_{name}'):.2f}" for name in QUESTIONS)
        return (
            f"for {self.audience.value}{', volatile' if self.volatile else ''} ({'; '.join((kinds, *self.evidence))})"
        )

    def at(self, max_unsafe: float) -> AudienceVerdict:
        """Returns the verdict at another tolerated risk.

        Args:
            max_unsafe: The largest share of turns that must not be shared and are.

        Returns:
            The verdict.

        Raises:
            InvalidInputError: The risk is not a share.
        """
        check_risk(max_unsafe)
        if self.thresholds is None:
            return self
        limit = self.thresholds.threshold
        unsafe = limit("unsafe" if self.opaque else "plain", max_unsafe)
        within = max(WITHIN_USER, max_unsafe) if max_unsafe else 0.0
        asked = self.opaque and self.own_procedure and max_unsafe < PROCEDURE_RISK
        if self.p_unsafe < unsafe and not asked:
            return self._replace(
                audience=Audience.EVERYONE, volatile=False, effect=False, vary=False, max_unsafe=max_unsafe
            )
        volatile = self.p_volatile >= min(limit("volatile", within), unsafe)
        effect = self.p_effect >= min(limit("effect", within), unsafe)
        vary = self.p_vary >= min(limit("vary", within), unsafe)
        personal = asked or self.p_personal >= unsafe or not (volatile or effect or vary)
        if effect or vary:
            audience = Audience.NOBODY
        elif self.here:
            audience = Audience.SESSION
        else:
            audience = Audience.USER if personal else Audience.EVERYONE
        return self._replace(audience=audience, volatile=volatile, effect=effect, vary=vary, max_unsafe=max_unsafe)

    def shareable(self, max_unsafe: float | None = None) -> bool:
        """Returns whether another user may be served the answer, later as well.

        Args:
            max_unsafe: The tolerated risk; the verdict's own by default.

        Returns:
            Whether everybody may be served it and it stays true.

        Raises:
            InvalidInputError: The risk is not a share.
        """
        verdict = self if max_unsafe is None else self.at(max_unsafe)
        return verdict.audience is Audience.EVERYONE and not verdict.volatile


def check_risk(max_unsafe: float) -> None:
    """Checks that a tolerated risk is a share.

    Raises:
        InvalidInputError: It is not between 0 and 1.
    """
    check_number(max_unsafe, "max_unsafe", without=(1,))
