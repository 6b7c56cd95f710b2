"""Filters of a search: LangGraph's operators, decided on the value as `InMemoryStore` decides them.

A record carries marks of its value's own fields, so that a script can pass over what a filter does not want without
knowing the value: for "this field equals this" a short digest, equal values always having equal ones, and for what can
be compared as a number "digest of the field's name=number". Vectors carry the same, as tags and numbers. A time is
compared as its seconds since 1970, one without a zone as UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timezone
from functools import lru_cache
from hashlib import blake2b
from numbers import Number
from typing import Any, Literal

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.vectors.engine import Bound

_SIGNS: dict[str, Literal[">", ">=", "<", "<="]] = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
OPERATORS = ("$eq", "$ne", *_SIGNS)
_NUMBERS = (int, float, Number)  # the last is an abstract class, which is slower to ask


def _operators(wanted: Any) -> bool:
    return isinstance(wanted, dict) and any(isinstance(key, str) and key.startswith("$") for key in wanted)


def check_filter(wanted: Any) -> dict[str, Any]:
    """Checks a filter, None for none.

    Raises `InvalidInputError`: it is not a dict, names an operator that there is none of, or compares with no number.
    """
    if wanted is None:
        return {}
    fields: dict[str, Any] = check_type(wanted, dict, "a filter", "a dict")
    for field in fields.values():
        _check_condition(field)
    return fields


def _check_condition(wanted: Any) -> None:
    if isinstance(wanted, list | tuple):
        for item in wanted:
            _check_condition(item)
    elif _operators(wanted):
        for operator, operand in wanted.items():
            if operator not in OPERATORS:
                msg = f"{operator!r} is not an operator of a filter; there are {', '.join(OPERATORS)}"
                raise InvalidInputError(msg)
            if operator in _SIGNS and _number(operand) is None:
                msg = f"{operator} compares with a number or a time, not with a value of type {type(operand).__name__}"
                raise InvalidInputError(msg)
    elif isinstance(wanted, dict):
        for item in wanted.values():
            _check_condition(item)


def _number(value: Any) -> float | None:
    try:
        return _seconds(value) if isinstance(value, date) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _seconds(moment: date) -> float:
    whole = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
    return (whole if whole.tzinfo else whole.replace(tzinfo=timezone.utc)).timestamp()


def matches(value: Any, wanted: Any) -> bool:
    """Tests a stored value against a checked condition: operators, a dict or list of conditions, or its equal.

    What has no order is neither above nor below anything.
    """
    if _operators(wanted):
        return all(_compares(value, operator, operand) for operator, operand in wanted.items())
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(matches(value.get(key), item) for key, item in wanted.items())
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(wanted)
            and all(matches(item, other) for item, other in zip(value, wanted, strict=True))
        )
    return bool(value == wanted)


def _compares(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return bool(value == operand)
    if operator == "$ne":
        return bool(value != operand)
    number, other = _number(value), _number(operand)
    return other is not None and Bound("", _SIGNS[operator], other).holds(number)


def mark(name: Any, value: Any) -> bytes | None:
    """Hashes "this field equals this" for the head of a record; equal values have equal marks.

    Returns 12 hexadecimal digits; None for what is compared in no such way.
    """
    if not isinstance(name, str):
        return None
    if isinstance(value, str):
        text = f"={str.__str__(value)}"
    elif isinstance(value, _NUMBERS):
        try:
            text = f"#{hash(value)}"
        except TypeError:
            return None
    else:
        return None
    return _digest(name, text)


def _digest(name: str, text: str) -> bytes:
    spelled = f"{len(name)}:{str.__str__(name)}{text}".encode("utf-8", "surrogatepass")
    return blake2b(spelled, digest_size=6).hexdigest().encode()


@lru_cache(maxsize=1024)
def _number_of(name: str) -> bytes:
    """Names the number of a field."""
    return _digest(name, "<")


def _spelled(number: float) -> bytes:
    """A number as every Lua reads it."""
    return repr(number).replace("inf", "1e999").encode()


def marks(value: Mapping[Any, Any]) -> list[bytes]:
    """Hashes a value's own fields."""
    found = []
    for name, field in value.items():
        equal = mark(name, field)
        if equal is not None:
            found.append(equal)
        number = _number(field) if isinstance(name, str) else None
        if number is not None and number == number:  # noqa: PLR0124 - a nan is neither above nor below anything
            found.append(b"%s=%s" % (_number_of(name), _spelled(number)))
    return found


def marks_of(wanted: Mapping[str, Any]) -> list[bytes]:
    """Collects the marks that every item that a filter wants has, for what must be equal."""
    equal = [(name, item["$eq"] if _operators(item) and "$eq" in item else item) for name, item in wanted.items()]
    return [found for name, item in equal if (found := mark(name, item)) is not None]


def bounds_of(wanted: Mapping[str, Any]) -> Iterator[Bound]:
    """Collects the bounds of numbers that every item that a filter wants is within."""
    for name, item in wanted.items():
        for operator, operand in item.items() if isinstance(name, str) and _operators(item) else ():
            limit = _number(operand) if operator in _SIGNS else None
            if limit is not None and limit == limit:  # noqa: PLR0124 - nothing is above or below a nan
                yield Bound(_number_of(name).decode(), _SIGNS[operator], limit)


def ranges_of(wanted: Mapping[str, Any]) -> list[bytes]:
    """Spells what a script compares: "digest of the field's name, operator, space, number"."""
    return [b"%s%s %s" % (name.encode(), sign.encode(), _spelled(limit)) for name, sign, limit in bounds_of(wanted)]


def decided_by_marks(wanted: Mapping[str, Any]) -> bool:
    """Returns whether marks decide a filter, without the item's value."""
    return all(_decided(name, item) for name, item in wanted.items())


def _decided(name: Any, wanted: Any) -> bool:
    if not _operators(wanted):
        return mark(name, wanted) is not None
    checks = (
        mark(name, operand) is not None if operator == "$eq" else operator in _SIGNS
        for operator, operand in wanted.items()
    )
    return isinstance(name, str) and all(checks)


def wants(wanted: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """Tests the value of an item against a filter."""
    return all(matches(value.get(name), item) for name, item in wanted.items())
