"""What a function holds by now: plain data wherever it is, and nothing of what an object notes in itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from langchain_redis_memory.redis.codec.held import held
from tests.support.table import table


class Box:
    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)

    def read(self) -> None:
        """Is bound to the box."""


def over(value: Any) -> Callable[[], Any]:
    return lambda: value


DIFFERENT: list[tuple[Any, Any]] = [
    (over(1), over(2)),
    (over(1), over(True)),
    (over("1"), over(1)),
    (over([]), over([1])),
    (over([1]), over((1,))),
    (over({"a": 1}), over({"a": 2})),
    (over({"a", "b"}), over({"a"})),
    (over(over("a")), over(over("b"))),
    (partial(over, 1), partial(over, 2)),
    (Box(a=1).read, Box(a=2).read),
    (Box(a="x").read, Box(b="x").read),
    (over(Box(f=over(1))), over(Box(f=over(2)))),
    (over([0] * 2000), over([0] * 2001)),
    (over([0] * 2000), over([*[0] * 1999, 1])),
    (over({n: str(n) for n in range(2000)}), over({n: str(n or 1) for n in range(2000)})),
    (over(set(range(2000))), over(set(range(1, 2001)))),
    (Box(of=[0] * 2000).read, Box(of=[1] * 2000).read),
    (Box(of={"a"}).read, Box(of={"b"}).read),
    (Box(of=["a", None]).read, Box(of=["b", None]).read),
    (Box(of={"a": {}}).read, Box(of={"b": {}}).read),
    (Box(of=frozenset("a")).read, Box(of=frozenset("b")).read),
]


@table(("one", "other"), DIFFERENT)
def test_what_differs_is_told_apart(one: Any, other: Any) -> None:
    assert held(one) != held(other)


@table(
    ("one", "other"),
    [
        (over({"a", "b"}), over({"b", "a"})),
        (Box(at=object()).read, Box(at=object()).read),
        (over(Box(kind=Box)), over(Box(kind=str))),
    ],
)
def test_what_is_equal_or_no_plain_data_is_not(one: Any, other: Any) -> None:
    assert held(one) == held(other)


def test_what_an_object_counts_and_notes_is_left_out() -> None:
    box = Box(name="a", count=0, seen=[], known={}, last=None)
    first = held(box.read)
    vars(box).update(count=3, seen=["x"], known={"x": 1})
    assert held(box.read) == first
    assert held(over(box)) == held(over(box))
    assert held(box) == held(Box(name="a", last=None))  # whoever reads it, and as in another process
    vars(box).update(last="x")
    assert held(box.read) != first


def test_what_holds_itself_is_read_once() -> None:
    box = Box(name="a")
    itself: list[Any] = ["a"]
    itself.append(itself)
    vars(box).update(back=box.read, more=[box], itself=itself, long=[itself] * 2000)

    def call() -> Any:
        return call, box

    assert held(call) == held(call)


def test_an_object_at_the_place_of_one_that_is_gone_is_another() -> None:
    for value in (0, 3) * 50:
        assert ("count" in held(Box(count=value))) == bool(value)
