"""A griffe extension: a named tuple is made with its fields, as a dataclass is, so its docstring's `Args` are right."""

from __future__ import annotations

from typing import Any

import griffe


class NamedTuples(griffe.Extension):
    """Gives named tuples the `__init__` that they have at run time."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Adds the fields as parameters."""
        if any(str(base).rpartition(".")[2] == "NamedTuple" for base in cls.bases) and "__init__" not in cls.members:
            kind = griffe.ParameterKind.positional_or_keyword
            fields = [
                griffe.Parameter(name, annotation=field.annotation, kind=kind, default=field.value)
                for name, field in cls.attributes.items()
                if field.annotation is not None and "instance-attribute" in field.labels
            ]
            made_with = griffe.Parameters(griffe.Parameter("self", kind=kind), *fields)
            cls.set_member("__init__", griffe.Function("__init__", parameters=made_with, parent=cls))
