"""Adoption of vectors: those that are not here are taken over from LangChain's cache when their texts are embedded.

They are removed there, so that what is cleared here does not come back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from langchain_redis_memory.errors import ConfigError, RedisMemoryError
from langchain_redis_memory.ops import Flow, Invoke, Op
from langchain_redis_memory.peers.adopting import AdoptFrom
from langchain_redis_memory.redis.client.client import Client

_log = logging.getLogger(__name__)


class VectorAdoption:
    """Takes over vectors of documents.

    Args:
        client: The client of the cache that adopts.
        adopt: Where from.

    Raises:
        ConfigError: It is no such cache.
    """

    def __init__(self, client: Client, adopt: AdoptFrom) -> None:
        self._origin, self._vectors = adopt.client(client), adopt.vectors()

    def find_flow(self, texts: Sequence[str]) -> Flow[dict[str, tuple[tuple[float, ...], int]]]:
        """Finds the vectors of texts, with their lifetimes; none where the server does not give them."""
        origin, flow = self._origin, self._vectors.find_flow
        try:
            found: dict[str, tuple[tuple[float, ...], int]] = yield Invoke(
                lambda: origin.drive(flow(texts)), lambda: origin.adrive(flow(texts))
            )
        except ConfigError:
            raise
        except RedisMemoryError as error:
            _log.warning("vectors cannot be adopted and count as absent: %s", error)
            return {}
        return found

    def forget_flow(self, texts: Iterable[str]) -> Flow[None]:
        """Removes vectors that were taken over."""
        commands = tuple(("UNLINK", key) for text in texts for key in self._vectors.keys(text))
        origin, op = self._origin, Op(commands, lambda _replies: None)
        try:
            yield Invoke(lambda: origin.run(op), lambda: origin.arun(op))
        except RedisMemoryError as error:
            _log.warning("vectors that were adopted are still at their source: %s", error)
