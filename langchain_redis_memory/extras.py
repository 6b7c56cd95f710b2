"""Optional dependencies: imported on first use, and an error that names the extra where one is missing.

`pip install langchain-redis-memory` brings what every class needs. Arithmetic on vectors (extra `vectors`), the
in-process server (`memory`), the command line (`cli`) and the local embedding model (`local`) are extras.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from langchain_redis_memory.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["loaded", "missing", "np", "npt", "require_numpy"]


def missing(what: str, extra: str) -> ConfigError:
    """Makes the error for a feature, and the package that it needs, whose extra is not installed."""
    return ConfigError(f"{what}: pip install 'langchain-redis-memory[{extra}]'")


def require_numpy() -> None:
    """Refuses to build what compares embeddings where numpy is not installed.

    Raises `ConfigError`: it is not; the message names the extra.
    """
    if find_spec("numpy") is None:
        msg = "comparing embeddings needs numpy"
        raise missing(msg, "vectors")


def loaded(module: str, name: str) -> Any:
    """Returns a class for `isinstance` without importing it: where nobody else has, no object can be of it.

    Args:
        module: The module that defines it.
        name: Its name.

    Returns:
        The class; an empty tuple where its module was never imported.
    """
    return getattr(sys.modules.get(module), name, ())


class _Numpy:
    """Numpy, imported when the first of its attributes is read."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        require_numpy()
        import numpy

        value = getattr(numpy, name)
        self.__dict__[name] = value
        return value


if not TYPE_CHECKING:
    np = npt = _Numpy()
