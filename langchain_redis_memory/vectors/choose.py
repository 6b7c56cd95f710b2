"""Chooses the vector engine for a server: vector sets, else the Query Engine, else an exact scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from langchain_redis_memory.checks import check_whole, check_word
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import require_numpy
from langchain_redis_memory.vectors.engine import Engine, EngineName, Quantization
from langchain_redis_memory.vectors.exact_scan import ExactScan
from langchain_redis_memory.vectors.query_engine import QueryEngine
from langchain_redis_memory.vectors.vector_sets import VectorSets

if TYPE_CHECKING:
    from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.capabilities import Server


def check(dims: Any, name: Any = None, quantization: Any = "none") -> None:
    """Checks the options of an engine; raises `ConfigError` where one of them cannot work."""
    check_whole(dims, "dims", 1, 32_768, ConfigError)
    check_engine(name, quantization)
    require_numpy()


def check_engine(name: Any, quantization: Any) -> None:
    """Checks an engine's name, which may be None, and a quantization; raises `ConfigError`: there is none such."""
    if name is not None:
        check_word(name, "engine", get_args(EngineName), ConfigError)
    check_word(quantization, "quantization", get_args(Quantization), ConfigError)


def check_vectors(space: KeySpace, what: str) -> None:
    """Refuses to keep vectors where the client's cipher does not allow that the server reads them.

    Raises `ConfigError`: it is not allowed.
    """
    if not space.may_read("vectors"):
        msg = f"{what} keeps vectors that the server reads, and they tell much of the text: allow it by "
        raise ConfigError(msg + "Cipher(keys, readable=['vectors'])")


def engine(server: Server, dims: int, name: EngineName | None = None, quantization: Quantization = "none") -> Engine:
    """Chooses the engine for a server: the one with that name, else the best that the server has.

    Raises `ConfigError`: the server cannot do what is asked for, or an option cannot work.
    """
    check(dims, name, quantization)
    chosen = name if name is not None else server.engines[0]
    if chosen not in server.engines:
        raise ConfigError(f"this server has no {chosen.replace('_', ' ')}; leave the engine out, or take 'exact'")
    if chosen == "vector_sets":
        return VectorSets(dims, quantization)
    return QueryEngine(dims, quantization) if chosen == "query_engine" else ExactScan(dims, quantization)
