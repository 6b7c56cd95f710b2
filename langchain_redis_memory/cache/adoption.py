"""Adoption of cached answers: one that is not here is taken over from another package's exact cache.

It is removed there, so that an answer which is deleted or reported here does not come back.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.outputs import Generation

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.adoption import AdoptFrom, AtOrigin
from langchain_redis_memory.redis.client.client import Client

_WHAT = "answers"


class AnswerAdoption(AtOrigin):
    """Takes over answers; raises `ConfigError` where they would not come from an exact cache."""

    def __init__(self, client: Client, adopt: AdoptFrom) -> None:
        super().__init__(adopt.client(client))
        self._answers = adopt.answers()

    def take_flow(self, prompt: str, llm_string: str) -> Flow[tuple[Sequence[Generation], int] | None]:
        """Finds an answer; None where there is none, or where the server does not give it."""
        return (yield from self.found_flow(_WHAT, self._answers.find_flow, prompt, llm_string))

    def taken_flow(self, prompt: str, llm_string: str) -> Flow[None]:
        """Removes an answer that was taken over."""
        yield from self.forget_flow(_WHAT, [self._answers.key(prompt, llm_string)])
