"""Encodes values as bytes, and decodes them: MessagePack with a closed table of extra types.

Values: what MessagePack knows (None, bool, int, float, str, bytes, list, dict) plus tuple, set, frozenset, large int,
complex, Decimal, UUID, datetime, date, time, timedelta, lone surrogates, numpy arrays and scalars, `Document` and
messages (see `records`); the keys of a dict may be of any of these that can be hashed. A subclass of one of these (an
`OrderedDict`, a `str` enum) is stored as the type that it extends, a bytearray as bytes; a value of any other type is
refused by name when it is written. On reading, nothing outside the table is ever imported or built, and a dict that
looks like a serialised object stays a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from typing import Any
from uuid import UUID

import ormsgpack
from langchain_core.messages import BaseMessage

from langchain_redis_memory.errors import CorruptDataError, UnserialisableError
from langchain_redis_memory.extras import loaded
from langchain_redis_memory.redis.codec.elements import SMALL_BYTES, check_elements
from langchain_redis_memory.redis.codec.nesting import check_nesting

_PACK = (
    ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_PASSTHROUGH_BIG_INT
)

_NESTED = 0
_SCALARS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tuple": (tuple, list, tuple),
    "set": (set, list, set),  # in the order of the packed elements: see `_pack_set`
    "frozenset": (frozenset, list, frozenset),
    "dict": (dict, lambda v: [[key, item] for key, item in v.items()], dict),
    "int": (int, lambda v: int.__format__(v, "x"), lambda v: int(v, 16)),
    "complex": (complex, lambda v: [v.real, v.imag], lambda v: complex(*v)),
    "Decimal": (Decimal, Decimal.__str__, Decimal),
    "UUID": (UUID, lambda v: v.bytes, lambda v: UUID(bytes=v)),
    "datetime": (datetime, lambda v: _moment(v), lambda v: _unmoment(v)),  # noqa: PLW0108 - defined below
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, lambda v: _clock(v), lambda v: _unclock(v)),  # noqa: PLW0108 - defined below
    "timedelta": (
        timedelta,
        lambda v: [v.days, v.seconds, v.microseconds],
        lambda v: timedelta(days=v[0], seconds=v[1], microseconds=v[2]),
    ),
    "str": (str, lambda v: v.encode("utf-8", "surrogatepass"), lambda v: v.decode("utf-8", "surrogatepass")),
}
_BY_TYPE = {kind: (name, out) for name, (kind, out, _) in _SCALARS.items()}


def register(name: str, kind: type, out: Callable[[Any], Any], back: Callable[[Any], Any]) -> None:
    """Teaches the codec one more type and its subclasses: `out` makes what can be packed, `back` the value again."""
    _SCALARS[name] = (kind, out, back)
    _BY_TYPE[kind] = (name, out)


def is_document(value: Any) -> bool:
    """Checks whether a value is a document of LangChain, whose module nobody loads for that: it takes milliseconds."""
    return isinstance(value, loaded("langchain_core.documents.base", "Document"))


def _register_documents() -> None:
    """Teaches the codec documents, once the first is there to be written or read."""
    if "Document" in _SCALARS:
        return
    from langchain_core.documents import Document

    register(
        "Document",
        Document,
        lambda v: [v.id, v.page_content, v.metadata, v.__pydantic_extra__],
        lambda v: Document(id=v[0], page_content=v[1], metadata=v[2], **(v[3] or {})),
    )


def _zone(zone: tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [offset // timedelta(microseconds=1), *name]
    from zoneinfo import ZoneInfo

    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    raise TypeError(f"a time with a tzinfo of type {type(zone).__name__} (use zoneinfo or datetime.timezone)")


def _unzone(zone: Any) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(zone)
    return timezone(timedelta(microseconds=zone[0]), *zone[1:])


def _moment(value: datetime) -> list[Any]:
    return [datetime.isoformat(value.replace(tzinfo=None)), value.fold, _zone(value.tzinfo)]


def _unmoment(parts: list[Any]) -> datetime:
    return datetime.fromisoformat(parts[0]).replace(fold=parts[1], tzinfo=_unzone(parts[2]))


def _clock(value: time) -> list[Any]:
    return [time.isoformat(value.replace(tzinfo=None)), value.fold, _zone(value.tzinfo)]


def _unclock(parts: list[Any]) -> time:
    return time.fromisoformat(parts[0]).replace(fold=parts[1], tzinfo=_unzone(parts[2]))


def _extend(value: Any) -> Any:
    exact = type(value)
    if exact in _BY_TYPE and exact is not set and exact is not frozenset:
        name, out = _BY_TYPE[exact]
        return ormsgpack.Ext(_NESTED, _pack([name, out(value)]))
    numpy = _numpy_parts(value)
    if numpy is not None:
        return ormsgpack.Ext(_NESTED, _pack(["ndarray", numpy]))
    for kind in exact.__mro__[:-1]:
        if kind in _BY_TYPE or kind is float or kind is bytes:
            if isinstance(value, Enum):
                return value.value
            if kind not in _BY_TYPE:
                return kind(value)
            name, out = _BY_TYPE[kind]
            if isinstance(value, set | frozenset):
                return ormsgpack.Ext(_NESTED, _pack_set(name, value))
            return ormsgpack.Ext(_NESTED, _pack([name, out(value)]))
    if is_document(value):  # the first one, or another thread writes the first one now
        _register_documents()
        return ormsgpack.Ext(_NESTED, _pack(["Document", _SCALARS["Document"][1](value)]))
    raise TypeError(f"a value of type {type(value).__module__}.{type(value).__qualname__}")


def _pack_set(name: str, value: Set[Any]) -> bytes:
    """Packs `[name, elements]`, each element once: to sort them first would take twice as long at each level."""
    head = ormsgpack.packb([name, [None] * len(value)])
    return b"".join((head[: len(head) - len(value)], *sorted(map(_pack, value))))


def _numpy_parts(value: Any) -> list[Any] | None:
    if type(value).__module__ != "numpy":
        return None
    import numpy as np

    if not isinstance(value, np.ndarray | np.generic) or value.dtype.hasobject:
        return None
    array = np.asarray(value)
    if np.dtype(array.dtype.str) == array.dtype:  # else the name does not tell all, as with named fields
        return [array.dtype.str, list(array.shape), array.tobytes(), isinstance(value, np.generic)]
    return None


def _unnumpy(parts: list[Any]) -> Any:
    import numpy as np

    dtype, shape, data, scalar = parts
    array = np.frombuffer(data, dtype=np.dtype(dtype)).reshape(shape).copy()
    return array[()] if scalar else array


def _revive(tag: int, data: bytes) -> Any:
    check_nesting(data)
    return _revive_checked(tag, data)


def _revive_checked(tag: int, data: bytes) -> Any:
    if tag != _NESTED:
        raise ValueError(f"MessagePack extension {tag}")
    name, body = ormsgpack.unpackb(data, ext_hook=_revive_checked)
    if name == "ndarray":
        return _unnumpy(body)
    if name == "Document":
        _register_documents()
    return _SCALARS[name][2](body)


def _pack(value: Any) -> bytes:
    try:
        return ormsgpack.packb(value, default=_extend, option=_PACK)
    except ormsgpack.MsgpackEncodeError as error:
        if not any(sign in str(error) for sign in ("surrogates", "Dict key")):
            raise
    return ormsgpack.packb(_respell(value), default=_extend, option=_PACK)


def _respell(value: Any) -> Any:
    """Replaces what MessagePack cannot hold by extensions: lone surrogates, keys that are not text."""
    if isinstance(value, str):
        if _has_utf8(value):
            return value
        return ormsgpack.Ext(_NESTED, _pack(["str", _SCALARS["str"][1](value)]))
    if isinstance(value, list):
        return [_respell(item) for item in value]
    if isinstance(value, dict):
        if all(type(key) is str and _has_utf8(key) for key in value):
            return {key: _respell(item) for key, item in value.items()}
        return ormsgpack.Ext(_NESTED, _pack(["dict", _SCALARS["dict"][1](value)]))
    return value


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fault(value: Any) -> str | None:
    """Finds the part of a value that cannot be stored; ormsgpack's own error names only the outermost container."""
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = (*value.keys(), *value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    elif is_document(value):
        inner = (value.metadata,)
    elif isinstance(value, BaseMessage):
        inner = (*value.__dict__.values(), value.__pydantic_extra__)
    for item in inner:
        found = _fault(item)
        if found:
            return found
    try:
        ormsgpack.packb(_respell(value), option=_PACK)
    except TypeError:
        try:
            _extend(value)
        except (TypeError, ValueError) as error:
            return str(error)
    return None


_PLAIN = {type(None), bool, int, float, str, bytes}


def unpack_raw(data: bytes) -> Any:
    """Decodes a value from bytes, for a reader that words its errors itself.

    Raises `Exception`: of many kinds, where the bytes are not what `pack` makes.
    """
    if len(data) > SMALL_BYTES:
        check_elements(data)
    value = ormsgpack.unpackb(data, ext_hook=_revive)
    if type(value) in _PLAIN and len(_pack(value)) != len(data):  # it passes over what follows a value
        raise ValueError("something follows the value")
    return value


def pack(value: Any, what: str = "value") -> bytes:
    """Encodes a value of the types that the module's docstring lists; `what` names it in the error.

    Raises `UnserialisableError`: it holds a value of another type, is nested too deeply, or has too many elements.
    """
    try:
        data = _pack(value)
    except (TypeError, ValueError, RecursionError) as error:
        try:
            reason = _fault(value) or str(error)
        except RecursionError:
            reason = "it is nested too deeply or holds itself"
        msg = f"{what} cannot be stored: {reason}. Store plain data (dict, list, str, numbers, bytes) instead"
        raise UnserialisableError(msg) from None
    try:
        if len(data) > SMALL_BYTES:
            check_elements(data)
    except CorruptDataError as error:
        raise UnserialisableError(f"{what} cannot be stored, as it could not be read: {error}") from None
    return data


def unpack(data: bytes, where: str) -> Any:
    """Decodes what `pack` made and was read from the key `where`; raises `CorruptDataError` for anything else."""
    try:
        return unpack_raw(data)
    except CorruptDataError as error:
        raise CorruptDataError(f"the value under {where!r} is not read: {error}") from None
    except Exception as error:
        msg = f"the value under {where!r} was not written by this package or is damaged ({type(error).__name__})"
        raise CorruptDataError(msg) from error


def digest(parts: Mapping[str, Any]) -> str:
    """Hashes named values, in whatever order, to a name without collisions.

    Returns 40 hexadecimal digits (BLAKE2b, 160 bits) of an unambiguous encoding.
    """
    return blake2b(pack(sorted(parts.items()), "the key's parts"), digest_size=20).hexdigest()
