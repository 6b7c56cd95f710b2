"""A griffe extension: named tuples and models are made with their fields, as dataclasses are, so `Args` are right."""

from __future__ import annotations

from typing import Any

import griffe


class MadeWithFields(griffe.Extension):
    """Gives named tuples and pydantic's models the `__init__` that they have at run time."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Adds the fields as parameters."""
        documented = cls.docstring is not None and "Args:" in cls.docstring.value
        decorated = any("dataclass" in str(decorator.value) for decorator in cls.decorators)
        if documented and not decorated and "__init__" not in cls.members:
            kind = griffe.ParameterKind.positional_or_keyword
            fields = [
                griffe.Parameter(name, annotation=field.annotation, kind=kind, default=field.value)
                for name, field in cls.attributes.items()
                if field.annotation is not None and "instance-attribute" in field.labels
            ]
            made_with = griffe.Parameters(griffe.Parameter("self", kind=kind), *fields)
            cls.set_member("__init__", griffe.Function("__init__", parameters=made_with, parent=cls))
