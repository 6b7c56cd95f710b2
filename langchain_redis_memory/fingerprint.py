"""What a chain is, as text: two chains share cached answers only if they are described alike.

LangChain's own serialisation describes models, prompts and their sequences, with secrets left out. What it cannot
describe (a function, a local object) makes the whole chain undescribable, and its answers are then not shared.
"""

from __future__ import annotations

from typing import Any

from langchain_core.load import dumpd

from langchain_redis_memory.codec import digest


def fingerprint(part: Any) -> str | None:
    """A digest of a runnable's own description.

    Args:
        part: A model, a chain, a prompt.

    Returns:
        Hexadecimal digits, equal in every process; None where something in it cannot be described.
    """
    described = dumpd(part)
    if not _whole(described):
        return None
    return digest({"described": _plain(described)})


def _whole(value: Any) -> bool:
    if isinstance(value, dict):
        if value.get("lc") == 1 and value.get("type") == "not_implemented":
            return False
        return all(_whole(item) for name, item in value.items() if name not in {"name", "graph"})
    if isinstance(value, list):
        return all(map(_whole, value))
    return True


def _plain(value: Any) -> Any:
    """Without what differs from one construction to the next and changes no answer."""
    if isinstance(value, dict):
        return {str(name): _plain(value[name]) for name in sorted(value, key=str) if name not in {"name", "graph"}}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
