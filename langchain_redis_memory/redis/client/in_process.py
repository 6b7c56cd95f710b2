"""The server of `memory://`: fakeredis, asked without a client in between, and its Lua without what costs it most.

fakeredis parses a script anew at each call, collects all of Lua's garbage after it, and compares the names of all
global variables before each command of it. Here a script is compiled once, its interpreter refuses new globals by
itself, Lua collects when it sees fit, and the commands that scripts call most are run by `in_process_commands`. A trip
hands its words to the server and takes the replies: there is no connection that packs and parses them.

It needs insides of fakeredis; `open_in_process` uses fakeredis' own client where a release has others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from threading import RLock
from time import time
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
_SCRIPTS = frozenset((b"EVAL", b"EVALSHA"))
_READS = frozenset((b"GET", b"PTTL", b"EXISTS", b"HGET", b"HMGET", b"LLEN", b"LRANGE", b"TIME"))
"""What answers everybody as it answers a script."""


def open_in_process(server: Any) -> PipelineTransport:
    """Opens a sync transport to a server of fakeredis."""
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
    """Hands the commands of a trip to the server, in the caller's thread; a connection is used by one trip at a time.

    What is not a trip goes by a sync client of the same server.
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
        words_of = [spelled(command, by_digest=by_digest) for command in commands]
        replies: list[Reply] = connection.replies_to(
            [[word.encode() if word.__class__ is str else encode(word) for word in words] for words in words_of]
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

        from langchain_redis_memory.redis.client.in_process_commands import Unusual, quick

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
                    quickly = quick_of.get(words[0])
                    if quickly is None or not quickly(self, words):
                        self._process_command(words)
            return self._replies

        def _read(self, words: list[bytes]) -> bool:
            """Runs what only reads as a script would; False where that is for fakeredis to do, or to refuse."""
            server: Any = self._server
            with server.lock:
                self._db.time = time()
                try:
                    self._replies.append(quick(self._db, words[0], words[1:]))
                except Unusual:
                    return False
            return True

        def _run_script(self, words: list[bytes]) -> bool:
            """Runs a script without reading it as a command; False where that is for fakeredis to do, or to refuse."""
            verb, body, keys, *rest = words
            server: Any = self._server
            source = body if verb == b"EVAL" else server.script_cache.get(body)
            if source is None or not keys.isdigit() or int(keys) > len(rest):
                return False
            with server.lock:
                self._db.time = time()
                try:
                    result = self.eval(source, int(keys), *rest)
                except SimpleError as error:
                    result = error
            self._replies.append(self._decode_result(result))
            return True

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
            words = [each if each.__class__ is bytes else converted(each) for each in args]
            server: Any = self._server
            # Who listens to keys hears of them from fakeredis alone.
            if not server.subscribers and not server.psubscribers and self._script_resp == 2:
                try:
                    result = quick(self._db, op, words)
                except Unusual:
                    pass
                else:
                    if result.__class__ is list:
                        return lua.table_from([False if each is None else each for each in result])
                    return False if result is None else self._convert_redis_result(lua, result)
            name = op.decode().lower()
            if name in COMMANDS_WITH_SUB:
                return super()._lua_redis_call(lua, expected_globals, op, *args)
            function, signature = self._name_to_func(name)
            return self._convert_redis_result(lua, self._run_command(function, signature, words, True))

    quick_of = dict.fromkeys(_READS, Connection._read) | dict.fromkeys(_SCRIPTS, Connection._run_script)
    return Connection
