"""The outboxes of a client: what waits in them is counted in its health and stored when it is closed.

An outbox knows conversations, a client does not; so this is all that a client asks of one.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis.client.timeout import awithin

_log = logging.getLogger(__name__)


class RemembersConversations(Protocol):
    """Remembers conversations in this process."""

    def forget(self, key: str) -> None:
        """Forgets a conversation, by the key of its messages."""


class WaitingMessages(Protocol):
    """Messages that wait to be stored: see `Outbox`."""

    close_s: float

    def __len__(self) -> int: ...

    def finish(self, seconds: float | None = None) -> int:
        """Stores what waits within `seconds`, by default `close_s`; returns how many messages still wait."""

    def finish_flow(self) -> Flow[int]:
        """Stores what waits, again and again; returns how many messages still wait."""

    def wake(self) -> None:
        """Lets the background try now."""

    def give_up(self) -> None:
        """Drops what still waits when the process ends, and says so."""

    def reset(self) -> None:
        """Leaves what waits to the parent process."""

    @property
    def seen(self) -> RemembersConversations:
        """What it can show of conversations without the server."""


W = TypeVar("W", bound=WaitingMessages)

everywhere: WeakSet[Any] = WeakSet()
"""All outboxes of this process."""


@atexit.register
def finish_all() -> None:
    """Stores what waits anywhere when the process ends, within the longest of the bounds."""
    waiting = [outbox for outbox in list(everywhere) if len(outbox)]
    for outbox in waiting:
        outbox.wake()
    end = monotonic() + max((outbox.close_s for outbox in waiting), default=0.0)
    for outbox in waiting:
        outbox.finish(max(0.0, end - monotonic()))
    for outbox in list(everywhere):
        outbox.give_up()


def _forget() -> None:
    for outbox in list(everywhere):
        outbox.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class Outboxes:
    """The outboxes that use a client. Its own lives as long as it does; others are not kept alive."""

    def __init__(self) -> None:
        self._known: WeakSet[Any] = WeakSet()
        self._own: Any = None
        self._remembering: WeakSet[RemembersConversations] = WeakSet()
        self._lock = new_lock()

    def add(self, outbox: WaitingMessages) -> None:
        """Registers an outbox."""
        with self._lock:
            self._known.add(outbox)

    def remember(self, conversations: RemembersConversations) -> None:
        """Registers what remembers conversations besides the outboxes."""
        with self._lock:
            self._remembering.add(conversations)

    def own(self, make: Callable[[], W]) -> W:
        """Returns the client's own outbox."""
        with self._lock:
            if self._own is None:
                self._own = make()
                self._known.add(self._own)
            own: W = self._own
            return own

    def all(self) -> Collection[Any]:
        """Lists the outboxes."""
        with self._lock:
            return list(self._known)

    def forget(self, keys: Iterable[str]) -> None:
        """Forgets what this process remembers of conversations, by the keys of their messages."""
        with self._lock:
            remembering = [*(outbox.seen for outbox in self._known), *self._remembering]
        for one in remembering:
            for key in keys:
                one.forget(key)

    def waiting(self) -> int:
        """Counts the messages that wait in all outboxes."""
        return sum(map(len, self.all()))

    def finish(self, *only: WaitingMessages) -> None:
        """Stores what waits, in these outboxes or in all, within each one's bound; what still waits then is logged."""
        for outbox in only or self.all():
            if len(outbox) and (left := outbox.finish()):
                _log.warning(_LEFT, left)

    async def finish_in_loop(
        self, adrive: Callable[[Flow[int]], Coroutine[Any, Any, int]], *only: WaitingMessages
    ) -> None:
        """Stores what waits by driving flows in the running event loop; see `finish`."""
        for outbox in only or self.all():
            if not len(outbox):
                continue
            with suppress(TimeoutError):
                await awithin(outbox.close_s, partial(_afinish, adrive, outbox))
            if left := len(outbox):
                _log.warning(_LEFT, left)


_LEFT = "%d messages still wait in this process, to be stored when the server is back"


async def _afinish(adrive: Callable[[Flow[int]], Coroutine[Any, Any, int]], outbox: WaitingMessages) -> int:
    return await adrive(outbox.finish_flow())
