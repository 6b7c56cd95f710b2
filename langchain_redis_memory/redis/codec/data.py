"""Reads what a function or an object was made with: its code, the values it closes over, its fields.

For a chain's description (see `fingerprint`) what may differ in each process is left out. Where results are named by
it, as a cached function's are, nothing may be: what cannot be read stands there by a name that is its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from dis import get_instructions
from enum import Enum
from functools import partial
from hashlib import blake2b
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any
from uuid import UUID, uuid4
from weakref import ref

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import BaseMessage
from langchain_core.messages.base import TextAccessor
from langchain_core.runnables import Runnable
from pydantic import BaseModel, SecretStr

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.codec.values import is_document

_log = logging.getLogger(__name__)

EXACT: set[type[Any]] = {
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    Decimal,
    UUID,
    datetime,
    date,
    time,
    timedelta,
}

LABELS = frozenset(
    "name tags metadata callbacks cache verbose rate_limiter custom_get_token_ids custom_input_type "
    "custom_output_type input_types".split()
)
"""Fields of LangChain's runnables that change no answer."""


_DEEP, _LONG = 32, 1000
"""How deep and how long plain data is read that a function was made with."""


_INERT = frozenset(
    "logging.Logger logging.RootLogger _thread.lock _thread.RLock threading.Semaphore threading.BoundedSemaphore "
    "asyncio.locks.Lock asyncio.locks.Semaphore asyncio.locks.BoundedSemaphore".split()
)
"""Classes whose objects decide no answer, whatever is in them."""


_tokens: dict[int, tuple[ref[Any], str]] = {}


def token(unread: Any, keeper: Any) -> str:
    """Names an object that cannot be read whole; where it cannot be known again, by the one that keeps it.

    Raises:
        ConfigError: Neither can be told from what is made after it.
    """
    if not (found := _token(unread) or _token(keeper)):
        raise ConfigError(
            f"{path_of(type(keeper))} holds what cannot be read and is itself not weakly referenceable, so its results "
            "could be taken for another's: name them with key='...'"
        )
    return found


def _token(thing: Any) -> str:
    """Names an object of this process for as long as it lives, "" for one whose end cannot be seen."""
    known, key = _tokens.get(id(thing)), id(thing)
    if known is not None and known[0]() is thing:
        return known[1]

    def end(dead: ref[Any]) -> None:
        if (found := _tokens.get(key)) is not None and found[0] is dead:
            del _tokens[key]

    try:
        made = ref(thing, end), str(uuid4())
    except TypeError:
        return ""
    _log.info("%s cannot be read whole, so results named by it serve this process: name them", path_of(type(thing)))
    return _tokens.setdefault(key, made)[1]


def read_data(
    value: Any,
    said: Callable[[BaseLanguageModel[Any]], tuple[Any, bool]],
    token: Callable[[Any], str] | None = None,
    met: Callable[[Any], None] | None = None,
    within: tuple[int, ...] = (),
    seen: dict[int, int] | None = None,
) -> Any:
    """Describes an opaque part by its data: a function's code and the values it closes over, an object's fields.

    Two functions of one name may be two versions of one, close over different data, or name different data in their
    module. What they call there is seen only where nothing must be read whole. Of a graph all nodes and edges are. Of
    an object of a class that declares no fields only texts and numbers are, what holds only such, and runnables: the
    rest may differ in each process, and stands there by its token. An object is read where it is `met` first. A model
    is by what is `said` of it, with whether that is all.
    """
    seen, kind, depth = {} if seen is None else seen, path_of(type(value)), len(within)
    read = partial(read_data, said=said, token=token, met=met, within=(*within, id(value)), seen=seen)
    if type(value) in EXACT:
        return [kind, repr(value)]
    holds = isinstance(value, Mapping | list | tuple | set | frozenset)
    if holds and id(value) in within:
        return [kind, depth - within.index(id(value))]
    if holds and len(value) > _LONG and is_plain(value) and is_exact(value):  # a table
        return [kind, blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()]
    if depth > _DEEP or (holds and len(value) > _LONG) or isinstance(value, SecretStr):
        return [kind, token(value)] if token else kind
    if isinstance(value, Enum | ModuleType):
        return [kind, value.name if isinstance(value, Enum) else value.__name__]
    if type(value) in {object, type(...)} or kind in _INERT:  # a default that says that nothing was given
        return kind
    if isinstance(value, BuiltinFunctionType):
        return [kind, value.__qualname__, read(value.__self__)]
    if holds:
        more = [token(value)] if token and getattr(value, "__dict__", None) else []
        if isinstance(value, Mapping):
            return [kind, *more, *([read(name), read(item)] for name, item in list(value.items()))]
        items = map(read, value)
        return [kind, *more, *(items if isinstance(value, list | tuple) else sorted(map(repr, items)))]
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, partial):
        return [read(part) for part in (value.func, value.args, value.keywords)]
    if isinstance(value, MethodType):
        return [read(value.__func__), read(value.__self__)]
    if isinstance(value, type):
        return [path_of(value), token(value)] if token and "<locals>" in value.__qualname__ else path_of(value)
    if id(value) in seen:
        return [kind, seen[id(value)]]
    seen[id(value)] = len(seen)
    if met is not None:
        met(value)
    unread = _unread(value, said if depth else None) if token else []
    return [
        kind,
        *map(read, _parts(value, said if depth else None, strict=token is not None)),
        *map(token or str, unread),
    ]


def _code(value: Any) -> Any:
    """A function's code, or a constant in it."""
    if isinstance(value, CodeType):
        return [value.co_code.hex(), list(value.co_names), *map(_code, value.co_consts)]
    if isinstance(value, tuple):
        return ["tuple", *map(_code, value)]
    return ["set", *sorted(map(repr, map(_code, value)))] if isinstance(value, frozenset) else repr(value)


def _parts(value: Any, said: Callable[[Any], tuple[Any, bool]] | None, *, strict: bool) -> Iterator[Any]:
    """What there is to read in a function or an object; of one that must be read whole, its labels and slots too."""
    if isinstance(value, FunctionType):
        closed = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
        yield from (value.__code__, value.__defaults__, value.__kwdefaults__, closed)
        if beside := _beside(value, strict=strict):
            yield beside
    elif said and isinstance(value, BaseLanguageModel):
        yield said(value)[0]
    elif names := declared(value):
        labels = LABELS if isinstance(value, Runnable) and (not strict or is_langchains(type(value))) else ()
        yield {name: getattr(value, name, None) for name in names if name not in labels}
    elif (graph := getattr(value, "builder", None)) is not None and isinstance(value, Runnable):  # a compiled graph
        yield from (getattr(graph, part, None) for part in ("nodes", "edges", "waiting_edges", "branches"))
    else:
        state = _state(value, slots=strict).items()
        yield {name: item for name, item in state if _is_read(item, exactly=strict) or _is_part(item, strict=strict)}
        if isinstance(value, Runnable):  # a function of LangGraph's, or what is composed of such
            yield from (getattr(value, part, None) for part in ("func", "afunc", "steps", "bound"))


def _beside(function: FunctionType, *, strict: bool) -> dict[str, Any]:
    """What a function names in its module: plain data, runnables, and functions that are beside it there.

    What it sets there by itself, such as a count of calls, is left out.
    """
    known, code = function.__globals__, function.__code__
    named = {name: known[name] for name in sorted({*names_in(code)}.difference(_set_in(code))) if name in known}
    return {
        name: item
        for name, item in named.items()
        if not name.startswith("__")
        and (_is_constant(item) or _is_part(item, strict=strict, module=function.__module__))
    }


def _is_constant(item: Any) -> bool:
    """Whether a global is plain data. Nothing else is asked: a stand-in for a request's data raises outside of one."""
    kind = type(item)
    return kind in EXACT or (issubclass(kind, dict | list | tuple | MappingProxyType) and is_plain(item))


def _set_in(code: CodeType) -> Iterator[str]:
    """Finds the globals that a function's code, and that of functions inside of it, sets."""
    yield from (each.argval for each in get_instructions(code) if each.opname == "STORE_GLOBAL")
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _set_in(inner)


def _is_part(item: Any, *, strict: bool, module: str = "") -> bool:
    """Whether what an object or a module holds is read for a chain: where all must be read, it would be by tokens."""
    kind = type(item)  # what stands for a runnable of a request is none
    return not strict and ((kind is FunctionType and item.__module__ == module) or issubclass(kind, Runnable))


def names_in(code: CodeType) -> Iterator[str]:
    """Finds the names of globals and attributes in a function's code, and in that of functions inside of it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from names_in(inner)


def declared(value: Any) -> list[str]:
    """Names the fields that the class of a model or of a dataclass declares."""
    if isinstance(value, BaseModel):
        return list(type(value).model_fields)
    return [field.name for field in fields(value)] if is_dataclass(value) else []


def _unread(value: Any, said: Callable[[Any], tuple[Any, bool]] | None) -> list[Any]:
    """What `_parts` leaves out of an object that must be told apart from every other: those parts, or the object."""
    if isinstance(value, FunctionType):
        itself = {value.__name__, "__class__"}  # not there yet when the function is decorated, and no data
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        return [value] if any(cell == CellType() and name not in itself for name, cell in cells) else []
    if said and isinstance(value, BaseLanguageModel):
        return [] if said(value)[1] else [value]
    state, names = _state(value), set(declared(value))
    if names:
        private = getattr(value, "__pydantic_private__", None) or getattr(value, "__pydantic_extra__", None)
        return [value] if private or not state.keys() <= names | _PYDANTIC else []
    # A class of C's keeps what is in it to itself, also where somebody extends it.
    bases = type(value).__mro__[:-1]
    if not all(base.__flags__ & _IN_PYTHON for base in bases):
        return [value]
    if not hasattr(value, "__dict__") and not any("__slots__" in vars(base) for base in bases):
        return [value]
    return [item for item in state.values() if not _is_read(item, exactly=True)]


_IN_PYTHON = 1 << 9
_PYDANTIC = {"__dict__", "__weakref__", *(name for name in vars(BaseModel) if name.startswith("__pydantic_"))}


def _state(value: Any, *, slots: bool = True) -> dict[str, Any]:
    """The fields of an object that somebody set, in its slots too."""
    kept = getattr(value, "__dict__", None)
    state = dict(kept) if isinstance(kept, dict) else {}
    for base in type(value).__mro__ if slots else ():
        names = (name for name, member in vars(base).items() if isinstance(member, MemberDescriptorType))
        state |= {name: getattr(value, name) for name in names if hasattr(value, name)}
    return state


def _is_read(item: Any, *, exactly: bool) -> bool:
    return type(item) in EXACT or is_plain(item) or (exactly and (is_exact(item) or path_of(type(item)) in _INERT))


def path_of(kind: type) -> str:
    """Returns the name of a class, with its module."""
    return f"{kind.__module__}.{kind.__qualname__}"


def is_plain(value: Any, within: tuple[int, ...] = ()) -> bool:
    """Checks whether a value is a text, a number or a truth, or holds such; what is empty may be filled by use.

    What holds itself is none.
    """
    if type(value) in _PLAIN:
        return True
    if not isinstance(value, Mapping | list | tuple) or not value or id(value) in within:
        return False
    items = (*value, *value.values()) if isinstance(value, Mapping) else value
    return all(is_plain(item, (*within, id(value))) for item in items)


_PLAIN = {bool, int, float, str}


def is_langchains(kind: type) -> bool:
    """Checks whether a class is one of LangChain's own."""
    return kind.__module__.startswith("langchain_core.")


def is_exact(value: Any, within: tuple[int, ...] = ()) -> bool:
    """Checks whether a value is, and holds, only what its stored bytes say all of. What holds itself is none."""
    kind = type(value)
    if kind in EXACT:
        return True
    if kind in {list, tuple, set, frozenset, dict}:
        items, here = (*value, *value.values()) if kind is dict else list(value), (*within, id(value))
        if {*map(type, items)} <= EXACT:  # a table, which may be long
            return True
        return id(value) not in within and all(is_exact(item, here) for item in items)
    if isinstance(value, BaseMessage) or is_document(value):
        return kind.__module__.startswith("langchain_core.") and all(map(is_exact, vars(value).values()))
    return kind.__module__ == "numpy" or kind is TextAccessor  # a message's `text`: a string that can also be called
