"""Cosine scales of embedding models: a threshold to start from, and a mapping to MiniLM's scale.

Models differ in how they use the interval: unrelated texts have 0.05 with MiniLM, 0.7 with ada-002. `typical` gives the
cosine of an unrelated pair and of a plain paraphrase; between them a cosine is mapped linearly onto MiniLM's scale.
Only the values of MiniLM are measured here (Quora, SICK, PAWS; `benchmarks/quality/semantic_quality.py`). The others
are rounded from what the models' authors and users commonly report; they are starting points, to be checked on one's
own traffic.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from langchain_redis_memory.checks import check_text
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.lazy_pattern import lazy_pattern


class Scale(NamedTuple):
    """One embedding model's use of the cosine.

    Args:
        threshold: A plain cut to start from.
        unrelated: The typical cosine of two unrelated questions.
        paraphrase: The typical cosine of two paraphrases.
        measured: Whether the values were measured by this project.
    """

    threshold: float
    unrelated: float
    paraphrase: float
    measured: bool = False


MINILM = Scale(0.95, 0.06, 0.88, measured=True)
SCALES = {
    "all-MiniLM-L6-v2": MINILM,
    "all-MiniLM-L12-v2": Scale(0.95, 0.06, 0.88),
    "all-mpnet-base-v2": Scale(0.95, 0.06, 0.89),
    "paraphrase-multilingual-MiniLM-L12-v2": Scale(0.95, 0.10, 0.90),
    "text-embedding-3-small": Scale(0.90, 0.15, 0.82),
    "text-embedding-3-large": Scale(0.90, 0.12, 0.82),
    "text-embedding-ada-002": Scale(0.97, 0.72, 0.95),
    "bge-small-en-v1.5": Scale(0.95, 0.45, 0.92),
    "bge-base-en-v1.5": Scale(0.95, 0.42, 0.92),
    "bge-large-en-v1.5": Scale(0.95, 0.42, 0.92),
    "bge-m3": Scale(0.93, 0.35, 0.88),
    "e5-small-v2": Scale(0.97, 0.72, 0.95),
    "e5-base-v2": Scale(0.97, 0.72, 0.95),
    "e5-large-v2": Scale(0.97, 0.72, 0.95),
    "multilingual-e5-large": Scale(0.97, 0.74, 0.95),
    "gte-small": Scale(0.97, 0.72, 0.95),
    "gte-base": Scale(0.97, 0.72, 0.95),
    "gte-large": Scale(0.97, 0.72, 0.95),
    "nomic-embed-text-v1.5": Scale(0.94, 0.42, 0.90),
    "embed-english-v3.0": Scale(0.92, 0.25, 0.85),
    "embed-multilingual-v3.0": Scale(0.93, 0.30, 0.87),
    "voyage-3": Scale(0.92, 0.30, 0.86),
    "voyage-3-lite": Scale(0.92, 0.30, 0.86),
    "voyage-3-large": Scale(0.92, 0.30, 0.86),
}
"""By the model's own name; `scale_of` also finds it behind an organisation and before a suffix such as `-int8`."""
_SUFFIX = lazy_pattern(r"(?:[-_.](?:int8|uint8|fp16|fp32|onnx|quantized|q\d\w*|gguf))+$|:\w+$", re.IGNORECASE)
_SHORT = {name.lower(): scale for name, scale in SCALES.items()}


def scale_of(model: str) -> Scale:
    """Returns the scale of an embedding model.

    Args:
        model: Its name, with or without its organisation: `sentence-transformers/all-MiniLM-L6-v2`.

    Raises:
        ConfigError: The model is not in the table.
    """
    name = _SUFFIX.sub("", check_text(model, "model").rpartition("/")[2].lower())
    try:
        return _SHORT[name]
    except KeyError:
        known = ", ".join(SCALES)
        msg = f"no cosine scale is known for the embedding model {model!r}: give a threshold, or one of {known}"
        raise ConfigError(msg) from None


def to_minilm(similarity: float, scale: Scale) -> float:
    """Maps a cosine to MiniLM's scale.

    Args:
        similarity: The cosine of another model; anything that is not a number counts as 0.
        scale: That model's scale.

    Returns:
        Between -1 and 1; 1 stays 1.
    """
    if math.isnan(similarity):
        return 0.0
    bounded = min(max(similarity, -1.0), 1.0)
    if scale == MINILM:
        return bounded
    if bounded >= scale.paraphrase:
        share = (bounded - scale.paraphrase) / (1 - scale.paraphrase)
        return MINILM.paraphrase + share * (1 - MINILM.paraphrase)
    share = (bounded - scale.unrelated) / (scale.paraphrase - scale.unrelated)
    return max(MINILM.unrelated + share * (MINILM.paraphrase - MINILM.unrelated), -1.0)


def from_minilm(similarity: float, scale: Scale) -> float:
    """Maps a cosine of MiniLM to a model's scale; the inverse of `to_minilm`."""
    if similarity >= MINILM.paraphrase:
        share = (similarity - MINILM.paraphrase) / (1 - MINILM.paraphrase)
        return scale.paraphrase + share * (1 - scale.paraphrase)
    share = (similarity - MINILM.unrelated) / (MINILM.paraphrase - MINILM.unrelated)
    return scale.unrelated + share * (scale.paraphrase - scale.unrelated)
