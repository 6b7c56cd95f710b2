"""Encodes LangChain messages as compact records, and decodes them.

A record is `<version><type><tokens>[:<links>]|<payload>`. The head is text that a script can read: a version byte, the
type's letter (upper case for a chunk), an approximate token count, and the digests of the tool calls that the message
makes or answers. The payload is a MessagePack map (see `values`) of the fields that differ from their default, under
one-letter names. A payload of 256 bytes or more is deflated (see `compression`; then `~` instead of `|`). An encrypted
payload, with that sign in front, stands behind `!`, and the head is authenticated with it. Reading sets pydantic's own
slots, so no validator runs twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

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
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from langchain_redis_memory.errors import (
    CorruptDataError,
    DecryptionError,
    FormatVersionError,
    InvalidInputError,
    NotAMessageError,
)
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.compression import deflate, inflate
from langchain_redis_memory.redis.codec.tokens import count_tokens
from langchain_redis_memory.redis.codec.values import pack, register, unpack_raw
from langchain_redis_memory.redis.codec.version import VERSION, is_newer, newer

M = TypeVar("M", bound=BaseMessage)
TokenCounter = Callable[[Sequence[BaseMessage]], int]

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


class _MessagePlan(NamedTuple):
    """How a message of one class is built: its state before its fields are set, and the names of the fields."""

    kind: type[BaseMessage]
    blank: dict[str, Any]
    fields: set[str]
    containers: tuple[tuple[str, type], ...]
    names: dict[str, str]
    required: tuple[str, ...]


def _defaults(letter: str) -> dict[str, Any]:
    fields = _CLASSES[letter].model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields}


@lru_cache(maxsize=64)
def _fields(letter: str) -> tuple[tuple[str, str, Any], ...]:
    """Name, short name and default of each field of a class; its type is carried by the letter."""
    return tuple(
        (name, _SHORT.get(name, name), default) for name, default in _defaults(letter).items() if name != "type"
    )


@lru_cache(maxsize=64)
def _reading(letter: int) -> _MessagePlan:
    defaults = _defaults(chr(letter))
    containers = {name: type(default) for name, default in defaults.items() if isinstance(default, list | dict)}
    return _MessagePlan(
        _CLASSES[chr(letter)],
        {name: None if name in containers else default for name, default in defaults.items()},
        set(defaults),
        tuple(containers.items()),
        {short: name for name, short, _ in _fields(chr(letter))},
        tuple(name for name, default in defaults.items() if default is PydanticUndefined),
    )


def identity(message_id: str) -> bytes:
    """Hashes a message id to the eight bytes that stand for it in the scripts."""
    return blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _links(message: BaseMessage, letter: str) -> str:
    state = message.__dict__
    if letter in "tT":
        ids: list[str | None] = [state.get("tool_call_id")]
    elif letter in "aA":
        ids = [call["id"] for call in (*state.get("tool_calls", ()), *state.get("invalid_tool_calls", ()))]
    else:
        return ""
    marks = [identity(call_id)[:4].hex() for call_id in ids if call_id]
    return ":" + ",".join(marks) if marks else ""


def encode_message(message: BaseMessage, counter: TokenCounter = count_tokens, key: Key | None = None) -> bytes:
    """Encodes a LangChain message, chunks included, as a record with its number of tokens; `RemoveMessage` is none.

    Without a `key` it is a record within a value. Raises `NotAMessageError`: it is of another type. Raises
    `UnserialisableError`: a field holds a value that cannot be stored without losing its type. Raises
    `InvalidInputError`: the counter failed.
    """
    letter = _LETTERS.get(type(message))
    if letter is None:
        raise NotAMessageError(_not_a_message(message))
    try:
        tokens = max(0, int(counter([message])))
    except (TypeError, ValueError, ArithmeticError) as error:
        msg = f"the token counter failed on the {message.type} message {_preview(message)}: {error}"
        raise InvalidInputError(msg) from error
    payload, mark = _payload(message, letter), "|"
    if len(payload) >= _DEFLATE_FROM_BYTES:
        small = deflate(payload)
        if small is not None:
            payload, mark = small, "~"
    head = VERSION + f"{letter}{tokens}{_links(message, letter)}".encode()
    if key is not None and key.encrypts:
        return head + b"!" + key.encrypt(mark.encode() + payload, head)
    return head + mark.encode() + payload


def encode_nested(message: BaseMessage, *, named: bool = True) -> bytes:
    """Encodes a message inside a value: not deflated and without a count, so equal messages are equal bytes everywhere.

    Its id is left out where it is not `named`. Raises `NotAMessageError`: it is not of a type that can be stored;
    `UnserialisableError`: a field holds a value that cannot be stored.
    """
    letter = _LETTERS.get(type(message))
    if letter is None:
        raise NotAMessageError(_not_a_message(message))
    return VERSION + f"{letter}0|".encode() + _payload(message, letter, named=named)


def _payload(message: BaseMessage, letter: str, *, named: bool = True) -> bytes:
    state = message.__dict__
    fields: dict[str, Any] = {}
    for name, short, default in _fields(letter):
        value = state.get(name, default)
        if (type(value) is type(default) and value == default) or (short == "i" and not named):
            continue
        fields[short] = value
    if message.__pydantic_extra__:
        fields[_EXTRA] = message.__pydantic_extra__
    return pack(fields, f"a field of the {message.type} message {_preview(message)}")


def _preview(message: BaseMessage) -> str:
    return repr(message.id) if message.id else "without id"


def _not_a_message(value: Any) -> str:
    if isinstance(value, BaseMessage):
        return f"{type(value).__name__} is not a message type that can be stored; use one of langchain_core.messages"
    return f"expected LangChain messages, got {type(value).__name__}; convert_to_messages() makes them"


_HEAD = re.compile(rb"\x01([A-Za-z])\d+(?::[0-9a-f,]*)?([|~!])")


def decode_message(record: bytes) -> BaseMessage:
    """Decodes a LangChain message from its record. Raises `ValueError`: it is not a record."""
    try:
        return _decode(record)
    except Exception as error:
        raise ValueError(f"not a message record ({type(error).__name__}: {error})") from error


def decode_nested(record: bytes) -> BaseMessage:
    """Decodes what `encode_nested` made: how much it may hold was checked with the value around it.

    Raises:
        ValueError: It is not that.
    """
    if record[2:4] != b"0|":
        raise ValueError("not a message record inside a value")
    return decode_message(record)


def _decode(record: bytes, key: Key | None = None) -> BaseMessage:
    head = _HEAD.match(record)
    if head is None:
        raise ValueError("no head")
    kind, blank, fields, fresh, names, required = _reading(record[1])
    mark, payload = head[2], record[head.end() :]
    if key is not None and (mark == b"!" or key.encrypts):
        opened = key.decrypt(payload if mark == b"!" else mark + payload, head[0][:-1])
        mark, payload = opened[:1], opened[1:]
    stored = unpack_raw(inflate(payload) if mark == b"~" else payload)
    extra = stored.pop(_EXTRA) if _EXTRA in stored else {}
    message = object.__new__(kind)
    state = message.__dict__
    state.update(blank)
    for name, factory in fresh:
        state[name] = factory()
    for short, value in stored.items():
        state[names[short]] = value
    if not isinstance(state["content"], _TEXT_OR_BLOCKS) or type(extra) is not dict:
        raise ValueError("no content")
    for name in required:
        if state[name] is PydanticUndefined:
            raise ValueError(f"no {name}")
    _set_extra(message, extra)
    _set_fields(message, fields.copy())
    _set_private(message, None)
    return message


_TEXT_OR_BLOCKS = (str, list)
_set_extra = vars(BaseModel)["__pydantic_extra__"].__set__
_set_fields = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_private = vars(BaseModel)["__pydantic_private__"].__set__


def copied(message: M, **changes: Any) -> M:
    """Copies a message with some fields changed, as `model_copy` does in more steps."""
    made = object.__new__(type(message))
    made.__dict__.update(message.__dict__, **changes)
    extra, private = message.__pydantic_extra__, message.__pydantic_private__
    _set_extra(made, None if extra is None else extra.copy())
    _set_fields(made, message.__pydantic_fields_set__ | changes.keys())
    _set_private(made, None if private is None else private.copy())
    return made


def decode_messages(records: Sequence[bytes], where: Key) -> list[BaseMessage]:
    """Decodes messages from their records, which were read from the key `where`.

    Raises `DecryptionError`: one of them cannot be decrypted, or is not encrypted where it must be. Raises
    `CorruptDataError`: one of them is not a record; its place is named and nothing is deleted.
    """
    messages: list[BaseMessage] = []
    try:
        for record in records:
            messages.append(_decode(record, where))
    except DecryptionError:
        raise
    except Exception as error:
        if is_newer(records[len(messages)]):
            raise FormatVersionError(newer(where)) from error
        raise CorruptDataError(
            f"entry {len(messages)} of {len(records)} read from {where!r} is not a message record "
            f"({type(error).__name__}: {error}); nothing was deleted"
        ) from error
    return messages


def renew_message(record: bytes, where: Key) -> bytes:
    """Encrypts a stored record under the current key; see `Key.renew`.

    Raises `DecryptionError`: it cannot be decrypted. Raises `CorruptDataError`: it is not a record.
    """
    head = _HEAD.match(record)
    if head is None:
        raise CorruptDataError(f"an entry of {where!r} is not a message record")
    about = head[0][:-1]
    return about + b"!" + where.renew(record[head.end() - (head[2] != b"!") :], about)


register("message", BaseMessage, encode_nested, decode_nested)
