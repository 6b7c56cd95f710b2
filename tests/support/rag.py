"""An embedding model and a retriever that note what they are asked, and in which colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from pydantic import Field


class Model(Embeddings):
    """Vectors of fractions that binary numbers of any width hold; documents and queries differ."""

    def __init__(self, length: int = 4, **said: Any) -> None:
        self.length = length
        self.calls: list[list[str]] = []
        self.colours: set[str] = set()
        self.special: dict[str, Sequence[float]] = {}
        for name, value in said.items():
            setattr(self, name, value)

    def vector(self, kind: str, text: str) -> list[float]:
        if text in self.special:
            return list(self.special[text])
        seed = blake2b(f"{kind}{text}".encode("utf-8", "surrogatepass"), digest_size=64).digest()
        return [seed[place % 64] / 256 - 0.5 for place in range(self.length)]

    def _all(self, kind: str, texts: list[str]) -> list[list[float]]:
        self.calls.append(list(texts))
        return [self.vector(kind, text) for text in texts]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.colours.add("sync")
        return self._all("d", texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self.colours.add("async")
        return self._all("d", texts)

    def embed_query(self, text: str) -> list[float]:
        self.colours.add("sync")
        return self._all("q", [text])[0]

    async def aembed_query(self, text: str) -> list[float]:
        self.colours.add("async")
        return self._all("q", [text])[0]


class Library(BaseRetriever):
    """Documents of an edition that name the query; `meanwhile` is called before they are given."""

    edition: int = 1
    k: int = 2
    asked: list[str] = Field(default_factory=list)
    colours: set[str] = Field(default_factory=set)
    runs: list[Any] = Field(default_factory=list)
    meanwhile: Callable[[], object] | None = None
    extra: dict[str, Any] = Field(default_factory=dict)

    def _found(self, query: str, run_manager: Any, k: int | None) -> list[Document]:
        self.asked.append(query)
        self.runs.append(run_manager)
        edition = self.edition
        if self.meanwhile is not None:
            self.meanwhile()
        return [
            Document(f"<{query}> in edition {edition}", id=f"{n}", metadata={"n": n, "edition": edition, **self.extra})
            for n in range(self.k if k is None else k)
        ]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        self.colours.add("sync")
        return self._found(query, run_manager, k)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        self.colours.add("async")
        return self._found(query, run_manager, k)
