"""Frozen objects: they behave as those of a frozen dataclass, for Python, for `dataclasses` and for `inspect`."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, ClassVar

import pytest

from langchain_redis_memory.frozen import Frozen, replace


class Point(Frozen):
    sides: ClassVar[int] = 0
    x: int
    y: int = 2
    seen: list[int] = field(default_factory=list, compare=False)
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x")


class Named(Point):
    name: str = ""


@dataclass(frozen=True)
class Twin:
    x: int
    y: int = 2
    seen: list[int] = field(default_factory=list, compare=False)
    secret: str = field(default="", repr=False)


def test_it_is_made_compared_and_shown_as_a_dataclass() -> None:
    assert Point(1) == Point(1, y=2, seen=[3])
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)
    assert len({Point(1), Point(1), Point(2)}) == 2
    assert repr(Named(1, name="a", secret="b")) == "Named(x=1, y=2, seen=[], name='a')"
    assert Point(1).seen is not Point(1).seen
    assert vars(Point(1)) == vars(Twin(1))


def test_it_can_be_copied_matched_and_replaced() -> None:
    point = Named(1, seen=[3], name="a")
    assert pickle.loads(pickle.dumps(point)).seen == copy.deepcopy(point).seen == [3]
    match point:
        case Named(x, y, seen):
            assert (x, y, seen) == (1, 2, [3])
    for made in (replace(point, y=5), dataclasses.replace(point, y=5)):
        assert (type(made), made.y, made.name, made.seen) == (Named, 5, "a", [3])
    with pytest.raises(ValueError, match="x"):
        replace(point, x=-1)


def test_it_does_not_change() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 3  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert point.x == 1


@pytest.mark.parametrize(
    "make",
    [lambda kind: kind(), lambda kind: kind(1, 2, [], "", 4), lambda kind: kind(1, x=2), lambda kind: kind(z=1)],
)
def test_wrong_arguments_are_named(make: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as expected:
        make(Twin)
    with pytest.raises(TypeError) as found:
        make(Point)
    assert str(found.value) == str(expected.value).replace("Twin", "Point")


def test_dataclasses_and_inspect_know_its_fields() -> None:
    told = [(one.name, one.type, one.default, one.default_factory) for one in dataclasses.fields(Point)]
    assert told == [(one.name, one.type, one.default, one.default_factory) for one in dataclasses.fields(Twin)]
    shown = [(one.compare, one.repr) for one in dataclasses.fields(Point)]
    assert shown == [(one.compare, one.repr) for one in dataclasses.fields(Twin)]
    assert dataclasses.asdict(Named(1)) == {"x": 1, "y": 2, "seen": [], "secret": "", "name": ""}
    assert signature(Point) == signature(Twin)


def test_a_dataclass_may_extend_it() -> None:
    @dataclass(frozen=True)
    class More(Point):
        z: int = 3

    assert (More(1, z=4).z, More(1).y, More(1).seen) == (4, 2, [])


def test_a_subclass_may_write_a_field_anew() -> None:
    class Higher(Point):
        y: int = 5
        seen: list[int] = field(default_factory=list)

    assert (Higher(1).y, Higher(1, 3).y, [*signature(Higher).parameters]) == (5, 3, [*signature(Point).parameters])
    assert Higher(1, seen=[1]) != Higher(1)


def test_what_belongs_to_the_class_is_no_field() -> None:
    unwritten = type("Own", (Point,), {"__annotations__": {"made": ClassVar[int], "z": int}, "made": 1, "z": 2})
    assert [one.name for one in dataclasses.fields(unwritten)] == ["x", "y", "seen", "secret", "z"]
