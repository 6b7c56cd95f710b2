"""Outbox: messages that could not be stored while the server was away, kept in this process until they can.

An entry is one write, such as a turn, as the very operation that was tried first: to send it again does no harm, so an
entry stays until the server has said that it has it, and several threads may send one at once. The entries of a
conversation are stored one after the other, in order: in the background, by the conversation's next turn, and when the
client is closed or the process ends. What the outbox has no room for is lost, which is logged and told.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Sequence
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ReferenceType, ref

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checks import check_bounds, check_functions, check_positive, check_type
from langchain_redis_memory.errors import ConfigError, OutOfMemoryError, RedisMemoryError, UnavailableError
from langchain_redis_memory.history.loss import OnLoss, report_loss
from langchain_redis_memory.history.read_through import UserCallback
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.history.waiting_writes import Entry, SeenMessages, WaitingWrites
from langchain_redis_memory.ops import Flow, Now, OneDeadline, Op, Sleep, ask, merge
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.outboxes import Outboxes, everywhere

if TYPE_CHECKING:
    from langchain_redis_memory.history.spool import Spool

_log = logging.getLogger(__name__)

AWAY = (UnavailableError, OutOfMemoryError)
"""What a write is kept for: the server cannot be reached, or takes nothing."""

_CONVERSATIONS_A_TRIP = 16
_FIRST_PAUSE_S = 0.1


T = TypeVar("T")


class Outbox:
    """Queues messages that could not be stored because the server was away, and stores them once it is back.

    Threads and event loops may share it.

    `ConversationMemory` and `RedisChatMessageHistory(fallback=True)` use the one of their client, unless they are given
    another.

    Args:
        most: Most messages that wait at once; beyond it the oldest are dropped.
        most_bytes: Most bytes that wait at once.
        spool: A folder in which what waits is written down as well, on disk before the turn goes on: a process that
            starts stores what those before it left when they ended or crashed. Processes may share it. None: what waits
            when the process crashes is lost.
        on_loss: Called with a `Loss` for what was dropped. A plain function; what it raises is logged.
        replay_s: Longest pause between two attempts to store what waits, in seconds; the first ones are shorter. None:
            nothing happens in the background (where a process is frozen between two requests).
        close_s: How long closing and the end of the process wait for what is left to be stored, in seconds.

    Raises:
        InvalidInputError: A number is not positive.
        ConfigError: The spool cannot be used.

    **Keys:** those of the conversations.
    **Trips:** those of the writes that wait.
    """

    def __init__(
        self,
        *,
        most: int = 10_000,
        most_bytes: int = 64 * 1024 * 1024,
        spool: str | os.PathLike[str] | None = None,
        on_loss: OnLoss | None = None,
        replay_s: float | None = 5.0,
        close_s: float = 5.0,
    ) -> None:
        check_bounds(most=most, most_bytes=most_bytes)
        check_positive(close_s, "close_s", "number of seconds")
        if replay_s is not None:
            check_positive(replay_s, "replay_s", "number of seconds")
        self._most, self._most_bytes = most, most_bytes
        self.on_loss: OnLoss | None = on_loss
        self._replay_s = replay_s
        self.close_s: float = close_s
        self._client: ReferenceType[Client] | None = None
        self._spool: Spool | None = None
        self.reset()
        check_functions(on_loss=on_loss)
        if spool is not None:
            from langchain_redis_memory.history.spool import Spool

            self._spool = Spool(spool)
        everywhere.add(self)

    def reset(self) -> None:
        """Starts again without what waits, which a parent process stores with its own threads."""
        if self._spool is not None:
            self._spool.forget()
        self._waiting = WaitingWrites(self._most, self._most_bytes)
        self.seen: SeenMessages = SeenMessages()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def shared(cls, client: Client) -> Outbox:
        """Returns the outbox of a client, which lives as long as it does.

        Args:
            client: The client.
        """
        return client.outboxes.own(cls).attach(client)

    @classmethod
    def chosen(cls, fallback: bool | Outbox | None, client: Client) -> Outbox | None:
        """Returns the outbox that an argument names: True is the client's own, False and None are none.

        Args:
            fallback: The argument.
            client: The client.

        Raises:
            ConfigError: It is something else, or belongs to another client.
        """
        if isinstance(fallback, Outbox):
            return fallback.attach(client)
        check_type(fallback, (bool, NoneType), "fallback", "True, False or an Outbox", ConfigError)
        return cls.shared(client) if fallback else None

    def attach(self, client: Client) -> Outbox:
        """Lets a client store what waits.

        Args:
            client: The client.

        Returns:
            This outbox.

        Raises:
            ConfigError: It belongs to another client.
        """
        known = None if self._client is None else self._client()
        if known is not None and known.outboxes is not client.outboxes:
            raise ConfigError("an Outbox belongs to one client: give each client its own")
        if known is None:
            self._client = ref(client.whole)
        client.outboxes.add(self)
        if known is None and self._spool is not None:
            for write, number in self._spool.left():
                try:
                    made = write.made(client.keys())
                except RedisMemoryError as error:  # such as a user's whose secret is destroyed: no reason not to start
                    _log.error("what waits of session %r stays in the spool: %s", write.session_id, error)
                    continue
                entry, _ = self._waiting.put(*made, None)
                number(entry.number)
            self._start()
        return self

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"Outbox({len(self)} messages)"

    # --- what waits ---------------------------------------------------------------------------------------------------

    def put(
        self,
        transcript: Transcript,
        messages: Sequence[BaseMessage],
        op: Op[Any],
        loader: UserCallback | None = None,
    ) -> None:
        """Keeps a write that could not be made.

        Args:
            transcript: The conversation.
            messages: What was said, in order.
            op: The operation that was tried: it is what is sent again.
            loader: Loads the conversation before, where Redis does not have it.
        """
        with self._waiting.changed:  # nobody stores it before it is spooled
            entry, lost = self._waiting.put(transcript, messages, op, loader)
            if self._spool is not None:
                from langchain_redis_memory.history.spool import SpooledWrite

                try:
                    self._spool.put(entry.number, SpooledWrite.of(transcript, op))
                except OSError:
                    _log.exception("what waits of session %r is in this process only", transcript.session_id)
        report_loss(lost, "full", self.on_loss)
        self._done(lost)
        self._start()

    def _stored(self, entries: Sequence[Entry]) -> None:
        """Forgets writes that are stored, and remembers their messages as the newest ones there."""
        for entry in entries:
            self.seen.add(entry.transcript, entry.messages)
        self._done(entries)

    def _done(self, entries: Sequence[Entry]) -> None:
        """Forgets writes that are stored, deleted or lost."""
        self._waiting.remove(entries)
        if self._spool is not None and entries:
            try:
                self._spool.done([entry.number for entry in entries])
            except OSError:
                _log.exception("what is stored may be stored again by the next process")

    def messages(self, transcript: Transcript) -> list[BaseMessage]:
        """Lists the messages of a conversation that wait, in order.

        Args:
            transcript: The conversation.
        """
        return [message for entry in self._waiting.of(transcript.keys.messages) for message in entry.messages]

    def take(self, key: str) -> list[Entry]:
        """Takes out what waits of a conversation that is about to be deleted.

        Args:
            key: The key of its messages.

        Returns:
            What waited; `restore` puts it back.
        """
        return self._waiting.take(key)

    def drop(self, entries: Sequence[Entry]) -> None:
        """Forgets what `take` gave.

        Args:
            entries: The entries.
        """
        self._done(entries)

    def restore(self, entries: Sequence[Entry]) -> None:
        """Puts entries back where they were.

        Args:
            entries: What `take` gave.
        """
        self._waiting.restore(entries)
        self._start()

    # --- storing it ---------------------------------------------------------------------------------------------------

    def store_flow(self, transcript: Transcript) -> Flow[None]:
        """Stores what waits of a conversation, one write after the other.

        Args:
            transcript: The conversation.

        Returns:
            A flow of a trip for each write, within the deadline of the call. What the server says of one is raised, and
            the rest waits.
        """
        yield OneDeadline()
        for entry in self._waiting.of(transcript.keys.messages):
            yield from entry.load_flow()
            yield from ask(entry.op)
            self._stored([entry])

    def flush_flow(self) -> Flow[int]:
        """Stores all that waits: the conversations side by side, the writes of each one after the other.

        Returns:
            A flow of a trip for each 16 conversations and each write of one; it raises nothing. How many messages still
            wait.
        """
        stuck: set[str] = set()
        while batch := self._waiting.first(_CONVERSATIONS_A_TRIP, stuck):
            try:
                batch = yield from self._loaded_flow(batch, stuck)
                taken = yield from ask(merge(*(entry.attempt() for entry in batch)))
            except ConfigError:
                raise  # the client has no connections of this colour
            except RedisMemoryError as error:
                _log.debug("messages wait in this process until they can be stored: %s", error)
                break
            self._stored([entry for entry, stored in zip(batch, taken, strict=True) if stored])
            stuck |= {entry.key for entry, stored in zip(batch, taken, strict=True) if not stored}
        return len(self)

    def _loaded_flow(self, batch: Sequence[Entry], stuck: set[str]) -> Flow[list[Entry]]:
        """Loads the conversations of a batch that have to be; those whose loader fails are stuck."""
        loaded = []
        for entry in batch:
            try:
                yield from entry.load_flow()
            except RedisMemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - a database's errors are of any type
                _log.warning("session %r waits for its loader: %r", entry.transcript.session_id, error)
                stuck.add(entry.key)
            else:
                loaded.append(entry)
        return loaded

    def finish_flow(self) -> Flow[int]:
        """Stores all that waits, and tries again for `close_s` seconds; returns how many messages still wait."""
        began: float = yield Now()
        while left := (yield from self.flush_flow()):
            now: float = yield Now()
            if now - began >= self.close_s:
                break
            yield Sleep(_FIRST_PAUSE_S)
        return left

    def finish(self, seconds: float | None = None) -> int:
        """Stores all that waits, within a bound.

        Args:
            seconds: How long to wait for it; None for `close_s`.

        Returns:
            How many messages still wait.
        """
        client = None if self._client is None else self._client()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._wake.set()
            with self._waiting.changed:
                self._waiting.changed.wait_for(lambda: not len(self), self.close_s if seconds is None else seconds)
        elif client is not None and len(self):
            try:
                client.drive(self.finish_flow())
            except ConfigError as error:
                _log.debug("an async client alone stores nothing here: %s", error)
        return len(self)

    def give_up(self) -> None:
        """Drops all that waits, since the process ends; a spool keeps it."""
        left = self._waiting.take()
        if self._spool is None:
            report_loss(left, "exit", self.on_loss)
        else:
            self._spool.close()

    # --- in the background --------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Lets the background store what waits now: the server has just answered."""
        self._wake.set()

    def _start(self) -> None:
        client = None if self._client is None else self._client()
        if self._replay_s is None or client is None:
            return
        with self._waiting.changed:
            if self._thread is not None or not len(self):
                return
            self._thread = threading.Thread(
                target=self._replay, args=(client, self._replay_s), name="langchain-redis-memory-outbox", daemon=True
            )
            self._thread.start()

    def _replay(self, client: Client, longest_s: float) -> None:
        pause = min(_FIRST_PAUSE_S, longest_s)
        while True:
            if self._wake.wait(pause * random.uniform(0.7, 1.0)):
                self._wake.clear()
                pause = _FIRST_PAUSE_S
            try:
                client.drive(self.flush_flow())
                ends = False
            except ConfigError:  # an async client alone: its turns and its closing store what waits
                ends = True
            except Exception:  # noqa: BLE001 - nobody else would see it, and the messages wait on
                _log.exception("what waits could not be stored")
                ends = False
            with self._waiting.changed:
                if ends or not len(self):
                    self._thread = None
                    return
            pause = min(2 * pause, longest_s)


def deleting_flow(outboxes: Outboxes, keys: Sequence[str], delete: Op[T]) -> Flow[T]:
    """Deletes conversations, what waits of them (it was said before), and what this process remembers of them.

    A flow of one trip that gives what `delete` gives. Where it fails, what waits goes on waiting.
    """
    taken = [(outbox, outbox.take(key)) for outbox in outboxes.all() for key in keys]
    try:
        done = yield from ask(delete)
    except BaseException:
        for outbox, entries in taken:
            outbox.restore(entries)
        raise
    for outbox, entries in taken:
        outbox.drop(entries)
    outboxes.forget(keys)
    return done
