"""Caches by their names, as statistics and logs spell them: without the objects that fill them.

So a page or a command can switch off, list and clear what an application caches, and knows nothing of the application.
"""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from langchain_redis_memory.cache import decision_log
from langchain_redis_memory.cache.answers.answer_cache import AnswerCache
from langchain_redis_memory.cache.answers.desk import AnswerDesk
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache
from langchain_redis_memory.cache.decision_log import DEFAULT_LOG
from langchain_redis_memory.cache.exact import RedisCache
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.cache.switchable import Switchable
from langchain_redis_memory.cache.value.cache import RedisValueCache
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.language.equivalence import ThresholdPolicy
from langchain_redis_memory.ops import Flow, ask
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.key_parts import parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan


class NoEmbeddings(Embeddings):
    """Embeds nothing: entries are listed, reported and removed without a look-up by meaning."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Refuses."""
        raise ConfigError("a cache that is known by its name alone embeds nothing")

    def embed_query(self, text: str) -> list[float]:
        """Refuses."""
        return self.embed_documents([text])[0]


def desk_of(client: Client, name: str, tenant: str = "") -> AnswerDesk:
    """Makes the desk of a tenant's cache by its name in the log: "exact", or "semantic/" and the name it was given.

    Raises `InvalidInputError`: there can be no such cache.
    """
    use, _, named = name.partition("/")
    if name == "exact":
        cache: AnswerCache = ExactAnswerCache()
    elif use == "semantic" and named:
        cache = SemanticAnswerCache(
            client, NoEmbeddings(), name=named, search=SearchOptions(policy=ThresholdPolicy(1.0))
        )
    else:
        raise InvalidInputError(f"there is no cache of answers {name!r}: it is exact, or semantic/NAME")
    return AnswerDesk(client, cache, tenant=tenant)


def switchable(client: Client, namespace: str, tenant: str = "") -> Switchable:
    """Finds what switches a cache off and on: the cache, or its desk.

    The namespace is its use and its name: "answers/exact", "exact/NAME", "semantic/NAME" or "values/NAME". Raises
    `InvalidInputError`: it is not a namespace of a cache with a switch.
    """
    use, _, name = namespace.partition("/")
    if use == "values" and name:
        return RedisValueCache(client, name, tenant=tenant)
    if use == "exact" and name:
        return RedisCache(client, name=name, tenant=tenant)
    if namespace == "answers/exact" or (use == "semantic" and name):
        return desk_of(client, name if use == "answers" else namespace, tenant)
    msg = f"caches are switched as answers/exact, exact/NAME, semantic/NAME or values/NAME; got {namespace!r}"
    raise InvalidInputError(msg)


def answer_caches_flow(space: KeySpace) -> Flow[list[str]]:
    """Finds the caches of answers that a tenant has, by its statistics and its log of turns.

    **Keys:** `tally` of each cache, `decisions`.
    **Trips:** 2, and 1 for each 1,000 keys of the server.
    """
    lines = yield from ask(decision_log.read(space.decisions(), DEFAULT_LOG.most))
    names, scan = {one.cache for one in lines}, KeyScan(space, f"{space.tenant_prefix()}*}}:tally")
    while not scan.ended:
        parts = [parse_key(name, space.prefix) for name in (yield from scan.page_flow())]
        names |= {one.name if one.agent == "answers" else f"{one.agent}/{one.name}" for one in parts if one is not None}
    return sorted(name for name in names if name == "exact" or name.startswith("semantic/"))
