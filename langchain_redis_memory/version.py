"""The version of this package, as `pyproject.toml` says it: read from there at run time it would cost milliseconds."""

__version__ = "0.1.0"
