"""Objects that are their fields and do not change, as those of `dataclass(frozen=True)` are, at a small price a class.

A dataclass writes and compiles the methods of each class: four million instructions, of which the classes of a first
turn took a fifth of all. Here all classes share their methods; what asks `dataclasses` or `inspect` for their fields is
answered by a real dataclass, which is made then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, field, make_dataclass
from functools import cache
from inspect import get_annotations, signature
from typing import Any, ClassVar, TypeVar

from typing_extensions import Self, dataclass_transform


class _OfDataclass:
    """What is read of the dataclass that a class stands for."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read

    def __get__(self, _instance: object, owner: Any) -> Any:
        return self._read(_dataclass(owner))


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Frozen:
    """An object of the fields that its class and its bases annotate, equal to another one of its class with the same.

    Fields are written as those of a dataclass; of `field` the defaults, `compare` and `repr` count. `__post_init__`
    checks.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[Mapping[str, Any]] = {}
    _factories: ClassVar[Mapping[str, Callable[[], Any]]] = {}
    _compared: ClassVar[tuple[str, ...]] = ()
    _shown: ClassVar[tuple[str, ...]] = ()
    _most: ClassVar[int] = 0
    _checks: ClassVar[bool] = False
    __dataclass_fields__: ClassVar[Any] = _OfDataclass(lambda made: made.__dataclass_fields__)
    __dataclass_params__: ClassVar[Any] = _OfDataclass(lambda made: made.__dataclass_params__)
    __signature__: ClassVar[Any] = _OfDataclass(signature)

    def __init_subclass__(cls) -> None:
        own = [name for name, kind in get_annotations(cls).items() if not _is_of_class(kind)]
        given = {name: vars(cls)[name] for name in own if name in vars(cls)}
        written = {name: value for name, value in given.items() if isinstance(value, Field)}
        defaults = given | {name: value.default for name, value in written.items()}
        cls.__match_args__ = (*dict.fromkeys((*cls.__match_args__, *own)),)  # type: ignore[misc]
        cls._defaults = {**cls._defaults, **{name: value for name, value in defaults.items() if value is not MISSING}}
        made = {name: value.default_factory for name, value in written.items()}
        cls._factories = {**cls._factories, **{name: make for name, make in made.items() if make is not MISSING}}
        cls._most, cls._checks = len(cls.__match_args__), cls.__post_init__ is not Frozen.__post_init__
        compared = {*cls._compared, *own} - {name for name, value in written.items() if not value.compare}
        shown = {*cls._shown, *own} - {name for name, value in written.items() if not value.repr}
        cls._compared = tuple([name for name in cls.__match_args__ if name in compared])
        cls._shown = tuple([name for name in cls.__match_args__ if name in shown])

    def __init__(self, *given: Any, **named: Any) -> None:
        names = self.__match_args__
        values = {**self._defaults, **named}
        for name, value in zip(names, given, strict=False):
            if name in named:
                self._wrong(*given, **named)
            values[name] = value
        for name in self._factories:
            if name not in values:
                values[name] = self._factories[name]()
        if given[self._most :] or values.keys() != {*names}:
            self._wrong(*given, **named)
        self.__dict__.update(values)
        if self._checks:
            self.__post_init__()

    @classmethod
    def _wrong(cls: Any, *given: Any, **named: Any) -> None:
        """Raises what a dataclass raises of such arguments."""
        _dataclass(cls)(*given, **named)

    def __post_init__(self) -> None:
        """Checks the fields."""

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self._shown)})"

    def __replace__(self, /, **changes: Any) -> Self:
        return replace(self, **changes)

    def _values(self) -> tuple[Any, ...]:
        known = self.__dict__
        return tuple([known[name] for name in self._compared])


def _is_of_class(kind: object) -> bool:
    return str(kind).partition("[")[0].endswith("ClassVar")


F = TypeVar("F", bound=Frozen)


def replace(value: F, /, **changes: Any) -> F:
    """Makes an object like another one but for the fields that change, as `dataclasses.replace` does in more steps."""
    known = vars(value)
    return type(value)(**{**{name: known[name] for name in value.__match_args__}, **changes})


@cache
def _dataclass(kind: Any) -> Any:
    """Makes the dataclass of the same fields."""
    kinds = {name: given for base in reversed(kind.__mro__) for name, given in get_annotations(base).items()}
    fields: list[tuple[str, Any, Any]] = []
    for name in kind.__match_args__:
        compare, shown = name in kind._compared, name in kind._shown
        if make := kind._factories.get(name):
            written = field(default_factory=make, compare=compare, repr=shown)
        else:
            written = field(default=kind._defaults.get(name, MISSING), compare=compare, repr=shown)
        fields.append((name, kinds[name], written))
    return make_dataclass(kind.__qualname__.rpartition(".")[2], fields, frozen=True)
