"""Vectors of texts, each text embedded once for all who use the same embedding model.

The classifier, recall by meaning and the semantic caches of one turn ask for the same question's vector. They share a
bounded LRU for each embedding object; what is not in it is embedded in one call.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.extras import np, npt, require_numpy
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.ops import Flow, Invoke

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

Vector: TypeAlias = "npt.NDArray[np.float32]"

_MOST_DIMS = 32_768
"""What vector sets and the Query Engine take."""


class _Memo:
    """A bounded LRU of vectors by text."""

    def __init__(self) -> None:
        self._most = 0
        self._rows: OrderedDict[str, Vector] = OrderedDict()
        self._lock = new_lock()

    def __len__(self) -> int:
        return len(self._rows)

    def grow(self, most: int) -> None:
        """Raises the bound: it is the largest that a user of the model asked for."""
        self._most = max(self._most, most)

    def get(self, texts: Sequence[str]) -> dict[str, Vector]:
        """Returns the known ones, which count as used."""
        with self._lock:
            known = {text: self._rows[text] for text in texts if text in self._rows}
            for text in known:
                self._rows.move_to_end(text)
            return known

    def put(self, rows: dict[str, Vector]) -> None:
        """Remembers vectors and drops those that were not used for the longest time."""
        with self._lock:
            self._rows.update(rows)
            while len(self._rows) > self._most:
                self._rows.popitem(last=False)


_memos: dict[int, tuple[weakref.ref[Embeddings], _Memo]] = {}
"""By the identity of an embedding object, which need not be hashable; an entry goes with its object."""


def _memo_of(embeddings: Embeddings) -> _Memo:
    key = id(embeddings)
    known = _memos.get(key)
    if known is not None and known[0]() is embeddings:
        return known[1]
    try:
        reference = weakref.ref(embeddings, lambda _gone: _memos.pop(key, None))
    except TypeError:  # an object that cannot be referred to weakly shares with nobody
        return _Memo()
    return _memos.setdefault(key, (reference, _Memo()))[1]


class TextVectors:
    """The vectors of texts by one embedding model.

    Args:
        embeddings: Any LangChain embedding model; all that are given the same object share its vectors.
        most: How many vectors are remembered at least; the least recently used ones are dropped.

    Raises:
        ConfigError: numpy is not installed.
    """

    def __init__(self, embeddings: Embeddings, most: int) -> None:
        require_numpy()
        self._embeddings = embeddings
        self._memo = _memo_of(embeddings)
        self._memo.grow(most)

    def __len__(self) -> int:
        return len(self._memo)

    def rows_flow(self, texts: Sequence[str]) -> Flow[list[Vector]]:
        """Returns the vector of each text, read-only; one call of the model for those that are not remembered.

        Raises:
            InvalidInputError: The model gave something else than one vector of finite numbers for each text. What it
                raises itself passes through.
        """
        known = self._memo.get(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            fresh = dict(zip(missing, (yield from self.embed_flow(missing)), strict=True))
            self._memo.put(fresh)
            known.update(fresh)
        return [known[text] for text in texts]

    def embed_flow(self, texts: list[str]) -> Flow[Vector]:
        """Embeds texts without remembering them, for many at once.

        Args:
            texts: The texts, at least one.

        Raises:
            InvalidInputError: See `rows_flow`.
        """
        model = self._embeddings
        # A question that is stored and one that is asked are both questions, so all are embedded in the same way.
        raw = yield Invoke(lambda: model.embed_documents(texts), lambda: model.aembed_documents(texts))
        try:
            with np.errstate(over="ignore"):  # too large a number becomes infinite, and is refused
                stacked = np.array(raw, np.float32)
        except (TypeError, ValueError):
            stacked = np.empty(0, np.float32)
        rows, dims = stacked.shape if stacked.ndim == 2 else (0, 0)
        if rows != len(texts) or not 1 <= dims <= _MOST_DIMS or not np.isfinite(stacked).all():
            raise InvalidInputError("the embedding model did not give one vector of finite numbers for each text")
        stacked.setflags(write=False)
        return stacked


def unit(vector: Vector) -> Vector:
    """Returns a vector scaled to length 1; one of zeros stays as it is."""
    scaled: Vector = vector / np.float32(max(float(np.linalg.norm(vector)), 1e-12))
    return scaled
