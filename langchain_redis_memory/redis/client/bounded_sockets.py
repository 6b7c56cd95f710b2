"""Sync connections of redis-py whose sockets keep the deadline of the thread's call.

redis-py's timeouts bound one operation each, and a trip has many: a server that sends a byte now and then is in time.
A connection also knows whether its last caller read all replies: where an exception from outside (a signal handler, a
soft time limit) came between, the next caller would read another's, so it connects anew.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from math import inf
from time import monotonic
from typing import Any

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

    def settimeout(self, seconds: float | None) -> None:
        """Takes over 0, which asks for what is there already; in all else the deadline decides."""
        self._most = 0 if seconds == 0 else self._own

    def sendall(self, data: bytes) -> None:
        """Sends all bytes."""
        sock, rest = self._sock, memoryview(data)
        while rest:  # a TLS socket's own sendall would wait for each piece anew
            sock.settimeout(remaining_s(self._most))
            rest = rest[sock.send(rest) :]

    def recv_into(self, *args: Any) -> Any:
        """Receives what comes next into a buffer."""
        self._sock.settimeout(remaining_s(self._most))
        return self._sock.recv_into(*args)

    def recv(self, *args: Any) -> Any:
        """Receives what comes next."""
        self._sock.settimeout(remaining_s(self._most))
        return self._sock.recv(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


@lru_cache(maxsize=16)
def bounded(connection_class: Any) -> Any:
    """Makes the bounded kind of one of redis-py's sync connection classes.

    Args:
        connection_class: `Connection`, `SSLConnection`, `UnixDomainSocketConnection`, or one of sentinels.

    Returns:
        A subclass.
    """

    class Bounded(connection_class):  # type: ignore[misc]
        unread = False
        """Whether somebody sent something and did not read all replies to it."""
        _connecting = False

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
    """Tells whether there is no name to look up: an address, or (a unix socket) no host at all."""
    try:
        ip_address(host or "::")
    except ValueError:
        return False
    return True
