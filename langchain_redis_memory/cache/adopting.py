"""Adoption of cached answers: one that is not here is taken over from another package's exact cache.

It is removed there, so that an answer which is deleted or reported here does not come back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from langchain_core.outputs import Generation

from langchain_redis_memory.errors import ConfigError, RedisMemoryError
from langchain_redis_memory.ops import Flow, Invoke, Op
from langchain_redis_memory.peers.adopting import AdoptFrom
from langchain_redis_memory.redis.client.client import Client

_log = logging.getLogger(__name__)


class AnswerAdoption:
    """Takes over answers.

    Args:
        client: The client of the cache that adopts.
        adopt: Where from.

    Raises:
        ConfigError: It is no exact cache.
    """

    def __init__(self, client: Client, adopt: AdoptFrom) -> None:
        self._origin, self._answers = adopt.client(client), adopt.answers()

    def find_flow(self, prompt: str, llm_string: str) -> Flow[tuple[Sequence[Generation], int] | None]:
        """Finds an answer; None where there is none, or where the server does not give it."""
        origin, flow = self._origin, self._answers.find_flow
        try:
            found: tuple[Sequence[Generation], int] | None = yield Invoke(
                lambda: origin.drive(flow(prompt, llm_string)), lambda: origin.adrive(flow(prompt, llm_string))
            )
        except ConfigError:
            raise
        except RedisMemoryError as error:
            _log.warning("an answer cannot be adopted and counts as absent: %s", error)
            return None
        return found

    def forget_flow(self, prompt: str, llm_string: str) -> Flow[None]:
        """Removes an answer that was taken over."""
        command = ("UNLINK", self._answers.key(prompt, llm_string))
        origin, op = self._origin, Op((command,), lambda _replies: None)
        try:
            yield Invoke(lambda: origin.run(op), lambda: origin.arun(op))
        except RedisMemoryError as error:
            _log.warning("an answer that was adopted is still at its source: %s", error)
