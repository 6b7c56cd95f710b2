"""The server of `memory://`: fakeredis, asked without a client in between, and its Lua without what costs it most.

fakeredis parses a script anew at each call, collects all of Lua's garbage after it, and compares the names of all
global variables before each command of it: a third of a turn. Here a script is compiled once, its interpreter refuses
new globals by itself, and Lua collects when it sees fit. A trip hands its words to the server and takes the replies:
there is no connection that packs and parses them.

It needs insides of fakeredis; `open_in_process` uses fakeredis' own client where a release has others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from threading import RLock
from typing import Any

from langchain_redis_memory.ops import Command, Reply
from langchain_redis_memory.redis.client.transport import AsyncPipelineTransport, PipelineTransport, spelled

_NO_NEW_GLOBALS = """
setmetatable(_G, {__newindex = function(_, name)
  error("Script attempted to create global variable '" .. name .. "'")
end})
"""


_BLOCKING = frozenset((b"BLPOP", b"BRPOP", b"BLMOVE", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP", b"XREAD"))
"""What may wait for another command."""


def open_in_process(server: Any) -> PipelineTransport:
    """Opens a sync transport to a server of fakeredis.

    Args:
        server: A `fakeredis.FakeServer`.
    """
    from fakeredis import FakeRedis

    socket = _socket_class()
    client = FakeRedis(server=server)
    return PipelineTransport(client) if socket is None else InProcessTransport(client, lambda: socket(server))


def open_in_process_async(server: Any) -> AsyncPipelineTransport:
    """Opens an async transport to a server of fakeredis; see `open_in_process`."""
    from fakeredis import FakeAsyncRedis

    socket = _socket_class()
    client = FakeAsyncRedis(server=server)
    if socket is None:
        return AsyncPipelineTransport(client)
    return AsyncInProcessTransport(client, lambda: socket(server))


class InProcessTransport(PipelineTransport):
    """Hands the commands of a trip to the server, in the caller's thread.

    Args:
        client: A sync client of the same server, for what is no trip.
        connect: Makes a connection; each is used by one trip at a time.
    """

    def __init__(self, client: Any, connect: Callable[[], Any]) -> None:
        super().__init__(client)
        self._connect = connect
        self._encode = client.get_encoder().encode
        self._free: deque[Any] = deque()

    def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands and gives their replies."""
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._connect()
        encode = self._encode
        replies: list[Reply] = connection.replies_to(
            [[encode(word) for word in spelled(command, by_digest=by_digest)] for command in commands]
        )
        self._free.append(connection)
        return replies

    def close(self) -> None:
        """Closes the connections."""
        while self._free:
            self._free.pop().close()
        super().close()


class AsyncInProcessTransport(AsyncPipelineTransport):
    """Hands the commands of a trip to the server, in the event loop's thread; see `InProcessTransport`."""

    def __init__(self, client: Any, connect: Callable[[], Any]) -> None:
        super().__init__(client)
        self._direct = InProcessTransport(client, connect)

    async def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands and gives their replies; other tasks run first, as they would while a server works."""
        await asyncio.sleep(0)
        return self._direct.send(commands, by_digest=by_digest)

    async def aclose(self) -> None:
        """Closes the connections."""
        while self._direct._free:
            self._direct._free.pop().close()
        await super().aclose()


@cache
def _socket_class() -> Callable[[Any], Any] | None:
    """Makes the class of connections; None where fakeredis has other insides than those it needs."""
    try:
        from fakeredis._commands import COMMANDS_WITH_SUB
        from fakeredis._helpers import SimpleError
        from fakeredis._socket import FakeSocket
        from fakeredis.commands_mixins import scripting_mixin
        from redis import Redis

        lua_error, converted = scripting_mixin.LUA_MODULE.LuaError, scripting_mixin._convert_redis_arg
        needed = ("_process_command", "_get_server_runtime", "_lua_redis_call", "_convert_lua_result", "_run_command")
        if not all(hasattr(FakeSocket, name) for name in needed):
            return None
    except (ImportError, AttributeError):
        return None

    class Connection(FakeSocket):
        """A connection to a server of fakeredis."""

        def __init__(self, server: Any) -> None:
            super().__init__(server, 0, client_class=Redis)
            self._replies: list[Reply] = []
            self._undisturbed: RLock = server.__dict__.setdefault("_trips", RLock())
            self._process_command([b"HELLO", b"3"])

        def put_response(self, msg: Any) -> None:
            self._replies.append(msg)

        def replies_to(self, commands: list[list[bytes]]) -> list[Reply]:
            self._replies = []
            # As a server does, which reads a trip whole: another thread's command does not come in between.
            with nullcontext() if commands[0][0].upper() in _BLOCKING else self._undisturbed:
                for words in commands:
                    self._process_command(words)
            return self._replies

        def eval(self, script: bytes, numkeys: int, *words: bytes) -> Any:
            server: Any = self._server
            lua = self._get_server_runtime(server)
            compiled = server.__dict__.get("_compiled")
            if compiled is None:
                compiled = server._compiled = {}
                lua.execute(_NO_NEW_GLOBALS)
            try:
                if (run := compiled.get(script)) is None:
                    self.script_load(script)
                    run = compiled[script] = lua.compile(script)
                server._lua_current_socket[0] = self
                server._lua_set_keys_argv(lua.table_from(words[:numkeys]), lua.table_from(words[numkeys:]))
                self._script_resp = 2
                result = run()
            except lua_error as error:
                raise SimpleError(f"ERR {error}") from None
            finally:
                self._script_resp = None
            return self._convert_lua_result(result, nested=False)

        def _lua_redis_call(self, lua: Any, expected_globals: set[Any], op: bytes, *args: Any) -> Any:
            name = op.decode().lower()
            if name in COMMANDS_WITH_SUB:
                return super()._lua_redis_call(lua, expected_globals, op, *args)
            function, signature = self._name_to_func(name)
            result = self._run_command(function, signature, [converted(each) for each in args], True)
            return self._convert_redis_result(lua, result)

    return Connection
