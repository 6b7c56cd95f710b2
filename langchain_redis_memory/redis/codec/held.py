"""Reads the plain data that a function holds by now, as it may be changed in place after the function was described.

It is what the function closes over, is bound to and takes by default, and what its objects have in their fields. What
an object counts or notes by itself decides nothing: a whole number that began at 0, and what was empty.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from types import CellType, FunctionType, MethodType
from typing import Any
from weakref import ref

from langchain_redis_memory.redis.codec.data import EXACT, declared, is_exact

_DEEP, _LONG = 6, 1000
"""How deep is read, and how long what holds others may be that is read one by one."""


def held(part: Any, depth: int = 0, seen: frozenset[int] = frozenset()) -> Any:
    """Reads what a function or an object holds as lists of texts, and the fields of an object as a dict of such.

    What an object notes is left out, as it was met here first.
    """
    kind = type(part)
    if kind in EXACT:
        return [kind.__name__, repr(part)]
    if depth > _DEEP or id(part) in seen:
        return []
    read = partial(held, depth=depth + 1, seen=seen | {id(part)})
    if isinstance(part, FunctionType):
        closed = [cell.cell_contents for cell in part.__closure__ or () if cell != CellType()]
        return [read(closed), read(part.__defaults__), read(part.__kwdefaults__)]
    if isinstance(part, MethodType):
        return [read(part.__func__), read(part.__self__)]
    if isinstance(part, partial):
        return [read(part.func), read(part.args), read(part.keywords)]
    if isinstance(part, dict | list | tuple | set | frozenset):
        if len(part) > _LONG:
            return [kind.__name__, str(len(part)), *_table(part)]
        if isinstance(part, dict):
            return [kind.__name__, *([repr(name), read(item)] for name, item in list(part.items()))]
        items = map(read, list(part))
        return [kind.__name__, *(items if isinstance(part, list | tuple) else sorted(items, key=repr))]
    fields = getattr(part, "__dict__", None)
    if isinstance(part, type) or not isinstance(fields, dict):
        return []
    names, notes = declared(part) or list(fields), _notes_of(part, fields)  # what else a model has it has computed
    return {name: read(fields[name]) for name in names if name not in notes and _is_field(fields.get(name, ...))}


def _table(part: Any) -> list[str]:
    """Reads what is long as one digest, where it is plain data."""
    if not is_exact(part):
        return []
    whole = repr(sorted(map(repr, part)) if isinstance(part, set | frozenset) else part)
    return [blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()]


def _is_field(item: Any) -> bool:
    """Whether a field is plain data, or a function that holds such; the rest may differ in each process."""
    if isinstance(item, list | dict | set | frozenset):
        return is_exact(item)
    return type(item) in EXACT or isinstance(item, FunctionType | MethodType | partial | tuple)


def _notes_of(part: Any, fields: dict[str, Any]) -> frozenset[str]:
    """Names the fields in which an object notes something: those that had nothing in them when it was met first."""
    known, key = _met.get(id(part)), id(part)
    if known is not None and known[0]() is part:
        return known[1]

    def end(dead: ref[Any]) -> None:
        if (found := _met.get(key)) is not None and found[0] is dead:
            del _met[key]

    try:
        made = ref(part, end), frozenset(name for name, item in list(fields.items()) if _is_nothing(item))
    except TypeError:  # it cannot be known again
        return frozenset()
    return _met.setdefault(key, made)[1]


_met: dict[int, tuple[ref[Any], frozenset[str]]] = {}
"""Of an object, not of a tool: that which is called second would take what the first one noted for a setting."""


def _is_nothing(item: Any) -> bool:
    return type(item) in {int, list, dict, set} and not item
