"""Generations <-> bytes: what a model answered, as LangChain hands it to a cache.

Only plain and chat generations exist here, and only the message types of langchain-core: nothing else is ever built
from what is stored. A streamed answer is stored as the whole that its chunks make. No message keeps its id: an answer
that is served again is another message, and one id twice would overwrite what was said before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, message_chunk_to_message
from langchain_core.messages.base import BaseMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk
from langchain_core.runnables.base import RunnableBindingBase

from langchain_redis_memory.cache.prompts import parse_prompt
from langchain_redis_memory.errors import CorruptDataError, InvalidInputError
from langchain_redis_memory.redis.codec.envelope import seal, unseal
from langchain_redis_memory.redis.codec.messages import decode_nested, encode_nested
from langchain_redis_memory.redis.codec.values import pack, unpack

_DEFLATE_FROM_BYTES = 128
_CHARACTERS = 4  # of a token, about
_KINDS = {Generation: "text", GenerationChunk: "text", ChatGeneration: "chat", ChatGenerationChunk: "chat"}


class Tokens(NamedTuple):
    """What an answer cost to make."""

    read: int
    written: int


def as_generations(answer: Any) -> list[Generation]:
    """Converts a text, a message, a generation or a list of generations to the form that LangChain's caches keep.

    Raises `InvalidInputError`: it is none of these.
    """
    if isinstance(answer, str):
        return [Generation(text=answer)]
    if isinstance(answer, BaseMessage):
        return [ChatGeneration(message=answer)]
    if isinstance(answer, Generation):
        return [answer]
    if isinstance(answer, list | tuple) and all(isinstance(one, Generation) for one in answer):
        return list(answer)
    msg = f"an answer must be a text, a message or a list of generations, not {type(answer).__name__}"
    raise InvalidInputError(msg)


def for_model(answer: Any, model: Any) -> list[Generation]:
    """Converts an answer to the generations that a model, or the string that describes one, would itself return.

    For a chat model a text is the text of its message. Raises `InvalidInputError`: the answer is of another type.
    """
    while isinstance(model, RunnableBindingBase):
        model = model.bound
    if isinstance(answer, str) and isinstance(model, BaseChatModel):
        answer = AIMessage(answer)
    return as_generations(answer)


def encode(generations: Sequence[Generation]) -> bytes:
    """Encodes generations as bytes. Raises `InvalidInputError`: one is not a generation of langchain-core.

    Raises `UnserialisableError`: one holds a value that cannot be stored without losing its type.
    """
    parts = [_parts(generation) for generation in generations]
    return seal(pack(parts, "the answer"), deflate_from=_DEFLATE_FROM_BYTES)


def _parts(generation: Generation) -> list[Any]:
    kind = _KINDS.get(type(generation))
    if kind is None:
        raise InvalidInputError(f"a cache keeps generations of langchain-core, not {type(generation).__name__}")
    if not isinstance(generation, ChatGeneration):
        return [kind, generation.text, generation.generation_info]
    message = generation.message
    if isinstance(message, BaseMessageChunk):
        message = message_chunk_to_message(message)
    record = encode_nested(message, named=False)
    return [kind, record, generation.generation_info, message.id is not None]


def decode(data: bytes, where: str) -> list[Generation]:
    """Decodes generations from bytes that were read from `where`; messages that had an id have a new one.

    Raises `CorruptDataError`: the bytes are something else.
    """
    try:
        if not (parts := unpack(unseal(data, where), where)):
            raise CorruptDataError(f"the answer under {where!r} holds no generations")
        return [_generation(*part) for part in parts]
    except CorruptDataError:
        raise
    except Exception as error:
        msg = f"the answer under {where!r} was not written by this package or is damaged ({type(error).__name__})"
        raise CorruptDataError(msg) from error


def _generation(kind: str, body: Any, info: Any, named: bool = False) -> Generation:
    if kind == "text" and isinstance(body, str):
        return Generation(text=body, generation_info=info)
    if kind != "chat":
        raise ValueError(f"no kind of generation: {kind!r}")
    message = decode_nested(body)
    if named:
        message.id = str(uuid4())
    return ChatGeneration(message=message, generation_info=info)


def text_of(generations: Sequence[Generation]) -> str:
    """Returns the text of an answer, all generations joined."""
    return "\n".join(str(generation.text) for generation in generations)


def tokens_of(generations: Sequence[Generation], prompt: str) -> Tokens:
    """Counts the tokens of an answer to a prompt, as its model reported them, else by an estimate."""
    read = written = 0
    for generation in generations:
        usage = getattr(getattr(generation, "message", None), "usage_metadata", None)
        if usage:
            read, written = read + int(usage["input_tokens"]), written + int(usage["output_tokens"])
    if read or written:
        return Tokens(read, written)
    prompted = parse_prompt(prompt)
    asked = (
        sum(map(len, prompted.system)) + sum(len(said.text) for said in prompted.history) + len(prompted.question or "")
    )
    return Tokens(-(-asked // _CHARACTERS), -(-len(text_of(generations)) // _CHARACTERS))
