"""A test of many rows that is one test: for pure functions, where pytest's own work costs more than a row."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any


def table(names: str | tuple[str, ...], rows: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As `pytest.mark.parametrize`, in one test: all rows are tried, and each that fails is named."""
    names = (names,) if isinstance(names, str) else names
    every = [row if len(names) > 1 else (row,) for row in rows]

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def on_each(**others: Any) -> None:
            wrong: list[str] = []
            first: Exception | None = None
            for number, row in enumerate(every):
                try:
                    test(**dict(zip(names, row, strict=True)), **others)
                except Exception as error:  # noqa: BLE001 - whatever it is, the row is named and the others are tried
                    wrong.append(f"row {number}, {ascii(row)[:200]}: {type(error).__name__}: {error}")
                    first = first or error
            if wrong:
                raise AssertionError(f"{len(wrong)} of {len(every)} rows:\n" + "\n".join(wrong)) from first

        given = inspect.signature(test)
        rest = [parameter for name, parameter in given.parameters.items() if name not in names]
        vars(on_each)["__signature__"] = given.replace(parameters=rest)
        return on_each

    return decorate
