"""Turn context: state, rolling summary and the user's own database, in the turn's own round trips.

State and summary are read in the trip that reads the messages, and the state is written in the trip that writes them,
so they cost none. Writing behind and summarising follow the turn's report. Nothing here fails a turn, except a loader:
what it raises is passed on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from langchain_core.messages import BaseMessage, HumanMessage

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import ConfigError, ServerError
from langchain_redis_memory.history.read_through import UserCallback, load_flow
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.history.turns import exchanges
from langchain_redis_memory.language.turn_state import PastTurn, TurnState
from langchain_redis_memory.ops import Background, Flow, Op, Reply, pure
from langchain_redis_memory.redis.codec.tokens import count_tokens

if TYPE_CHECKING:  # what keeps states, summaries and copies is loaded by who keeps them
    from langchain_core.documents import Document

    from langchain_redis_memory.conversation.turn import Plan
    from langchain_redis_memory.history.write_behind import WriteBehind
    from langchain_redis_memory.state.model import ConversationState, StateDelta
    from langchain_redis_memory.state.summary import RollingSummary, Summary

_log = logging.getLogger(__name__)


class StoredContext(NamedTuple):
    """What is stored of a conversation besides its messages.

    Args:
        state: Its state; None where none is kept or none could be read.
        summary: Its rolling summary; None where there is none.
        exists: Whether Redis has the conversation.
        turns: How many turns it has had; counted only where a summary or a loader needs it.
        tokens: How many tokens of messages are stored; counted as the turns are.
        elsewhere: Turns of the user's other conversations, for a turn that recalls; never kept.
    """

    state: ConversationState | None = None
    summary: Summary | None = None
    exists: bool = True
    turns: int = 0
    tokens: int = 0
    elsewhere: tuple[PastTurn, ...] = ()

    def turn_state(self, history: Sequence[BaseMessage]) -> TurnState:
        """Returns what classifier, selector and contextualiser are given.

        The summary tells of older messages where there are more turns than the loaded history holds.
        """
        summary, truncated = "", False
        if self.summary is not None:
            summary = self.summary.text
            truncated = self.turns > sum(isinstance(message, HumanMessage) for message in history)
        if (state := self.state) is None or not state.turns:
            return TurnState(summary=summary, truncated=truncated, elsewhere=self.elsewhere)
        return TurnState(
            state.turns,
            state.topic,
            tuple([entity.name for entity in state.entities]),
            state.search.query if state.search else None,
            state.language,
            summary,
            truncated,
            state.fields,
            self.elsewhere,
        )

    def tells_as(self, other: StoredContext, history: Sequence[BaseMessage]) -> bool:
        """Returns whether classifier, selector and contextualiser are told the same as by another one."""
        if self.summary is None and other.summary is None and self.elsewhere == other.elsewhere:
            return self.state == other.state
        return self.turn_state(history) == other.turn_state(history)

    def changed_by(self, delta: StateDelta) -> ConversationState | None:
        """Returns the state after a turn that contributes a delta; None where there is no state."""
        from langchain_redis_memory.state.model import apply_delta

        return None if self.state is None else apply_delta(self.state, delta)

    def after(self, changed: ConversationState | None) -> StoredContext:
        """Returns what is stored after a turn, which may have changed the state, if nobody else writes meanwhile."""
        return self._replace(state=changed or self.state, turns=self.turns + 1 if self.turns else 0)


class TurnContext:
    """Reads and writes the context of conversations: state, rolling summary, and the user's own database.

    Raises `ConfigError`: `rolling` is no `RollingSummary`.
    """

    def __init__(
        self, *, state: bool, rolling: RollingSummary | None, loader: UserCallback | None, writer: UserCallback | None
    ) -> None:
        if rolling is not None:
            from langchain_redis_memory.state.summary import RollingSummary

            check_type(rolling, RollingSummary, "summary", "a RollingSummary", ConfigError)
        self._state = state
        self.rolling: RollingSummary | None = rolling
        self.loader: UserCallback | None = loader
        self._write_behind: WriteBehind | None = None
        if writer is not None:
            from langchain_redis_memory.history.write_behind import WriteBehind

            self._write_behind = WriteBehind(writer)

    def read(self, transcript: Transcript, *, alone: bool) -> Op[StoredContext]:
        """Reads the context of a conversation, an op of one trip or of none: state `alone` is not worth a trip."""
        counts = self.rolling is not None or self.loader is not None
        if not counts and (alone or not self._state):
            return pure(StoredContext())
        from langchain_redis_memory.redis import cas_record
        from langchain_redis_memory.state import state_record, summary

        keys = transcript.keys
        fields = (state_record.FIELD, f"{state_record.FIELD}+", summary.FIELD)
        commands = (("HMGET", keys.state, *fields), ("HMGET", keys.meta, "created", "turns", "tokens"))

        def decode(replies: Sequence[Reply]) -> StoredContext:
            if isinstance(replies[0], ServerError):
                _log.warning("the turn goes on without a state: %s", replies[0])
                return StoredContext(exists=self._exists(replies))
            record, notes, about = replies[0]
            place = keys.state
            state, summed = fields[0], fields[2]
            return StoredContext(
                state_record.decode(cas_record.parse(record, notes, place, state), place) if self._state else None,
                summary.decode(cas_record.parse(about, None, place, summed), place) if self.rolling else None,
                self._exists(replies),
                *(map(_whole, replies[1][1:]) if self._readable(replies) else ()),
            )

        return Op(commands if counts else commands[:1], decode, tolerant=True)

    @staticmethod
    def _readable(replies: Sequence[Reply]) -> bool:
        return len(replies) > 1 and not isinstance(replies[1], ServerError)

    def _exists(self, replies: Sequence[Reply]) -> bool:
        return not self._readable(replies) or replies[1][0] is not None

    def is_missing(self, known: StoredContext) -> bool:
        """Returns whether the conversation has to be loaded."""
        return self.loader is not None and not known.exists

    def load_flow(self, transcript: Transcript) -> Flow[None]:
        """Loads a conversation that Redis does not have."""
        assert self.loader is not None  # noqa: S101 - see `is_missing`
        yield from load_flow(transcript, self.loader)

    def delta(
        self, known: StoredContext, plan: Plan, text: str, said: Sequence[BaseMessage], documents: Sequence[Document]
    ) -> StateDelta | None:
        """Returns what a turn contributes to the state; None where none is kept."""
        if not self._state or known.state is None:
            return None
        from langchain_redis_memory.state.model import Search, delta_of

        search = Search(plan.query, tuple(map(_name, documents))) if plan.rule.search and documents else None
        return delta_of(text, str(said[-1].text), plan.verdict, search)

    def write(
        self,
        transcript: Transcript,
        known: StoredContext,
        delta: StateDelta | None,
        changed: ConversationState | None,
    ) -> Op[None]:
        """Stores what a turn contributes to the state, None for nothing, and the state that was `changed` by it.

        An op of one trip. A server that refuses it is logged; the turn is stored all the same.
        """
        if delta is None:
            return pure(None)
        from langchain_redis_memory.state import state_record

        keys, ttl_ms = transcript.keys, transcript.ttl_ms
        return _logged(state_record.add_deltas(keys, known.state, [delta], ttl_ms, changed=changed), transcript)

    def write_late(self, transcript: Transcript, messages: list[BaseMessage]) -> Op[None]:
        """Stores what turns contribute to the state that waited in the outbox."""
        if not self._state:
            return pure(None)
        from langchain_redis_memory.state import state_record
        from langchain_redis_memory.state.model import delta_of

        deltas = [delta_of(turn.user, turn.assistant) for turn in exchanges(messages)]
        ids = blake2b("\n".join(message.id or "" for message in messages).encode(), digest_size=8).digest()
        return _logged(state_record.add_deltas(transcript.keys, None, deltas, transcript.ttl_ms, ids), transcript)

    def follow_up_flow(
        self, transcript: Transcript, known: StoredContext, said: Sequence[BaseMessage], *, stored: bool
    ) -> Flow[None]:
        """Writes a turn to the user's own database, and makes a summary where one is due."""
        if self._write_behind is not None:
            yield from self._write_behind.write_flow(transcript, said)
        if self.rolling is None or not stored:
            return
        tokens = known.tokens + count_tokens(said)
        if self.rolling.due(known.summary, known.turns + 1, tokens):
            flow = self.rolling.follow_flow(transcript, transcript.ttl_ms)
            if self.rolling.background:
                yield Background(flow)
            else:
                yield from flow

    def flush_flow(self) -> Flow[None]:
        """Writes the messages that wait for the user's own database."""
        if self._write_behind is not None:
            yield from self._write_behind.flush_flow()


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
    """Returns a document's id, else its source, else a digest of its text."""
    known = document.id or document.metadata.get("id") or document.metadata.get("source")
    return (
        str(known)
        if known
        else blake2b(document.page_content.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    )
