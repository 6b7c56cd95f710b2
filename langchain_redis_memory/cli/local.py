"""Whether the local embedding model is there; asked without numpy, which the demo does without."""

from __future__ import annotations

from langchain_redis_memory.vectors.minilm import missing_packages


def local_model() -> bool:
    """Returns whether the extra `local` is installed."""
    return not missing_packages()
