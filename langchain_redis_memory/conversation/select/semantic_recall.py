"""Which messages are about the same as a question? Nearest vectors over a conversation, each text embedded once.

The vectors stay in this process, bounded, by the text itself: the same text has the same vector in any conversation.
What is not known yet is embedded in one call together with the others. The work is bounded as well: of a very long
conversation the newest messages and those that share a word with the question are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage

from langchain_redis_memory.extras import require_numpy
from langchain_redis_memory.ops import Flow, Invoke

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.embeddings import Embeddings
    from numpy.typing import NDArray

_LONGEST = 1_000
"""Characters of a text that are embedded: sentence models read little more."""


class SemanticRecall:
    """Finds messages by meaning.

    Args:
        embeddings: Any LangChain embedding model.
        most_vectors: Most vectors that are kept.
        most_compared: Most messages of a conversation that are compared.
    """

    def __init__(self, embeddings: Embeddings, most_vectors: int = 20_000, most_compared: int = 2_000) -> None:
        require_numpy()
        self._embeddings = embeddings
        self._most_vectors = most_vectors
        self._most_compared = most_compared
        self._known: dict[str, NDArray[np.float32]] = {}

    def nearest(self, turn: str, history: Sequence[BaseMessage], preferred: Sequence[int]) -> Flow[list[int]]:
        """The messages nearest to a question.

        Args:
            turn: The question.
            history: The conversation, oldest first.
            preferred: Places to compare even where the conversation is too long to compare all.

        Returns:
            A flow that gives places, the nearest first. What the embedding model raises passes through it.
        """
        import numpy as np

        newest = range(max(0, len(history) - self._most_compared), len(history))
        places = sorted({*newest, *preferred[: self._most_compared]})
        texts = {place: str(history[place].text)[:_LONGEST] for place in places}
        texts = {place: text for place, text in texts.items() if text.strip()}
        question = turn[:_LONGEST]
        known = {text: self._known[text] for text in {*texts.values(), question} if text in self._known}
        missing = list(dict.fromkeys(text for text in [*texts.values(), question] if text not in known))
        if missing:
            vectors = yield self._embed(missing)
            for text, vector in zip(missing, vectors, strict=True):
                row = np.asarray(vector, np.float32)
                known[text] = row / (float(np.linalg.norm(row)) or 1.0)
        self._keep(known)
        if not texts:
            return []
        near = np.stack([known[text] for text in texts.values()]) @ known[question]
        order = list(texts)
        return [order[row] for row in np.argsort(-near, kind="stable")]

    def _embed(self, texts: list[str]) -> Invoke:
        embeddings = self._embeddings

        async def later() -> Any:
            return await embeddings.aembed_documents(texts)

        return Invoke(lambda: embeddings.embed_documents(texts), later)

    def _keep(self, used: dict[str, NDArray[np.float32]]) -> None:
        for text, vector in used.items():
            self._known.pop(text, None)
            self._known[text] = vector
        for text in list(self._known)[: max(0, len(self._known) - self._most_vectors)]:
            self._known.pop(text, None)
