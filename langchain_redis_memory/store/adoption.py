"""Adoption of items: those of another store are moved here before this store is first used.

A store is searched, so it has to hold everything: all items are moved, page by page, by one process at a time. They are
removed at the source, which so tells by itself what is left, and what is deleted here does not come back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from langgraph.store.base import GetOp, PutOp, Result
from langgraph.store.base import Op as StoreOp

from langchain_redis_memory.errors import InvalidInputError, UnavailableError
from langchain_redis_memory.ops import Flow, Op, Sleep, ask
from langchain_redis_memory.peers.adoption import AdoptFrom, AtOrigin
from langchain_redis_memory.peers.keys import units_flow
from langchain_redis_memory.peers.records import SavedItem, Unreadable
from langchain_redis_memory.peers.stored_keys import read_keys_flow, records_of
from langchain_redis_memory.redis import lease
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.keys import KeySpace

_log = logging.getLogger(__name__)

PAGE = 100
LEASE_MS = 60_000
WAIT_S = 60.0
"""How long moving a page may take, and how long others wait for all of them."""
_PAUSE_S = 0.1
_MINUTE_MS = 60_000

Run = Callable[[Sequence[StoreOp]], Flow[list[Result]]]


class ItemAdoption(AtOrigin):
    """Moves the items of another store; `default_ttl` is of those that have no lifetime there, in minutes.

    Raises `ConfigError`: no store has that name.
    """

    def __init__(self, client: Client, space: KeySpace, adopt: AdoptFrom, default_ttl: float | None) -> None:
        super().__init__(adopt.client(client))
        self._source = adopt.items()
        self._key, self._default_ttl = space.lease("adopt", "store"), default_ttl
        self._done = False

    def once_flow(self, run: Run) -> Flow[None]:
        """Moves what there is, at the first use by this object.

        Raises `UnavailableError`: a server cannot be reached, or another process is at it for long.
        """
        if self._done:
            return
        token, waited = lease.new_token(), 0.0
        while not (yield from ask(lease.acquire(self._key, token, LEASE_MS))):
            if waited >= WAIT_S:
                msg = "another process is still moving the items that this store adopts: try again, or migrate them"
                raise UnavailableError(msg)
            yield Sleep(_PAUSE_S)
            waited += _PAUSE_S
        try:
            yield from self._move_flow(run, token)
        except Exception:
            yield from ask(lease.release(self._key, token).optional(False))
            raise
        yield from ask(lease.release(self._key, token).optional(False))
        self._done = True

    def _move_flow(self, run: Run, token: str) -> Flow[None]:
        keys = sorted((yield self.at_origin(units_flow, self._origin.keys(), self._source)))
        for start in range(0, len(keys), PAGE):
            if not (yield from ask(lease.renew(self._key, token, LEASE_MS))):
                msg = "moving the items that this store adopts took too long: try again, or migrate them"
                raise UnavailableError(msg)
            items = yield self.at_origin(self._read_flow, keys[start : start + PAGE])
            yield from self._page_flow(run, items)

    def _read_flow(self, keys: Sequence[bytes]) -> Flow[list[tuple[bytes, SavedItem]]]:
        items: list[tuple[bytes, SavedItem]] = []
        for one in (yield from read_keys_flow(keys, self._source.command)):
            for record in records_of([one], self._source.record):
                if isinstance(record, SavedItem):
                    items.append((one.key, record))
                elif isinstance(record, Unreadable):
                    _log.warning("an item cannot be adopted and stays where it is: %s: %s", record.key, record.why)
        return items

    def _page_flow(self, run: Run, items: list[tuple[bytes, SavedItem]]) -> Flow[None]:
        """Stores items, of two with one name the one that was written last, and removes them at the source."""
        try:
            here = yield from run([GetOp(one.namespace, one.key, refresh_ttl=False) for _, one in items])
            puts = [
                self._put(one)
                for (_, one), item in zip(items, here, strict=True)
                if item is None or item.updated_at.timestamp() < one.updated  # type: ignore[union-attr]
            ]
            if puts:
                yield from run(puts)
        except InvalidInputError as error:
            if len(items) > 1:
                for one in items:
                    yield from self._page_flow(run, [one])
            else:
                key = items[0][0].decode("utf-8", "backslashreplace")
                _log.warning("an item cannot be adopted and stays where it is: %s: %s", key, error)
            return
        keys = [key for name, _ in items for key in (name, self._source.vectors(name))]
        if keys:
            op = Op(tuple(("UNLINK", key) for key in keys), lambda _replies: None)
            yield self.at_origin(ask, op)

    def _put(self, one: SavedItem) -> PutOp:
        return PutOp(one.namespace, one.key, dict(one.value), ttl=one.ttl_ms / _MINUTE_MS or self._default_ttl)
