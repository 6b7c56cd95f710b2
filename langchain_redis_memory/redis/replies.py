"""Replies whose form depends on the protocol or the client: a map in RESP3 is a flat list in RESP2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def pairs(reply: Any) -> list[tuple[Any, Any]]:
    """Returns the pairs of a map, in the server's order, whichever protocol is spoken; none for no reply."""
    flat = reply or []
    return list(flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True))


def info_fields(reply: Any) -> list[tuple[str, str]]:
    """Parses the fields of a reply to INFO."""
    if isinstance(reply, Mapping):  # a client of redis-py has parsed it
        return [(str(name), str(value)) for name, value in reply.items()]
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply if isinstance(reply, str) else ""
    return [(name, value) for name, colon, value in (line.partition(":") for line in text.splitlines()) if colon]
