"""What a turn of `ConversationMemory` knows and keeps beyond the messages: state, summary, the permanent database.

State and summary are read in the trip that reads the messages, and the state is written in the trip that writes them,
so they cost none. What goes on after the turn (mirroring it, making a summary) comes after its report. Nothing here
fails a turn, but for a loader: what it raises is passed on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately

from langchain_redis_memory.errors import ConfigError, ServerError
from langchain_redis_memory.history.read_through import UserCallback, load_flow
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.history.turns import exchanges
from langchain_redis_memory.history.write_behind import WriteBehind
from langchain_redis_memory.ops import Background, Flow, Op, Reply, pure
from langchain_redis_memory.redis import cas_record
from langchain_redis_memory.state import state_record, summary
from langchain_redis_memory.state.model import ConversationState, Search, StateDelta, fold, move_of, plain
from langchain_redis_memory.state.summary import RollingSummary, Summary

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from langchain_redis_memory.conversation.turn import Plan

_log = logging.getLogger(__name__)


class Knowledge(NamedTuple):
    """What is known of a conversation beyond its messages.

    Args:
        state: Its state; None where none is kept or none could be read.
        summary: Its summary, None where there is none.
        exists: Whether Redis has the conversation.
        turns: How many turns it has had.
        tokens: How many tokens of messages are stored.
    """

    state: ConversationState | None = None
    summary: Summary | None = None
    exists: bool = True
    turns: int = 0
    tokens: int = 0

    def told(self) -> Mapping[str, Any] | None:
        """What classifiers and selectors are given as `state`."""
        begun = self.state is not None and self.state.turns > 0
        if not begun and self.summary is None:
            return None
        found = plain(self.state) if self.state is not None and begun else {}
        return {**found, "summary": self.summary.plain()} if self.summary else found

    def in_front(self, shown: list[BaseMessage], history: Sequence[BaseMessage], reach: int) -> list[BaseMessage]:
        """The messages to show, with the summary in front where they do not reach the conversation's start.

        Args:
            shown: The messages that were selected.
            history: Those that were loaded.
            reach: How many are loaded at most.

        Returns:
            The messages.
        """
        if self.summary is None or not shown or (len(shown) >= len(history) < reach):
            return shown
        return [self.summary.message(), *shown]


class TurnContext:
    """Reads and keeps what is beyond the messages.

    Args:
        state: Whether a state is kept.
        rolling: Makes summaries; None for none.
        loader: Where conversations come from that Redis does not have.
        writer: Where turns are mirrored to.

    Raises:
        ConfigError: The summary is none.
    """

    def __init__(
        self, *, state: bool, rolling: RollingSummary | None, loader: UserCallback | None, writer: UserCallback | None
    ) -> None:
        if rolling is not None and not isinstance(rolling, RollingSummary):
            msg = f"summary must be a RollingSummary, got {type(rolling).__name__}"
            raise ConfigError(msg)
        self._state = state
        self._rolling = rolling
        self._loader = loader
        self._mirror = None if writer is None else WriteBehind(writer)

    @property
    def unwritten(self) -> int:
        """How many messages wait for the permanent database."""
        return 0 if self._mirror is None else len(self._mirror)

    def read(self, transcript: Transcript, *, alone: bool) -> Op[Knowledge]:
        """Reads what is known.

        Args:
            transcript: The conversation.
            alone: Whether nothing else is read in this trip: then the state alone is not worth one.

        Returns:
            An op of one trip, or of none.
        """
        counts = self._rolling is not None or self._loader is not None
        if not counts and (alone or not self._state):
            return pure(Knowledge())
        keys = transcript.keys
        fields = (state_record.FIELD, f"{state_record.FIELD}+", summary.FIELD)
        commands = (("HMGET", keys.state, *fields), ("HMGET", keys.meta, "created", "turns", "tokens"))

        def decode(replies: Sequence[Reply]) -> Knowledge:
            if isinstance(replies[0], ServerError):
                _log.warning("the turn goes on without a state: %s", replies[0])
                return Knowledge(exists=self._exists(replies))
            record, notes, about = replies[0]
            return Knowledge(
                state_record.decode(cas_record.parse(record, notes), keys.state) if self._state else None,
                summary.decode(cas_record.parse(about, None), keys.state) if self._rolling else None,
                self._exists(replies),
                *(map(_whole, replies[1][1:]) if self._readable(replies) else ()),
            )

        return Op(commands if counts else commands[:1], decode, tolerant=True)

    @staticmethod
    def _readable(replies: Sequence[Reply]) -> bool:
        return len(replies) > 1 and not isinstance(replies[1], ServerError)

    def _exists(self, replies: Sequence[Reply]) -> bool:
        return not self._readable(replies) or replies[1][0] is not None

    def missing(self, known: Knowledge) -> bool:
        """Whether the conversation has to be loaded."""
        return self._loader is not None and not known.exists

    def load(self, transcript: Transcript) -> Flow[None]:
        """Loads a conversation that Redis does not have."""
        assert self._loader is not None  # noqa: S101 - see `missing`
        yield from load_flow(transcript, self._loader)

    def move(
        self, known: Knowledge, plan: Plan, text: str, said: Sequence[BaseMessage], documents: Sequence[Document]
    ) -> StateDelta | None:
        """What a turn contributes to the state, None where none is kept.

        Args:
            known: What was known before it.
            plan: What was decided.
            text: The user's words.
            said: The turn's messages.
            documents: What was found.

        Returns:
            The move.
        """
        if not self._state or known.state is None:
            return None
        search = Search(plan.query, tuple(map(_name, documents))) if plan.rule.search and documents else None
        return move_of(text, str(said[-1].text), plan.verdict, search)

    def write(self, transcript: Transcript, known: Knowledge, move: StateDelta | None) -> Op[None]:
        """Stores what a turn contributes to the state.

        Args:
            transcript: The conversation.
            known: What was known before it.
            move: What it contributes.

        Returns:
            An op of one trip. A server that refuses it is logged: it is no reason to call a stored turn unstored.
        """
        if move is None:
            return pure(None)
        return _logged(state_record.move_on(transcript.keys, known.state, [move], transcript.ttl_ms), transcript)

    def late(self, transcript: Transcript, messages: list[BaseMessage]) -> Op[None]:
        """Notes what turns contribute to the state that are stored later than they were said.

        Args:
            transcript: The conversation.
            messages: Its messages, in order.

        Returns:
            An op of one trip.
        """
        if not self._state:
            return pure(None)
        moves = [move_of(turn.user, turn.assistant) for turn in exchanges(messages)]
        ids = blake2b("\n".join(message.id or "" for message in messages).encode(), digest_size=8).digest()
        return _logged(state_record.move_on(transcript.keys, None, moves, transcript.ttl_ms, ids), transcript)

    def then(self, known: Knowledge, move: StateDelta | None) -> Knowledge:
        """What is known after a turn, if nobody else wrote meanwhile."""
        return known._replace(state=fold(known.state, move)) if known.state is not None and move else known

    def after(
        self, transcript: Transcript, known: Knowledge, said: Sequence[BaseMessage], *, stored: bool
    ) -> Flow[None]:
        """What comes after a turn: it is mirrored, and a summary is made where it is time.

        Args:
            transcript: The conversation.
            known: What was known before the turn.
            said: Its messages.
            stored: Whether Redis has them.

        Returns:
            A flow that raises nothing.
        """
        if self._mirror is not None:
            yield from self._mirror.write_flow(transcript, said)
        if self._rolling is None or not stored:
            return
        tokens = known.tokens + count_tokens_approximately(said)
        if self._rolling.due(known.summary, known.turns + 1, tokens):
            flow = self._rolling.follow(transcript, transcript.ttl_ms)
            if self._rolling.background:
                yield Background(flow)
            else:
                yield from flow

    def flush(self) -> Flow[None]:
        """Mirrors what waits."""
        if self._mirror is not None:
            yield from self._mirror.flush_flow()


def _logged(op: Op[None], transcript: Transcript) -> Op[None]:
    def read(replies: Sequence[Reply]) -> None:
        for reply in replies:
            if isinstance(reply, ServerError):
                _log.warning("the state of session %r is not written: %s", transcript.session_id, reply)

    return Op(op.commands, read, tolerant=True)


def _whole(value: bytes | None) -> int:
    try:
        return int(value or 0)
    except ValueError:
        return 0


def _name(document: Document) -> str:
    """By which a document is known: its id, else its source, else a digest of its text."""
    known = document.id or document.metadata.get("id") or document.metadata.get("source")
    return (
        str(known)
        if known
        else blake2b(document.page_content.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    )
