"""Chooses what fits an embedding model: an engine for each number of dimensions, and the scale of its cosines."""

from __future__ import annotations

import logging
from dataclasses import replace

from langchain_core.embeddings import Embeddings

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.equivalence.cosine_scales import scale_of
from langchain_redis_memory.language.need.policy import NeedPolicy
from langchain_redis_memory.ops import Flow, Invoke
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.vectors.choose import check, engine
from langchain_redis_memory.vectors.engine import Engine, EngineName, Quantization
from langchain_redis_memory.vectors.query_engine import QueryEngine
from langchain_redis_memory.vectors.vector_sets import VectorSets

_log = logging.getLogger(__name__)


class Engines:
    """Chooses engines: the one of that name, or the best that the server has.

    Raises `ConfigError`: there is no such engine or quantization.
    """

    def __init__(self, client: Client, name: EngineName | None, quantization: Quantization) -> None:
        check(1, name, quantization)
        self._client = client
        self.one_server: bool = not client._topology.cluster
        """Whether a script can read vectors and entries."""
        self._wanted: tuple[EngineName | None, Quantization] = (name, quantization)
        self._made: dict[int, Engine] = {}

    def choose_flow(self, dims: int) -> Flow[Engine]:
        """Chooses the engine for vectors of a dimension; all tenants share it, and the bound on its local copies.

        Raises `ConfigError`: the server cannot do what is asked for. Raises `UnavailableError`: the server cannot be
        reached.
        """
        found = self._made.get(dims)
        if found is None:
            server = yield Invoke(self._client.server, self._client.aserver)
            found = engine(server, dims, *self._wanted)
            if isinstance(found, VectorSets):  # a cache needs the few nearest only
                found = replace(found, links=8, effort=80)
            elif isinstance(found, QueryEngine):
                found = replace(found, effort=100)
            self._made[dims] = found
        return found


def embedding_id_of(embeddings: Embeddings) -> str:
    """Finds the embedding model's own name, else that of its class."""
    for attribute in ("model_id", "model", "model_name", "deployment"):
        found = getattr(embeddings, attribute, None)
        if isinstance(found, str) and found:
            return found
    return f"{type(embeddings).__module__}.{type(embeddings).__qualname__}"


def policy_for(embeddings: Embeddings, max_error: float, embedding_id: str | None = None) -> NeedPolicy:
    """Builds the verifier for an embedding model, on the scale of its cosines where that is known by its name.

    Raises `ConfigError`: the share of wrong answers is out of range.
    """
    name = embedding_id or embedding_id_of(embeddings)
    try:
        scale_of(name)
    except ConfigError:
        _log.info("no scale is known for the cosines of %r: they are taken as those of MiniLM", name)
        return NeedPolicy(max_error)
    return NeedPolicy(max_error, model=name)
