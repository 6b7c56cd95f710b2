"""Checks of arguments: the error names the argument, says what it must be, and what was given instead.

Each check takes the value, the argument's name and, where it is a setting that is wrong, `ConfigError`. It returns the
value, so that a check can stand where the value is used.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from inspect import iscoroutinefunction
from os import PathLike
from typing import Any, TypeAlias, TypeVar

from langchain_redis_memory.errors import InvalidInputError, RedisMemoryError

T = TypeVar("T")
ErrorType: TypeAlias = "type[RedisMemoryError]"


def check_whole(
    value: Any, what: str, least: int = 1, most: int | None = None, error: ErrorType = InvalidInputError
) -> int:
    """Checks a whole number, from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        positive = "a positive whole number" if least == 1 else f"a whole number, {least} or more"
        wanted = positive if most is None else f"a whole number from {least} to {most}"
        raise _wrong(value, what, wanted, error)
    return value


def check_bounds(least: int = 1, **numbers: Any) -> None:
    """Checks whole numbers by their names, where None is no bound."""
    for what, value in numbers.items():
        if value is not None:
            check_whole(value, what, least)


def check_number(
    value: Any,
    what: str,
    low: float = 0,
    high: float = 1,
    *,
    without: Collection[float] = (),
    error: ErrorType = InvalidInputError,
) -> float:
    """Checks a number from `low` to `high`, a share if nothing else is said, without some ends of that range."""
    if not _is_finite(value) or not low <= value <= high or value in without:
        but = f", but not {' or '.join(map(str, without))}" if without else ""
        raise _wrong(value, what, f"a number from {low} to {high}{but}", error)
    return float(value)


def check_band(value: Any, what: str) -> tuple[float, float]:
    """Checks two probabilities, the lower one first."""
    if (
        not isinstance(value, tuple | list)
        or len(value) != 2
        or not all(map(_is_finite, value))
        or not 0 <= value[0] <= value[1] <= 1
    ):
        raise _wrong(value, what, "two probabilities (low, high)", InvalidInputError)
    return value[0], value[1]


def check_positive(value: Any, what: str, unit: str = "number", error: ErrorType = InvalidInputError) -> float:
    """Checks a positive, finite number of something ("number of seconds")."""
    if not _is_finite(value) or value <= 0:
        raise _wrong(value, what, f"a positive {unit}", error)
    return float(value)


def check_word(value: Any, what: str, words: Iterable[str], error: ErrorType = InvalidInputError) -> None:
    """Checks a choice between words."""
    if value not in (known := list(words)):
        raise _wrong(value, what, f"one of {', '.join(map(repr, known))}", error)


def check_type(
    value: Any, kind: type[T] | tuple[type[T], ...], what: str, wanted: str, error: ErrorType = InvalidInputError
) -> T:
    """Checks an object's type; `wanted` says in words what it must be, and may say what to do about it."""
    if not isinstance(value, kind):
        raise error(f"{what} must be {wanted}, not {type(value).__name__}")
    return value


def check_class(value: Any, base: type, what: str, wanted: str, error: ErrorType = InvalidInputError) -> None:
    """Checks that a class was given, and of which kind."""
    if not (isinstance(value, type) and issubclass(value, base)):
        raise _wrong(value, what, f"{wanted} (the class)", error)


def check_text(value: Any, what: str) -> str:
    """Checks a string, which may be empty."""
    return check_type(value, str, what, "a string")


def check_several(values: T, what: str) -> T:
    """Checks that several strings were given, not a single one, whose letters would be taken for them."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise _wrong(values, what, "a sequence of strings (put a single one into a list)", InvalidInputError)
    return values


def check_method(value: Any, name: str, what: str, error: ErrorType = InvalidInputError) -> None:
    """Checks that an object can do what it is for."""
    if not callable(getattr(value, name, None)):
        raise error(f"{what} must have the method {name!r}, got {type(value).__name__}")


def check_function(value: Any, what: str, error: ErrorType = InvalidInputError) -> None:
    """Checks a function whose result is used at once, as nothing would await that of a coroutine function."""
    if not callable(value):
        raise _wrong(value, what, "a function", error)
    if iscoroutinefunction(value):
        raise error(f"{what} must be a plain function (def): what a coroutine function gives would not be awaited")


def check_functions(error: ErrorType = InvalidInputError, **functions: Any) -> None:
    """Checks functions by their names, where None is none."""
    for what, function in functions.items():
        if function is not None:
            check_function(function, what, error)


def check_path(value: Any, what: str, error: ErrorType = InvalidInputError) -> None:
    """Checks the name of a file or a folder."""
    if not isinstance(value, str | PathLike) or not str(value):
        raise _wrong(value, what, "a path", error)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _wrong(value: Any, what: str, wanted: str, error: ErrorType) -> RedisMemoryError:
    return error(f"{what} must be {wanted}, got {value!r}")
