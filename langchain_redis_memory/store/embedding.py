"""What of an item is embedded, and the embedding itself as a step of a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig, ensure_embeddings, get_text_at_path, tokenize_path

from langchain_redis_memory.errors import ConfigError, InvalidInputError, UnserialisableError
from langchain_redis_memory.ops import Flow, Invoke
from langchain_redis_memory.vectors.engine import Vectors, as_vectors

Paths = Sequence[Any]


@dataclass(frozen=True)
class IndexSettings:
    """An `IndexConfig` made ready; the texts of its paths are embedded unless a put names others."""

    dims: int
    embeddings: Embeddings
    paths: Paths

    @classmethod
    def of(cls, config: IndexConfig) -> IndexSettings:
        """Builds the settings from LangGraph's `dims`, `embed` and `fields`.

        Raises `ConfigError`: something is missing or of a wrong type.
        """
        if not isinstance(config, Mapping) or "dims" not in config or config.get("embed") is None:
            raise ConfigError("index must be an IndexConfig, as {'dims': 384, 'embed': embeddings}")
        try:
            embeddings = ensure_embeddings(config["embed"])
        except ValueError as error:
            raise ConfigError(str(error)) from error
        fields = config.get("fields")
        return cls(config["dims"], embeddings, _paths(["$"] if fields is None else fields, ConfigError))

    def texts(self, value: Mapping[str, Any], index: Any) -> list[str]:
        """Extracts the embedded texts of a value; a put's `index` is None for the configured paths, False for none.

        Raises `InvalidInputError`: it is not a list of paths either. Raises `UnserialisableError`: a part has no text
        form.
        """
        if index is False:
            return []
        paths = self.paths if index is None else _paths(index, InvalidInputError)
        try:
            return [text for path in paths for text in get_text_at_path(value, path)]
        except (TypeError, ValueError) as error:
            msg = f"the item's value cannot be embedded as text: {error}; name the fields to embed, or pass index=False"
            raise UnserialisableError(msg) from None

    def embed_flow(
        self, queries: Sequence[str], texts: Sequence[str]
    ) -> Flow[tuple[dict[str, Vectors], dict[str, Vectors]]]:
        """Embeds queries and texts, each once. Returns the vector of each query and of each text.

        Raises `InvalidInputError`: the vectors are not as configured.
        """
        questions, passages = list(dict.fromkeys(queries)), list(dict.fromkeys(texts))
        if not questions and not passages:
            return {}, {}
        model = self.embeddings

        def call() -> tuple[list[Any], list[Any]]:
            return [model.embed_query(query) for query in questions], model.embed_documents(
                passages
            ) if passages else []

        async def acall() -> tuple[list[Any], list[Any]]:
            vectors = [await model.aembed_query(query) for query in questions]
            return vectors, await model.aembed_documents(passages) if passages else []

        vectors, stored = yield Invoke(call, acall)
        if len(stored) != len(passages):
            raise InvalidInputError(
                f"the embedding function gave {len(stored)} vectors for {len(passages)} texts; it needs one for each"
            )
        return (
            {query: as_vectors(vector, self.dims)[0] for query, vector in zip(questions, vectors, strict=True)},
            {text: as_vectors(vector, self.dims)[0] for text, vector in zip(passages, stored, strict=True)},
        )


def _paths(fields: Any, error: type[ConfigError] | type[InvalidInputError]) -> Paths:
    if not isinstance(fields, list | tuple) or not all(isinstance(field, str) for field in fields):
        raise error(f"the fields to index must be a list of paths, got {fields!r}")
    return [field if field == "$" else tokenize_path(field) for field in fields]
