"""A TCP proxy before a server that can hold everything back, cut its connections, or let replies drip in."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

PIECE = 65536


class Proxy:
    """Passes on what a client and a server say to each other, until it is told otherwise.

    Args:
        port: The server's port; None for a server that accepts connections and never answers.
    """

    def __init__(self, port: int | None = None) -> None:
        self.to = port
        """Where new connections lead."""
        self.silent = port is None
        """Whether what comes is swallowed, in both directions."""
        self.late_s = 0.0
        """Pause before a reply."""
        self.drip_s = 0.0
        """Pause after each byte of a reply."""
        self.lose: Callable[[], object] | None = None
        """What happens once instead of the reply to the next write that must not run twice; then it is cut."""
        self.accepted = 0
        self.sent = bytearray()
        """What the clients sent."""
        self._written: set[int] = set()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                self._open.add(client)
                server = None
                if self.to is not None:
                    server = socket.create_connection(("127.0.0.1", self.to))
                    self._open.add(server)
                    threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket | None, reply: bool) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                self.sent += b"" if reply else data
                if reply and id(target) in self._written and b"NOSCRIPT" not in data:
                    lose, self.lose = self.lose, None
                    if lose is not None:
                        lose()
                        break
                elif b"}:trip:" in data and self.lose is not None:
                    self._written.add(id(source))
                while self.silent and target is not None:
                    time.sleep(0.01)
                if target is None:
                    continue
                size = 1 if reply and self.drip_s else PIECE
                time.sleep(self.late_s if reply else 0)
                for start in range(0, len(data), size):
                    target.sendall(data[start : start + size])
                    time.sleep(self.drip_s)
        for end in (source, target):
            if end is not None:
                self._close(end)

    def _close(self, end: socket.socket) -> None:
        self._open.discard(end)
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()

    def cut(self) -> None:
        """Closes all connections; new ones are accepted."""
        for end in list(self._open):
            self._close(end)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.silent = False
        self.cut()
