"""Bytes <-> values: MessagePack with a closed table of extra types, and LangChain messages as compact records.

Values: what MessagePack knows (None, bool, int, float, str, bytes, list, dict) plus tuple, set, frozenset, large int,
complex, Decimal, UUID, datetime, date, time, timedelta, lone surrogates, numpy arrays and scalars, `Document` and
messages; the keys of a dict may be of any of these that can be hashed. A subclass of one of these (an `OrderedDict`, a
`str` enum) is stored as the type that it extends, a bytearray as bytes; a value of any other type is refused by name
when it is written. On reading, nothing outside the table is ever imported or built, and a dict that looks like a
serialised object stays a dict.

Messages: a record is `<type><tokens>[:<links>]|<payload>`. The head is text that a script can read: the type's letter
(upper case for a chunk), an approximate token count, and the digests of the tool calls that it makes or answers. The
payload is a MessagePack map of the fields that differ from their default, under one-letter names. A payload of 256
bytes or more is deflated with a preset dictionary (then `~` instead of `|`), which makes the metadata that every model
repeats nearly free. Reading restores pydantic's own pickled state (`__setstate__`), so no validator runs twice.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import ormsgpack
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)
from langchain_core.messages.utils import count_tokens_approximately
from pydantic_core import PydanticUndefined

from langchain_redis_memory.errors import CorruptDataError, NotAMessageError, UnserialisableError

TokenCounter = Callable[[Sequence[BaseMessage]], int]

_PACK = (
    ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_PASSTHROUGH_BIG_INT
)

# --- values -------------------------------------------------------------------------------------------------------

_NESTED = 0
_SCALARS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tuple": (tuple, list, tuple),
    "set": (set, lambda v: sorted(v, key=_pack), set),
    "frozenset": (frozenset, lambda v: sorted(v, key=_pack), frozenset),
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
    "Document": (
        Document,
        lambda v: [v.id, v.page_content, v.metadata, v.__pydantic_extra__],
        lambda v: Document(id=v[0], page_content=v[1], metadata=v[2], **(v[3] or {})),
    ),
    "message": (BaseMessage, lambda v: encode_message(v), lambda v: decode_message(v)),  # noqa: PLW0108 - defined below
}
_BY_TYPE = {kind: (name, out) for name, (kind, out, _) in _SCALARS.items()}


def _zone(zone: tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [offset // timedelta(microseconds=1), *name]
    from zoneinfo import ZoneInfo

    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    msg = f"a time with a tzinfo of type {type(zone).__name__} (use zoneinfo or datetime.timezone)"
    raise TypeError(msg)


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
    numpy = _numpy_parts(value)
    if numpy is not None:
        return ormsgpack.Ext(_NESTED, _pack(["ndarray", numpy]))
    for kind in type(value).__mro__[:-1]:
        if kind in _BY_TYPE or kind is float or kind is bytes:
            if isinstance(value, Enum):
                return value.value
            if kind not in _BY_TYPE:
                return kind(value)
            name, out = _BY_TYPE[kind]
            return ormsgpack.Ext(_NESTED, _pack([name, out(value)]))
    msg = f"a value of type {type(value).__module__}.{type(value).__qualname__}"
    raise TypeError(msg)


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
    if tag != _NESTED:
        msg = f"MessagePack extension {tag}"
        raise ValueError(msg)
    name, body = _unpack(data)
    if name == "ndarray":
        return _unnumpy(body)
    return _SCALARS[name][2](body)


def _pack(value: Any) -> bytes:
    try:
        return ormsgpack.packb(value, default=_extend, option=_PACK)
    except ormsgpack.MsgpackEncodeError as error:
        if not any(sign in str(error) for sign in ("surrogates", "Dict key")):
            raise
    return ormsgpack.packb(_respell(value), default=_extend, option=_PACK)


def _respell(value: Any) -> Any:
    """The value with what MessagePack cannot spell as extensions: lone surrogates, keys that are not text."""
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
    """What in a value cannot be stored; ormsgpack's own error names only the outermost container."""
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = (*value.keys(), *value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    elif isinstance(value, Document):
        inner = (value.metadata,)
    elif type(value) in _LETTERS:
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


def _unpack(data: bytes) -> Any:
    return ormsgpack.unpackb(data, ext_hook=_revive)


def pack(value: Any, what: str = "value") -> bytes:
    """A value as bytes.

    Args:
        value: Anything made of the types that the module's docstring lists.
        what: Its name, for the error.

    Returns:
        MessagePack.

    Raises:
        UnserialisableError: It holds a value of another type, or is nested too deeply.
    """
    try:
        return _pack(value)
    except (TypeError, ValueError, RecursionError) as error:
        try:
            reason = _fault(value) or str(error)
        except RecursionError:
            reason = "it is nested too deeply or holds itself"
        msg = f"{what} cannot be stored: {reason}. Store plain data (dict, list, str, numbers, bytes) instead"
        raise UnserialisableError(msg) from None


def unpack(data: bytes, where: str) -> Any:
    """A value from bytes.

    Args:
        data: What `pack` made.
        where: The key that it was read from, for the error.

    Returns:
        An equal value of the same types.

    Raises:
        CorruptDataError: The bytes are not what `pack` makes.
    """
    try:
        return _unpack(data)
    except Exception as error:
        msg = f"the value under {where!r} was not written by this package or is damaged ({type(error).__name__})"
        raise CorruptDataError(msg) from error


# --- messages -----------------------------------------------------------------------------------------------------

_CLASSES: dict[str, type[BaseMessage]] = {
    "h": HumanMessage,
    "a": AIMessage,
    "s": SystemMessage,
    "t": ToolMessage,
    "f": FunctionMessage,
    "c": ChatMessage,
    "H": HumanMessageChunk,
    "A": AIMessageChunk,
    "S": SystemMessageChunk,
    "T": ToolMessageChunk,
    "F": FunctionMessageChunk,
    "C": ChatMessageChunk,
}
_LETTERS = {kind: letter for letter, kind in _CLASSES.items()}
_SHORT = {
    "content": "c",
    "id": "i",
    "name": "n",
    "additional_kwargs": "k",
    "response_metadata": "r",
    "usage_metadata": "u",
    "tool_calls": "t",
    "invalid_tool_calls": "v",
    "tool_call_id": "d",
    "tool_call_chunks": "h",
    "artifact": "f",
    "status": "s",
    "role": "o",
    "example": "e",
    "chunk_position": "p",
}
_EXTRA = "x"

_DEFLATE_FROM_BYTES = 256
_DICTIONARY = (
    b" would should could about which there their these other because when where what how why who have will can "
    b"also into more most some such than then they your with from that this are was were for the and of to in is a "
    b"system_fingerprint\xaamodel_name\xb0safety_ratings\xa5logprobs\xc0\xaestop_reason\xa8end_turn\xa8tool_use"
    b"\xadstop_sequence\xc0\xaacreated_at\xa4done\xc3\xabdone_reason\xaetotal_duration\xadload_duration"
    b"\xb1prompt_eval_count\xabeval_count\xa4type\xa4text\xa9tool_call\xa4args\xa4name\xa2id\xa5call_\xa9function"
    b"\xa9arguments\xabrefusal\xc0\xabtoken_usage\x86\xb1completion_tokens\xadprompt_tokens\xactotal_tokens"
    b"\xb9completion_tokens_details\x84\xbaaccepted_prediction_tokens\x00\xacaudio_tokens\x00\xb0reasoning_tokens\x00"
    b"\xbarejected_prediction_tokens\x00\xb5prompt_tokens_details\x82\xacaudio_tokens\x00\xadcached_tokens\x00"
    b"\xaemodel_provider\xa6openai\xa9anthropic\xaamodel_name\xb2gpt-4o-mini-2024-07-18\xb2system_fingerprint\xa3fp_"
    b"\xa2id\xa9chatcmpl-\xacservice_tier\xa7default\xadfinish_reason\xa4stop\xa8logprobs\xc0"
    b"\xa1u\x85\xacinput_tokens\xadoutput_tokens\xactotal_tokens\xb3input_token_details\x82\xa5audio\x00"
    b"\xaacache_read\x00\xb4output_token_details\x82\xa5audio\x00\xa9reasoning\x00\xa1r\x83\xa1i\xd9\x2clc_run--019"
)
"""Shared by every deflated record: changing one byte of it makes stored records unreadable."""


class _Plan(NamedTuple):
    """How one message class is taken apart and put together; `type` is carried by the letter."""

    kind: type[BaseMessage]
    fields: tuple[tuple[str, str, Any], ...]
    names: dict[str, str]
    blank: dict[str, Any]
    fresh: tuple[tuple[str, type], ...]
    required: tuple[str, ...]


@lru_cache(maxsize=64)
def _plan(letter: str) -> _Plan:
    kind = _CLASSES[letter]
    defaults = {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}
    named = [(name, _SHORT.get(name, name)) for name in defaults if name != "type"]
    return _Plan(
        kind,
        tuple((name, short, defaults[name]) for name, short in named),
        {short: name for name, short in named},
        {name: None if isinstance(value, list | dict) else value for name, value in defaults.items()},
        tuple((name, type(value)) for name, value in defaults.items() if isinstance(value, list | dict)),
        tuple(name for name, value in defaults.items() if value is PydanticUndefined),
    )


def identity(message_id: str) -> bytes:
    """Eight bytes that stand for a message id in the scripts.

    Args:
        message_id: The message's id.

    Returns:
        Its BLAKE2b digest of 64 bits.
    """
    return blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _links(message: BaseMessage) -> str:
    if isinstance(message, ToolMessage):
        ids: list[str | None] = [message.tool_call_id]
    elif isinstance(message, AIMessage):
        ids = [call["id"] for call in message.tool_calls] + [call["id"] for call in message.invalid_tool_calls]
    else:
        return ""
    marks = [identity(call_id)[:4].hex() for call_id in ids if call_id]
    return ":" + ",".join(marks) if marks else ""


def encode_message(message: BaseMessage, counter: TokenCounter = count_tokens_approximately) -> bytes:
    """A LangChain message as a record.

    Args:
        message: Any message type of langchain-core, chunks included; `RemoveMessage` is an instruction, not a
            record.
        counter: Counts the tokens of a list of messages; kept with the record.

    Returns:
        The record.

    Raises:
        NotAMessageError: It is not one of those types.
        UnserialisableError: A field holds a value that cannot be stored without losing its type.
    """
    letter = _LETTERS.get(type(message))
    if letter is None:
        raise NotAMessageError(_not_a_message(message))
    state = message.__dict__
    fields: dict[str, Any] = {}
    for name, short, default in _plan(letter).fields:
        value = state.get(name, default)
        if type(value) is type(default) and value == default:
            continue
        fields[short] = value
    if message.__pydantic_extra__:
        fields[_EXTRA] = message.__pydantic_extra__
    payload = pack(fields, f"a field of the {message.type} message {_preview(message)}")
    mark = "|"
    if len(payload) >= _DEFLATE_FROM_BYTES:
        deflater = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
        small = deflater.compress(payload) + deflater.flush()
        if len(small) < len(payload):
            payload, mark = small, "~"
    return f"{letter}{max(0, int(counter([message])))}{_links(message)}{mark}".encode() + payload


def _preview(message: BaseMessage) -> str:
    return repr(message.id) if message.id else "without id"


def _not_a_message(value: Any) -> str:
    if isinstance(value, BaseMessage):
        return f"{type(value).__name__} is not a message type that can be stored; use one of langchain_core.messages"
    return f"expected a LangChain message, got {type(value).__name__}"


_HEAD = re.compile(rb"([A-Za-z])(\d+)(?::[0-9a-f,]*)?([|~])")


def _open(record: bytes) -> tuple[str, bytes]:
    """The letter and the inflated payload of a record."""
    head = _HEAD.match(record)
    if head is None:
        msg = "no head"
        raise ValueError(msg)
    payload = record[head.end() :]
    if head[3] == b"~":
        inflater = zlib.decompressobj(-15, _DICTIONARY)
        payload = inflater.decompress(payload)
        if not inflater.eof or inflater.unused_data:
            msg = "cut off or followed by something else"
            raise ValueError(msg)
    return head[1].decode(), payload


def tokens_of(record: bytes) -> int:
    """The token count that a record was stored with.

    Args:
        record: What `encode_message` made.

    Returns:
        The count.

    Raises:
        ValueError: It is not a record.
    """
    head = _HEAD.match(record)
    if head is None:
        msg = "no head"
        raise ValueError(msg)
    return int(head[2])


def decode_message(record: bytes) -> BaseMessage:
    """A LangChain message from its record.

    Args:
        record: What `encode_message` made.

    Returns:
        An equal message of the same class.

    Raises:
        ValueError: It is not a record.
    """
    letter, payload = _open(record)
    plan = _plan(letter)
    stored = _unpack(payload)
    extra = stored.pop(_EXTRA, {})
    state = plan.blank.copy()
    for name, factory in plan.fresh:
        state[name] = factory()
    for short, value in stored.items():
        state[plan.names[short]] = value
    if not isinstance(state["content"], str | list) or type(extra) is not dict:
        msg = "no content"
        raise ValueError(msg)
    for name in plan.required:
        if state[name] is PydanticUndefined:
            msg = f"no {name}"
            raise ValueError(msg)
    message = plan.kind.__new__(plan.kind)
    message.__setstate__(
        {
            "__dict__": state,
            "__pydantic_extra__": extra,
            "__pydantic_fields_set__": set(state),
            "__pydantic_private__": None,
        }
    )
    return message


def decode_messages(records: Sequence[bytes], where: str) -> list[BaseMessage]:
    """Messages from their records.

    Args:
        records: What was read, oldest first.
        where: The key that they were read from, for the error.

    Returns:
        The messages.

    Raises:
        CorruptDataError: One of them is not a record; its place is named and nothing is deleted.
    """
    messages = []
    for place, record in enumerate(records):
        try:
            messages.append(decode_message(record))
        except Exception as error:
            msg = (
                f"entry {place} of {len(records)} read from {where!r} is not a message record "
                f"({type(error).__name__}: {error}); nothing was deleted"
            )
            raise CorruptDataError(msg) from error
    return messages


def digest(parts: Mapping[str, Any]) -> str:
    """A collision-proof name for a set of named values.

    Args:
        parts: Named values, of the types that `pack` takes; the order does not matter.

    Returns:
        40 hexadecimal digits (BLAKE2b, 160 bits) of an unambiguous encoding.
    """
    return blake2b(pack(sorted(parts.items()), "the key's parts"), digest_size=20).hexdigest()
