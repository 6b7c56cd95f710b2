"""`RedisTokenStreams`: an answer that is being streamed can be read again, from where a reader was cut off.

While a model speaks, its tokens are appended to a Redis Stream of the conversation, several in one round trip. A reader
that lost its connection, or a page that was loaded anew, goes on after the last event that it saw, in any process. A
stream is bounded and expires on its own: it carries an answer to its reader, the history keeps it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, closing
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import Unpack

from langchain_redis_memory.checks import check_positive, check_whole
from langchain_redis_memory.errors import UnavailableError
from langchain_redis_memory.ops import Flow, Now, Op, ask
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.ttl import milliseconds
from langchain_redis_memory.state.stream_events import (
    EventKind,
    StreamEvent,
    append,
    event,
    follow_flow,
    stop,
    token_of,
)

if TYPE_CHECKING:
    from langchain_redis_memory.redis.client.client import Client

_log = logging.getLogger(__name__)
T = TypeVar("T")
_MOST_WAITING = 64


class RedisTokenStreams(ClientOwner):
    """Keeps answers while they are streamed, so that a reader can resume where its connection broke.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        ttl_s: How long a conversation's stream is kept after its last event, in seconds.
        max_events: About how many events of a conversation are kept; older ones are dropped.
        flush_s: Longest time that a token waits for others to share its round trip, in seconds.
        tenant: Whose data it is.
        agent: Which agent's conversations they are.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: An id is not acceptable.
        InvalidInputError: A number is not positive.
        ConfigError: The URL cannot work.

    Example:
        ```python
        streams = RedisTokenStreams("redis://localhost:6379/0")
        async for chunk in streams.apublish("user-42", run_id, chat.astream(question, config)):
            ...  # on to the browser, which may go away
        async for event in streams.aresume("user-42", last_event_id):
            ...  # from any process: what it missed, and then what comes
        ```

    **Keys:** `tokens`, `stopped_runs` of the conversation.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        ttl_s: float = 3600,
        max_events: int = 10_000,
        flush_s: float = 0.05,
        tenant: Id = "",
        agent: Id = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._ttl_ms = milliseconds(ttl_s)
        check_whole(max_events, "max_events")
        check_positive(flush_s, "flush_s", "number of seconds")
        self._most, self._flush_s = max_events, flush_s
        self._space, self._agent = self._client.keys(tenant), agent

    def open(self, session_id: Id, run_id: Id) -> TokenStream:
        """Returns the writer of one run's tokens, for a loop of your own; `publish` does it for an iterator.

        Args:
            session_id: The conversation.
            run_id: The run: any id that is used once in the conversation.

        Returns:
            The writer. It belongs to one thread or task at a time.

        Raises:
            InvalidIdError: An id is not acceptable.
        """
        keys, run = self._space.stream(session_id, self._agent), text_of(run_id, "run_id")
        return TokenStream(self._client, partial(append, keys, run, self._most, self._ttl_ms), run, self._flush_s)

    def publish(self, session_id: Id, run_id: Id, chunks: Iterable[T]) -> Iterator[T]:
        """Passes the chunks of an answer on, and keeps them for readers that come later.

        Args:
            session_id: The conversation.
            run_id: The run: any id that is used once in the conversation.
            chunks: What is streamed: texts, chunks of messages (their text is kept), or plain data. To outlive its
                reader, as when a page is closed, run it in a task of its own and let every reader `resume`.

        Yields:
            The same chunks. The iteration ends early where the run is stopped. While the server is away the chunks
            still come; what waits is kept at the end if the server is back.

        Raises:
            InvalidIdError: An id is not acceptable.
            UnserialisableError: A chunk is neither text, nor a message, nor plain data.

        **Keys:** `tokens`, `stopped_runs`.
        **Trips:** 1 for the first chunk, then at most one each `flush_s`, and 1 at the end.
        """
        writer = self.open(session_id, run_id)
        kind: EventKind = "stopped"  # by whoever reads the chunks and goes away
        data: str | None = None
        try:
            for chunk in chunks:
                if not self._client.drive(writer.kept_flow(token_of(chunk))):
                    break
                yield chunk
            kind = "end"
        except Exception as error:
            kind, data = "error", type(error).__name__
            raise
        finally:
            self._client.drive(writer.ended_flow(kind, data))

    async def apublish(self, session_id: Id, run_id: Id, chunks: AsyncIterable[T]) -> AsyncIterator[T]:
        """Passes the chunks of an answer on, and keeps them; see `publish`."""
        writer = self.open(session_id, run_id)
        kind: EventKind = "stopped"  # by whoever reads the chunks and goes away
        data: str | None = None
        try:
            async for chunk in chunks:
                if not await self._client.adrive(writer.kept_flow(token_of(chunk))):
                    break
                yield chunk
            kind = "end"
        except Exception as error:
            kind, data = "error", type(error).__name__
            raise
        finally:
            await self._client.adrive(writer.ended_flow(kind, data))

    def resume(
        self, session_id: Id, last_id: str = "", *, run_id: Id | None = None, idle_s: float = 30.0
    ) -> Iterator[StreamEvent]:
        """Reads a conversation's stream from where a reader was cut off, and goes on as it is written.

        Args:
            session_id: The conversation.
            last_id: The `id` of the last event that the reader has (a browser sends it as `Last-Event-ID`); "" for all
                that is kept. Anything that is not an id stands for the newest event.
            run_id: Only this run's events; None for all runs.
            idle_s: How long to wait for an event before giving up, in seconds.

        Yields:
            The events, until the runs that were seen have ended.

        Raises:
            InvalidIdError: An id is not acceptable.
            CorruptDataError: An event was not written by this package.
            UnavailableError: The server cannot be reached.

        **Keys:** `tokens`.
        **Trips:** one for each 500 events, and 4 to 50 a second while nothing comes.
        """
        with closing(self._client.stream(self._follow_flow(session_id, last_id, run_id, idle_s))) as events:
            yield from events

    async def aresume(
        self, session_id: Id, last_id: str = "", *, run_id: Id | None = None, idle_s: float = 30.0
    ) -> AsyncIterator[StreamEvent]:
        """Reads a conversation's stream from where a reader was cut off; see `resume`."""
        async with aclosing(self._client.astream(self._follow_flow(session_id, last_id, run_id, idle_s))) as events:
            async for found in events:
                yield found

    def _follow_flow(self, session_id: Id, last_id: str, run_id: Id | None, idle_s: float) -> Flow[None]:
        keys = self._space.stream(session_id, self._agent)
        run = None if run_id is None else text_of(run_id, "run_id")
        return follow_flow(keys, last_id, run, check_positive(idle_s, "idle_s", "number of seconds"))

    def stop(self, session_id: Id, run_id: Id) -> bool:
        """Stops a run: `publish` ends at its next round trip, and readers get the event "stopped".

        Args:
            session_id: The conversation.
            run_id: The run, in whatever process it is.

        Returns:
            False where it was stopped before.

        Raises:
            InvalidIdError: An id is not acceptable.

        **Keys:** `tokens`, `stopped_runs`.
        **Trips:** 1.
        """
        return self._client.run(self._stop(session_id, run_id))

    async def astop(self, session_id: Id, run_id: Id) -> bool:
        """Stops a run; see `stop`."""
        return await self._client.arun(self._stop(session_id, run_id))

    def _stop(self, session_id: Id, run_id: Id) -> Op[bool]:
        keys = self._space.stream(session_id, self._agent)
        return stop(keys, text_of(run_id, "run_id"), self._most, self._ttl_ms)


class TokenStream:
    """Writes the tokens of one run; made by `RedisTokenStreams.open`.

    Tokens wait until `flush_s` is over since the last round trip, and texts that wait are joined into one event.

    **Keys:** `tokens`, `stopped_runs` of the conversation.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self, client: Client, append: Callable[[Sequence[bytes]], Op[bool]], run_id: str, flush_s: float
    ) -> None:
        self.run_id: str = run_id
        self._client, self._append, self._flush_s = client, append, flush_s
        self._waiting: list[Any] = []
        self._sent_at: float | None = None
        self._away = False

    def write(self, token: Any) -> bool:
        """Adds a token.

        Args:
            token: Text or plain data.

        Returns:
            False where the run was stopped: nothing more need be written.

        Raises:
            UnserialisableError: The token is not plain data.
            UnavailableError: The server cannot be reached; the tokens wait for the next round trip.

        **Keys:** `tokens`, `stopped_runs`.
        **Trips:** 1, or 0 within `flush_s` of the last one.
        """
        return self._client.drive(self._write_flow(token))

    async def awrite(self, token: Any) -> bool:
        """Adds a token; see `write`."""
        return await self._client.adrive(self._write_flow(token))

    def end(self, error: str = "") -> None:
        """Ends the run: what waits is sent, and readers get its last event.

        Args:
            error: What went wrong; "" for nothing.

        **Keys:** `tokens`, `stopped_runs`.
        **Trips:** 1.
        """
        self._client.drive(self._end_flow("error" if error else "end", error or None))

    async def aend(self, error: str = "") -> None:
        """Ends the run; see `end`."""
        await self._client.adrive(self._end_flow("error" if error else "end", error or None))

    def _events(self) -> list[bytes]:
        events = []
        for text, group in groupby(self._waiting, lambda token: isinstance(token, str)):
            events += [event(self.run_id, "token", token) for token in (["".join(group)] if text else group)]
        return events

    def _write_flow(self, token: Any) -> Flow[bool]:
        event(self.run_id, "token", token)  # what cannot be stored is refused before it waits with the rest
        self._waiting.append(token)
        now: float = yield Now()
        if self._sent_at is not None and now - self._sent_at < self._flush_s and len(self._waiting) < _MOST_WAITING:
            return True
        went_on = yield from ask(self._append(self._events()))
        self._waiting, self._sent_at = [], now
        return went_on

    def _end_flow(self, kind: EventKind, data: Any) -> Flow[None]:
        yield from ask(self._append([*self._events(), event(self.run_id, kind, data)]))
        self._waiting = []

    def kept_flow(self, token: Any) -> Flow[bool]:
        """Adds a token if the server can be reached; else it waits for the run's end."""
        if self._away:
            self._waiting.append(token)
            return True
        try:
            return (yield from self._write_flow(token))
        except UnavailableError as error:
            _log.warning("the tokens of run %r wait for its end to be kept: %s", self.run_id, error)
            self._away = True
            return True

    def ended_flow(self, kind: EventKind, data: Any) -> Flow[None]:
        """Ends the run if the server can be reached."""
        try:
            yield from self._end_flow(kind, data)
        except UnavailableError as error:
            _log.warning("the end of run %r is not kept: %s", self.run_id, error)
