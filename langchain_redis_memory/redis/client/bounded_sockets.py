"""Sync connections of redis-py whose sockets keep the deadline of the thread's call.

redis-py's timeouts bound one operation each, and a trip has many: a server that sends a byte now and then is in time.
A connection also knows whether its last caller read all replies: where an exception from outside (a signal handler, a
soft time limit) came between, the next caller would read another's, so it connects anew.

A trip costs system calls above all. So a plain socket never blocks: it waits for replies once, and for nothing else.
"""

from __future__ import annotations

import select
from functools import lru_cache
from ipaddress import ip_address
from math import inf
from time import monotonic
from typing import Any

from langchain_redis_memory.ops import Reply
from langchain_redis_memory.redis.client.deadline import CALL, remaining_s
from langchain_redis_memory.redis.client.timeout import look_up

_PING_SHARE = 3


class BoundedSocket:
    """A socket each of whose operations ends at the deadline.

    Args:
        sock: The connected socket, plain or TLS.
        most_s: The bound of one operation where the thread has no deadline.
    """

    def __init__(self, sock: Any, most_s: float | None) -> None:
        self._sock = sock
        self._own = self._most = most_s
        self._arrivals: Any = None
        if not hasattr(sock, "pending") and hasattr(select, "poll"):  # of TLS, bytes may be there that no poll knows of
            sock.setblocking(False)
            self._arrivals = _polling(sock, select.POLLIN)

    def is_quiet(self) -> bool:
        """Returns whether nothing is there to be received, not even the connection's end; False where nobody knows."""
        return self._arrivals is not None and not self._arrivals.poll(0)

    def settimeout(self, seconds: float | None) -> None:
        """Takes over 0, which asks for what is there already; in all else the deadline decides."""
        self._most = 0 if seconds == 0 else self._own

    def sendall(self, data: Any) -> None:
        """Sends all bytes."""
        sock, rest = self._sock, data
        while True:
            if self._arrivals is None:
                sock.settimeout(remaining_s(self._most))
            try:
                sent = sock.send(rest)
            except BlockingIOError:
                self._wait(_polling(sock, select.POLLOUT))
                continue
            if sent == len(rest):  # a TLS socket's own sendall would wait for each piece anew
                return
            rest = memoryview(rest)[sent:]

    def recv_into(self, *args: Any) -> Any:
        """Receives what comes next into a buffer."""
        if self._arrivals is not None and self._most != 0:
            self._wait(self._arrivals)
            try:
                return self._sock.recv_into(*args)
            except BlockingIOError:
                pass
        return self._receive(self._sock.recv_into, args)

    def recv(self, *args: Any) -> Any:
        """Receives what comes next."""
        return self._receive(self._sock.recv, args)

    def _receive(self, receive: Any, args: tuple[Any, ...]) -> Any:
        if self._arrivals is None:
            self._sock.settimeout(remaining_s(self._most))
            return receive(*args)
        while True:
            if self._most != 0:
                self._wait(self._arrivals)
            try:
                return receive(*args)
            except BlockingIOError:
                if self._most == 0:
                    raise

    def _wait(self, polling: Any) -> None:
        seconds = remaining_s(self._most)
        if not polling.poll(None if seconds is None else seconds * 1000):
            raise TimeoutError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def _polling(sock: Any, event: int) -> Any:
    polling = select.poll()
    polling.register(sock, event)
    return polling


@lru_cache(maxsize=16)
def bounded(connection_class: Any) -> Any:
    """Makes the bounded kind of one of redis-py's sync connection classes, those of sentinels included."""
    from redis import connection as library
    from redis._parsers.hiredis import NOT_ENOUGH_DATA, _HiredisParser
    from redis._parsers.socket import SERVER_CLOSED_CONNECTION_ERROR
    from redis.connection import AbstractConnection
    from redis.exceptions import ConnectionError, ResponseError

    wall: Any = vars(library)["time"]
    clock = wall if callable(wall) else monotonic  # by which health is checked: before redis-py 6 the function `time`
    quick = connection_class.read_response is AbstractConnection.read_response  # of a sentinel's masters it is not

    class Bounded(connection_class):  # type: ignore[misc]
        unread = False
        """Whether somebody sent something and did not read all replies to it."""
        _connecting = False

        def is_ready(self) -> bool:
            """Returns whether it can be used as it is: connected, all replies read, and known to be quiet."""
            sock = self._sock
            return sock is not None and not self.unread and sock.is_quiet()

        def read_replies(self, count: int) -> list[Reply]:
            """Reads replies, errors of commands among them, as `read_response` does one by one."""
            parser, sock = self._parser, self._sock
            reader = parser._reader if quick and parser.__class__ is _HiredisParser else None
            pushed = getattr(parser, "_hiredis_PushNotificationType", None)  # redis-py before 6 knows of none
            found: list[Reply] = []
            while len(found) < count:
                if reader is None:
                    found.append(self._read_reply())
                    continue
                while (reply := reader.gets(False)) is NOT_ENOUGH_DATA:
                    size = sock.recv_into(parser._buffer)
                    if not size:
                        raise ConnectionError(SERVER_CLOSED_CONNECTION_ERROR)
                    reader.feed(parser._buffer, 0, size)
                if isinstance(reply, ConnectionError):
                    raise reply
                if reply.__class__ is pushed:
                    parser.handle_push_response(reply)
                else:
                    found.append(reply)
            if self.health_check_interval:
                self.next_health_check = clock() + self.health_check_interval
            return found

        def _read_reply(self) -> Reply:
            try:
                return self.read_response(disable_decoding=True)
            except ResponseError as error:
                return error

        @property
        def socket_connect_timeout(self) -> float | None:
            return remaining_s(self._socket_connect_timeout)

        @socket_connect_timeout.setter
        def socket_connect_timeout(self, seconds: float | None) -> None:
            self._socket_connect_timeout = seconds

        def connect(self) -> None:
            if self.unread:
                self.disconnect()
            self.unread = True
            super().connect()
            self.unread = self._connecting = False

        def send_command(self, *args: Any, **kwargs: Any) -> None:
            # Only what a handshake says comes here. Numbers as text: see `transport`.
            super().send_command(*(str(word) if isinstance(word, int) else word for word in args), **kwargs)

        def _connect(self) -> BoundedSocket:
            self._connecting = True
            if _is_address(getattr(self, "host", "")):
                return BoundedSocket(super()._connect(), self.socket_timeout)
            connect, until = super()._connect, CALL.until

            def look_up_and_connect() -> Any:
                CALL.until = until  # where the resolver answers too late, nothing is connected to
                try:
                    return connect()
                finally:
                    CALL.until = inf

            return BoundedSocket(look_up(self.socket_connect_timeout, look_up_and_connect), self.socket_timeout)

        def _wrap_socket_with_ssl(self, sock: Any) -> Any:
            sock.settimeout(self.socket_connect_timeout)
            return super()._wrap_socket_with_ssl(sock)

        def _send_ping(self) -> None:
            # Only a part of the time: where an idle connection has died, the rest is for a new one.
            until = CALL.until
            if not self._connecting:
                CALL.until = min(until, monotonic() + self.socket_timeout / _PING_SHARE)
            try:
                super()._send_ping()
            finally:
                CALL.until = until

    Bounded.__name__ = Bounded.__qualname__ = f"Bounded{connection_class.__name__}"
    return Bounded


def _is_address(host: str) -> bool:
    """Returns whether there is no name to look up: an address, or (a unix socket) no host at all."""
    try:
        ip_address(host or "::")
    except ValueError:
        return False
    return True
