"""Marks of a cached answer: by which question, conversation and chain it is found again to be removed.

The keys of answers are digests, so nothing in them tells what they are about. A mark is a short digest as well: it
answers "is it this one?" and gives away nothing. Marks are no part of any key that an answer is served by.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.redis.key_groups import mark_of

_BYTES = 8


class Marks(NamedTuple):
    """The marks of one answer, each of eight bytes.

    Args:
        question: Of its question, case and white space aside.
        session: Of the conversation that it was made in.
        scope: Of the chain's whole scope.
        name: Of the scope's name, as it was given to `wrap(scope=...)`.
    """

    question: bytes
    session: bytes
    scope: bytes
    name: bytes

    def joined(self) -> bytes:
        """Encodes the marks for storing, all in one."""
        return b"".join(self)


NO_MARKS = Marks(b"", b"", b"", b"")
"""Of what nobody knows what it is about."""


def marks_of(question: Any, session: str, scope: str) -> Marks:
    """Computes the marks of an answer, by which it is found again to be removed.

    The question is a text or the parts of a message. The scope is its name, a colon and a digest; behind a slash, what
    it calls the question.
    """
    return Marks(mark_of(_plain(question)), mark_of(session), *_marks_of_scope(scope))


@lru_cache(maxsize=256)
def _marks_of_scope(scope: str) -> tuple[bytes, bytes]:
    whole = _CALLED.sub("", scope)
    return mark_of(whole), mark_of(whole.rpartition(":")[0])


_CALLED = lazy_pattern(r"(?<=:[0-9a-f]{40})/[^/:]*$")


def marks_from(stored: bytes) -> Marks:
    """Decodes what `Marks.joined` made; anything else gives marks that fit nothing."""
    parts = [stored[at : at + _BYTES] for at in range(0, 4 * _BYTES, _BYTES)]
    return Marks(*parts) if len(stored) == 4 * _BYTES else NO_MARKS


class AnswerFilter(Frozen):
    """Which answers are meant: those that fit all that is given, every one for nothing.

    Args:
        question: The question.
        session: The conversation that they were made in, or several.
        scope: The chain: the name given to `wrap(scope=...)`, or the runnable's whole `scope`.
    """

    question: str | None = None
    session: str | Sequence[str] | None = None
    scope: str | None = None

    def fits(self, marks: Marks) -> bool:
        """Checks whether an answer with these marks is meant: it fits each condition that is given."""
        return (
            (self.question is None or marks.question == self._question)
            and (self.session is None or marks.session in self._sessions)
            and (self.scope is None or mark_of(self.scope) in {marks.scope, marks.name})
        )

    @cached_property
    def _question(self) -> bytes:
        return mark_of(_plain(self.question))

    @cached_property
    def _sessions(self) -> frozenset[bytes]:
        return frozenset(map(mark_of, [self.session] if isinstance(self.session, str) else self.session or ()))


def plain_text(question: Any) -> str:
    """Returns the words of a question, also of one that is made of parts, with single spaces."""
    if isinstance(question, str):
        return " ".join(question.split())
    parts = question if isinstance(question, list | tuple) else ()
    words = [part if isinstance(part, str) else part.get("text", "") for part in parts if isinstance(part, str | dict)]
    return " ".join(" ".join(map(str, words)).split())


def _plain(question: Any) -> str:
    return plain_text(question).casefold()
