"""Frozen objects: they behave as those of a frozen dataclass, for Python, for `dataclasses` and for `inspect`."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, ClassVar

import pytest

import langchain_redis_memory
from langchain_redis_memory.frozen import Frozen, replace
from tests.support.table import table


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
    as_python_does = point.__replace__(y=5)  # what `copy.replace` of Python 3.13 calls
    for made in (replace(point, y=5), dataclasses.replace(point, y=5), as_python_does):
        assert (type(made), made.y, made.name, made.seen) == (Named, 5, "a", [3])
    with pytest.raises(ValueError, match="x"):
        replace(point, x=-1)
    with pytest.raises(ValueError, match="x"):
        point.__replace__(x=-1)
    with pytest.raises(TypeError, match="z"):
        point.__replace__(z=1)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace came with Python 3.13")
def test_copy_replaces_it() -> None:
    assert copy.replace(Point(1), y=5) == Point(1, 5)  # type: ignore[attr-defined, unused-ignore]


PUBLIC = [
    found
    for name in langchain_redis_memory.__all__
    if isinstance(found := getattr(langchain_redis_memory, name), type) and issubclass(found, Frozen)
]


@table("kind", PUBLIC)
def test_each_public_one_does_what_people_expect_of_a_frozen_dataclass(kind: type[Frozen]) -> None:
    given = {one.name: f"<{one.name}>" for one in dataclasses.fields(kind)}
    made, other = unchecked(kind, given), unchecked(kind, given)
    assert dataclasses.is_dataclass(made)
    assert (made, hash(made)) == (other, hash(other))
    assert made != unchecked(kind, {**given, made._compared[-1]: "another"})
    assert all(f"{one.name}='<{one.name}>'" in repr(made) for one in dataclasses.fields(kind) if one.repr)
    assert kind.__match_args__ == tuple(given)
    for copied in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (type(copied), vars(copied)) == (kind, vars(made))
    assert dataclasses.asdict(made) == given
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, next(iter(given)), 1)


def unchecked(kind: type[Frozen], given: dict[str, Any]) -> Frozen:
    """One of a class, whatever its fields are."""
    made = kind.__new__(kind)
    vars(made).update(given)
    return made


def test_the_public_ones_are_found() -> None:
    assert {langchain_redis_memory.Answer, langchain_redis_memory.Rule} <= {*PUBLIC}


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
