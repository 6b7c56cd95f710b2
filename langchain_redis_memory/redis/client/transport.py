"""Transports: send the commands of one trip together; replies are undecoded, a refused command's is its error.

`DirectTransport` writes to a connection of redis-py's pool itself, for the servers that we open: a pipeline object, its
command stack and its callbacks take longer than a local server takes to answer. `PipelineTransport` uses a client's own
pipelines, for fakes, and clients that belong to somebody else (who may have instrumented them).
Scripts go by digest or in full. Each has an async twin.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from inspect import signature
from typing import Any
from weakref import WeakSet

from langchain_redis_memory.ops import Call, Command, Reply
from langchain_redis_memory.redis.codec.cipher.key import Key

_log = logging.getLogger(__name__)


class PipelineTransport:
    """Sends by the client's own methods.

    Args:
        client: A sync client of redis-py.
        lent: Whether it belongs to somebody else; then it is not closed.
    """

    def __init__(self, client: Any, *, lent: bool = False) -> None:
        self.client = client
        self._lent = lent

    def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands and gives their replies."""
        from redis.exceptions import ResponseError

        if len(commands) == 1:
            try:
                return [self.client.execute_command(*spelled(commands[0], by_digest=by_digest), NEVER_DECODE=True)]
            except ResponseError as error:
                return [error]
        pipe = self.client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*spelled(command, by_digest=by_digest), NEVER_DECODE=True)
        replies: list[Reply] = pipe.execute(raise_on_error=False)
        return replies

    def renew(self) -> None:
        """Closes the connections that nobody uses; a cluster's client sees to its own."""
        if (pool := getattr(self.client, "connection_pool", None)) is not None:
            pool.disconnect(inuse_connections=False)

    retire = renew

    def close(self) -> None:
        """Closes the client."""
        if not self._lent:
            self.client.close()


class AsyncPipelineTransport:
    """Sends by an async client's own methods; see `PipelineTransport`."""

    def __init__(self, client: Any, *, lent: bool = False) -> None:
        self.client = client
        self._lent = lent

    async def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands and gives their replies."""
        from redis.exceptions import RedisError

        words_of = [spelled(command, by_digest=by_digest) for command in commands]
        if len(words_of) == 1:
            return [await self._send_one(words_of[0])]
        pipe = self.client.pipeline(transaction=False)
        for words in words_of:
            pipe.execute_command(*words, NEVER_DECODE=True)
        try:
            replies: list[Reply] = await pipe.execute(raise_on_error=False)
        except RedisError as error:
            if _UNLISTED not in str(error):
                raise
            # Before version 8 a cluster's pipeline sends nothing if the nodes do not list one of its commands.
            return [await self._send_one(words) for words in words_of]
        return replies

    async def _send_one(self, words: Sequence[Any]) -> Reply:
        from redis.exceptions import RedisError, ResponseError

        try:
            return await self.client.execute_command(*words, NEVER_DECODE=True)
        except ResponseError as error:
            return error
        except RedisError as error:
            if _UNLISTED in str(error):
                return ResponseError(f"unknown command {words[0]!r}")
            raise

    async def renew(self) -> None:
        """Closes the connections that nobody uses; see `PipelineTransport.renew`."""
        if (pool := getattr(self.client, "connection_pool", None)) is not None:
            await pool.disconnect(inuse_connections=False)

    retire = renew

    async def aclose(self) -> None:
        """Closes the client."""
        if not self._lent:
            await self.client.aclose()


class DirectTransport:
    """Sends on connections of the client's pool, and keeps those that are idle at hand.

    Args:
        client: A sync client of redis-py for one server, with `bounded` connections; ours to close.
        keeps: Whether idle connections are kept here; else the pool looks at each before it is used.
    """

    def __init__(self, client: Any, *, keeps: bool = True) -> None:
        self.client = client
        self._pool = client.connection_pool
        self._named = _names(self._pool)
        self._keeps, self._closed = keeps, False
        self._idle: list[Any] = []
        _transports.add(self)

    def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands and gives their replies."""
        return self.finish(self.begin(commands, by_digest=by_digest), len(commands))

    def begin(self, commands: Sequence[Command], *, by_digest: bool) -> Any:
        """Sends commands and gives the connection on which their replies come."""
        packed = pack(commands, by_digest=by_digest)
        connection = self._take()
        try:
            connection.unread = True
            connection.send_packed_command((packed,))
        except BaseException:
            self.drop(connection)
            raise
        return connection

    def finish(self, connection: Any, count: int) -> list[Reply]:
        """Reads a number of replies and gives the connection back."""
        try:
            replies: list[Reply] = connection.read_replies(count)
            connection.unread = False
        except BaseException:
            self.drop(connection)
            raise
        if self._keeps:
            self._idle.append(connection)
        elif self._closed:
            self.drop(connection)
        else:
            self._pool.release(connection)
        return replies

    def drop(self, connection: Any) -> None:
        """Closes a connection whose replies nobody reads."""
        try:
            connection.disconnect()
        finally:
            self._pool.release(connection)

    def _take(self) -> Any:
        """Takes an idle connection, or has the pool open one, or look at one that needs it."""
        try:
            connection = self._idle.pop()
        except IndexError:  # what opening one raises is not told as an error while this one was handled
            connection = None
        if connection is not None:
            if connection.is_ready():
                return connection
            self._pool.release(connection)
        return self._pool.get_connection(*self._named)

    def renew(self) -> None:
        """Closes the connections that nobody uses: the next ones go where the server's name leads by then."""
        idle, self._idle = self._idle, []
        for connection in idle:
            self._pool.release(connection)
        self._pool.disconnect(inuse_connections=False)

    retire = renew
    """The same because of their age; on a cluster more than `renew` closes."""

    def close(self) -> None:
        """Closes the connections; one on which a thread waits for its replies is closed by that thread."""
        self._keeps, self._closed = False, True
        self.renew()


_transports: WeakSet[DirectTransport] = WeakSet()


def _forget_idle() -> None:
    """Forgets in a child process the connections that are its parent's."""
    for transport in list(_transports):
        transport._idle = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_idle)


class AsyncDirectTransport:
    """Sends on a connection of an async client's pool; see `DirectTransport`."""

    def __init__(self, client: Any, *, keeps: bool = True) -> None:
        self.client = client
        self._pool = client.connection_pool
        self._named = _names(self._pool)
        self._keeps = keeps and hasattr(self._pool.connection_class, "can_read")  # redis-py before 8 reads to look
        self._closed = False
        self._idle: list[Any] = []

    async def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands and gives their replies; see `DirectTransport.send`."""
        return await self.exchange_one(pack(commands, by_digest=by_digest), len(commands))

    async def exchange_one(self, packed: bytes, count: int) -> list[Reply]:
        """Sends the commands of one operation and gives their replies."""
        replies: list[Reply] = []
        await self.exchange(packed, ((count, replies.extend),))
        return replies

    async def exchange(self, packed: bytes, takers: Sequence[tuple[int, Callable[[list[Reply]], object]]]) -> None:
        """Sends commands and hands out their replies as they come.

        Args:
            packed: The commands as they are sent.
            takers: Who gets how many of the replies, in their order.
        """
        from redis._parsers.hiredis import NOT_ENOUGH_DATA
        from redis.exceptions import ConnectionError, ResponseError

        connection = await self._take()
        try:
            await connection.send_packed_command([packed])
            parser = connection._parser
            there = parser._reader.gets if _is_quick(connection.__class__, parser.__class__) else None
            pushed = getattr(parser, "_hiredis_PushNotificationType", None)  # redis-py before 6 knows of none
            for count, take in takers:
                replies: list[Reply] = []
                while len(replies) < count:
                    reply = there(False) if there is not None else NOT_ENOUGH_DATA
                    if reply is NOT_ENOUGH_DATA:
                        try:
                            reply = await connection.read_response(disable_decoding=True)
                        except ResponseError as error:
                            reply = error
                    elif isinstance(reply, ConnectionError):
                        raise reply
                    elif reply.__class__ is pushed:
                        await parser.handle_push_response(reply)
                        continue
                    replies.append(reply)
                take(replies)
        except BaseException:
            await self._drop(connection)
            raise
        if self._keeps:
            self._idle.append(connection)
        elif self._closed:
            await self._drop(connection)
        else:
            await self._pool.release(connection)

    async def _drop(self, connection: Any) -> None:
        """Closes a connection whose replies nobody reads."""
        try:
            await connection.disconnect(nowait=True)
        finally:
            await self._pool.release(connection)

    async def _take(self) -> Any:
        """Takes an idle connection; see `DirectTransport._take`."""
        if self._idle:
            connection = self._idle.pop()
            try:
                if not await connection.can_read():  # nothing has come, not even its end
                    return connection
            except Exception:  # noqa: BLE001 - whatever it is, it is not ready
                _log.debug("an idle connection is not ready", exc_info=True)
            await self._pool.release(connection)
        return await self._pool.get_connection(*self._named)

    async def renew(self) -> None:
        """Closes the connections that nobody uses; see `DirectTransport.renew`."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await self._pool.release(connection)
        await self._pool.disconnect(inuse_connections=False)

    retire = renew

    async def aclose(self) -> None:
        """Closes the connections; one on which a task waits for its replies is closed by that task."""
        self._keeps, self._closed = False, True
        await self.renew()


def spelled(command: Command, *, by_digest: bool) -> Sequence[Any]:
    """Spells a command, numbers as text: hiredis would do so, but crashes if a signal handler raises meanwhile.

    What is sent for every step of a graph is text already.
    """
    words: Sequence[Any] = command
    if isinstance(command, Call):
        script = command.script
        verb, body = ("EVALSHA", script.sha) if by_digest else ("EVAL", script.source)
        words = (verb, body, str(len(command.keys)), *command.keys, *command.args)
    if _TEXT.issuperset(map(type, words)):
        return words
    return [word if word.__class__ in _TEXT or not isinstance(word, _NUMBERS) else str(word) for word in words]


@lru_cache(maxsize=16)
def _is_quick(connection: Any, parser: type) -> bool:
    """Returns whether replies can be taken from the parser itself, where redis-py awaits three coroutines for each.

    Args:
        connection: The class of an async connection; that of a sentinel's masters looks at each reply.
        parser: The class of its parser.
    """
    from redis._parsers.hiredis import _AsyncHiredisParser
    from redis.asyncio.connection import AbstractConnection

    return connection.read_response is AbstractConnection.read_response and parser is _AsyncHiredisParser


_UNLISTED = "command doesn't exist in Redis commands"
_TEXT: frozenset[type] = frozenset((str, bytes, Key))
_NUMBERS = (int, float)


def pack(commands: Sequence[Command], *, by_digest: bool) -> bytes:
    """Packs commands as they are sent."""
    pack_command = _packer()
    if len(commands) == 1:
        return pack_command(tuple(spelled(commands[0], by_digest=by_digest)))  # type: ignore[no-any-return]
    return b"".join([pack_command(tuple(spelled(command, by_digest=by_digest))) for command in commands])


@lru_cache(maxsize=1)
def _packer() -> Any:
    """Returns hiredis' function: to import it for each trip takes longer than to pack a command."""
    from hiredis import pack_command

    return pack_command


def _names(pool: Any) -> tuple[str, ...]:
    """Returns a pool's further arguments: redis-py before 5.3 needs a command's name, later ones warn of it."""
    first = next(iter(signature(pool.get_connection).parameters.values()))
    return ("EVALSHA",) if first.default is first.empty and first.kind is first.POSITIONAL_OR_KEYWORD else ()
