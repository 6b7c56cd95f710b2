"""Reads the name of a key back: whose it is and of which kind; the opposite of `keys`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import unquote

from langchain_redis_memory.redis.keys import KINDS

_KEY = re.compile(r"(?P<prefix>[A-Za-z0-9._:-]+):\{([^/{}]*)/([^/{}]*)/([^/{}]*)\}:([a-z_]+)(?::(.*))?", re.DOTALL)

PERMANENT: Collection[str] = frozenset(kind for kind, life in KINDS.items() if life.startswith("permanent"))
"""Kinds of key that never expire by themselves."""

STATE: Collection[str] = frozenset(
    "messages ids meta state data data_expiries agent_state profile user_data sessions expiries checkpoints order "
    "blobs writes threads thread_expiries items item_names item_expiries roots root_spans bytes byte_names "
    "byte_expiries record_times record_groups group_records wrapped_key".split()
)
"""Kinds whose loss is a loss; what is in none of them can be computed again."""


class KeyParts(NamedTuple):
    """What the name of a key says.

    Args:
        tenant: Whose it is, "" for the default tenant.
        agent: The agent, or what a cache is for; "" where it plays no part.
        name: What is named: a session, a thread, a user, a namespace ...; of a very long one its digest.
        kind: One of `KINDS`.
        more: What follows the kind, "" for nothing.
    """

    tenant: str
    agent: str
    name: str
    kind: str
    more: str = ""


def parse_key(key: str, prefix: str) -> KeyParts | None:
    """Parses the name of a key. Returns its parts; None where it is not a key of this package under that prefix."""
    match = _KEY.fullmatch(key)
    if match is None or match["prefix"] != prefix or match[5] not in KINDS:
        return None
    return KeyParts(unquote(match[2]), unquote(match[3]), unquote(match[4]), match[5], match[6] or "")
