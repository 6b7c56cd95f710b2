"""The documents of `chat`: the documentation strings of Python's standard library, embedded at start."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, ClassVar

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from langchain_redis_memory.extras import np, npt
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

MODULES = """
argparse bisect collections contextlib copy csv dataclasses datetime functools glob gzip hashlib heapq itertools json
math os pathlib pickle queue random re secrets shutil statistics subprocess tempfile textwrap threading time
urllib.parse uuid zipfile
""".split()
_LONGEST = 360
_SHORTEST = 60


def _documented(module: Any) -> Iterator[tuple[str, str]]:
    """(name, documentation) of a module and of what it defines in public."""
    yield module.__name__, inspect.getdoc(module) or ""
    for name in getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]:
        thing = getattr(module, name, None)
        if not (inspect.isclass(thing) or inspect.isroutine(thing)):
            continue
        full = f"{module.__name__}.{name}"
        yield full, inspect.getdoc(thing) or ""
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and inspect.isroutine(value):
                    yield f"{full}.{member}", inspect.getdoc(value) or ""


def chunks() -> list[Document]:
    """Builds the documents: one for each documented name, without repeats, each at most 360 characters long."""
    documents: dict[str, Document] = {}
    for name in MODULES:
        for source, text in _documented(import_module(name)):
            body = " ".join(text.split())
            if len(body) >= _SHORTEST and body not in documents:
                short = body if len(body) <= _LONGEST else body[:_LONGEST].rsplit(" ", 1)[0] + " ..."
                documents[body] = Document(f"{source}: {short}", metadata={"source": source})
    return list(documents.values())


class DocstringRetriever(BaseRetriever):
    """Finds the documents nearest to a query by the cosine of their embeddings; exact, in memory."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    documents: list[Document]
    vectors: npt.NDArray[np.float32]
    embeddings: MiniLMEmbeddings
    k: int = 4

    @classmethod
    def build(
        cls, embeddings: MiniLMEmbeddings, documents: list[Document], progress: Callable[[int], None] | None = None
    ) -> DocstringRetriever:
        """Embeds the documents; `progress` is called with the number of those done since its last call."""
        vectors = embeddings.vectors([document.page_content for document in documents], progress)
        return cls(documents=documents, vectors=vectors, embeddings=embeddings)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        nearest = np.argsort(-(self.vectors @ self.embeddings.vectors([query])[0]))[: self.k]
        return [self.documents[place] for place in nearest]
