"""Replies whose form depends on the protocol: a map in RESP3 is a flat list in RESP2."""

from __future__ import annotations

from typing import Any


def pairs(reply: Any) -> list[tuple[Any, Any]]:
    """Returns the pairs of a map, in the server's order, whichever protocol is spoken; none for no reply."""
    flat = reply or []
    return list(flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True))
