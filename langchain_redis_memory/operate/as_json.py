"""Converts what is stored to plain JSON data, for an export that a person can read."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, message_to_dict
from pydantic import BaseModel


def plain(value: Any) -> Any:
    """Converts anything that this package stores to what `json.dumps` takes.

    Messages, documents and named tuples become dicts, bytes base64 text, times ISO 8601 text, sets lists; of what else
    there is the `repr`.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, BaseMessage):
        return plain(message_to_dict(value))
    if isinstance(value, Document | BaseModel):
        return plain(value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, tuple) and hasattr(value, "_asdict"):  # a NamedTuple
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return repr(value)
