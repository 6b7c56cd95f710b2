"""The exact caches of langchain-redis and langchain-community: answers under digests of what was asked.

What was asked is not stored, so an answer can only be found when it is asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5

from langchain_core.outputs import Generation

from langchain_redis_memory.ops import Arg, Flow
from langchain_redis_memory.peers.answers import generations_of
from langchain_redis_memory.peers.stored_keys import (
    StoredKey,
    hash_get,
    json_get,
    parse_json,
    read_keys_flow,
    text_of,
    texts,
)


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _of_json(found: StoredKey) -> tuple[Generation, ...]:
    return generations_of(parse_json(found.value))


def _of_hash(found: StoredKey) -> tuple[Generation, ...]:
    fields = sorted(texts(found.value).items(), key=lambda field: int(field[0]))
    return generations_of([text_of(value) for _, value in fields])


@dataclass(frozen=True)
class ExactAnswers:
    """Finds the answers of one exact cache.

    Args:
        prefix: What its keys begin with.
        spell: Spells a key's end from the prompt and the string that describes the model.
        command: Reads an answer.
        build: Builds the generations.
    """

    prefix: str
    spell: Callable[[str, str], str]
    command: Callable[[bytes], tuple[Arg, ...]]
    build: Callable[[StoredKey], tuple[Generation, ...]]

    def key(self, prompt: str, llm_string: str) -> bytes:
        """Spells the key of an answer."""
        return (self.prefix + self.spell(prompt, llm_string)).encode()

    def find_flow(self, prompt: str, llm_string: str) -> Flow[tuple[tuple[Generation, ...], int] | None]:
        """Reads an answer.

        Returns the generations and what is left of their lifetime in milliseconds, 0 for no expiry; None where there is
        none that can be read.
        """
        for stored in (yield from read_keys_flow([self.key(prompt, llm_string)], self.command)):
            try:
                return None if stored.fault else (self.build(stored), stored.ttl_ms)
            except (ValueError, TypeError, LookupError, AttributeError):
                return None
        return None


EXACT_ANSWERS: dict[str, Callable[[str | None], ExactAnswers]] = {
    "langchain-redis": lambda prefix: ExactAnswers(
        f"{prefix or 'redis'}:", lambda prompt, model: f"{_md5(prompt)}:{_md5(model)}", json_get, _of_json
    ),
    "langchain-community": lambda prefix: ExactAnswers(
        prefix or "", lambda prompt, model: _md5(prompt + model), hash_get, _of_hash
    ),
}
"""Package -> its exact cache, from the prefix of its keys."""
