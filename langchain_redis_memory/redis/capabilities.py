"""Capability probe: finds out what a server supports, from its own replies.

No version table and no MODULE LIST (managed services forbid it): each ability is tried with a read that cannot match
anything, and a server that answers "unknown command" does not have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.ops import Op, Reply

EngineName = Literal["vector_sets", "query_engine", "exact"]


@dataclass(frozen=True)
class Server:
    """The capabilities of a server.

    Args:
        flavour: "redis", "valkey", "fakeredis", or what the server calls itself; "" where it does not say.
        version: Its version as text, "" where it does not say.
        vector_sets: Whether VADD and VSIM work (Redis 8).
        query_engine: Whether FT.SEARCH works (RediSearch, or Redis 8 with the Query Engine).
    """

    flavour: str
    version: str
    vector_sets: bool
    query_engine: bool

    @property
    def engines(self) -> tuple[EngineName, ...]:
        """The ways to search vectors that work on it, the best first; "exact" always does."""
        if self.flavour == "fakeredis":  # it knows VSIM, but neither the filters nor the scores of a server
            return ("exact",)
        vector_sets: tuple[EngineName, ...] = ("vector_sets",) if self.vector_sets else ()
        query_engine: tuple[EngineName, ...] = ("query_engine",) if self.query_engine else ()
        return (*vector_sets, *query_engine, "exact")


def probe(key: str, *, by_key: bool = False) -> Op[Server]:
    """Asks a server what it can do; `key` does not exist and has the hash tag that vector sets would have.

    With `by_key` it asks only what can be routed by key, as on a cluster: flavour and version stay "".
    """
    hello = ("EXISTS", key) if by_key else ("HELLO",)
    commands = (hello, ("VCARD", key), ("FT.SEARCH", f"{key}:no-such-index", "*", "LIMIT", 0, 0))
    return Op(commands, _read, tolerant=True)


def _knows(reply: Reply) -> bool:
    """Returns whether the server knew the command: any reply but a refusal of the command itself."""
    if not isinstance(reply, ServerError) or refused_key(reply):
        return True
    words = str(reply).lower()
    return not any(refusal in words for refusal in ("unknown command", "noperm", "no permissions", "not allowed"))


def refused_key(error: ServerError) -> bool:
    """Returns whether a user may run a command, but not on that key, as it is with the user of another tenant."""
    words = str(error).lower()
    return "permissions to access" in words and "key" in words


def _read(replies: Sequence[Reply]) -> Server:
    hello, vcard, search = replies
    fields: dict[str, str] = {}
    if isinstance(hello, dict):
        fields = {_text(name): _text(value) for name, value in hello.items()}
    elif isinstance(hello, list):
        fields = {_text(name): _text(value) for name, value in zip(hello[::2], hello[1::2], strict=False)}
    return Server(fields.get("server", ""), fields.get("version", ""), _knows(vcard), _knows(search))


def _text(value: Reply) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
