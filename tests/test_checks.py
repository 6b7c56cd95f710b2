"""Checks of arguments: what passes is given back, what does not is named with what it must be."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from langchain_redis_memory import checks
from langchain_redis_memory.errors import ConfigError, InvalidInputError, NotAMessageError
from langchain_redis_memory.redis.replies import pairs

WORDS = ("red", "green")


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (lambda value: checks.check_whole(value, "n"), 1),
        (lambda value: checks.check_whole(value, "n", 0), 0),
        (lambda value: checks.check_whole(value, "n", 1, 9), 9),
        (lambda value: checks.check_number(value, "n"), 1),
        (lambda value: checks.check_number(value, "n", -5, 5, without=(5,)), -5.0),
        (lambda value: checks.check_positive(value, "n"), 0.001),
        (lambda value: checks.check_text(value, "n"), ""),
        (lambda value: checks.check_several(value, "n"), ["a", "b"]),
        (lambda value: checks.check_type(value, (str, int), "n", "a text or a number"), 3),
    ],
)
def test_what_is_right_is_given_back(check: Callable[[Any], Any], value: Any) -> None:
    assert check(value) == value


@pytest.mark.parametrize(
    ("check", "wrong", "error"),
    [
        (lambda v: checks.check_whole(v, "n"), [0, -1, True, 1.0, "1", None], "n must be a positive whole number, got"),
        (lambda v: checks.check_whole(v, "n", 0), [-1, False], "n must be a whole number, 0 or more, got"),
        (lambda v: checks.check_whole(v, "n", 1, 9), [0, 10], "n must be a whole number from 1 to 9, got"),
        (lambda v: checks.check_bounds(a=None, n=v), [0, "x"], "n must be a positive whole number, got"),
        (lambda v: checks.check_number(v, "n"), [-0.1, 1.1, True, "0", float("nan")], "n must be a number from 0 to 1"),
        (lambda v: checks.check_number(v, "n", without=(0, 1)), [0, 1], "from 0 to 1, but not 0 or 1, got"),
        (lambda v: checks.check_positive(v, "n"), [0, float("inf"), float("nan"), True], "n must be a positive number"),
        (lambda v: checks.check_positive(v, "n", "number of days"), [timedelta(1)], "a positive number of days, got"),
        (lambda v: checks.check_word(v, "n", WORDS), ["blue", None, []], "n must be one of 'red', 'green', got"),
        (lambda v: checks.check_text(v, "n"), [b"x", None], "n must be a string, not"),
        (lambda v: checks.check_several(v, "n"), ["abc", b"abc", 1], "n must be a sequence of strings"),
        (lambda v: checks.check_method(v, "strip", "n"), [1, None], "n must have the method 'strip', got"),
        (lambda v: checks.check_class(v, int, "n", "a number"), [1, str], "n must be a number (the class), got"),
    ],
)
def test_what_is_wrong_is_named(check: Callable[[Any], Any], wrong: list[Any], error: str) -> None:
    for value in wrong:
        with pytest.raises(InvalidInputError, match=re.escape(error)):
            check(value)


def test_the_error_is_the_one_that_is_asked_for() -> None:
    with pytest.raises(ConfigError):
        checks.check_whole(0, "n", error=ConfigError)
    with pytest.raises(NotAMessageError, match="x must be a message, not str"):
        checks.check_type("x", int, "x", "a message", NotAMessageError)


def test_nothing_given_is_no_bound() -> None:
    checks.check_bounds(n=None)
    checks.check_method("x", "strip", "n")
    checks.check_class(bool, int, "n", "a number")
    checks.check_word("red", "n", WORDS)


def test_maps_of_both_protocols_are_the_same_pairs() -> None:
    assert pairs([b"a", 1, b"b", 2]) == pairs({b"a": 1, b"b": 2}) == [(b"a", 1), (b"b", 2)]
    assert pairs([]) == pairs({}) == pairs(None) == []
