"""Replays answers that are there already: in chunks, as a model would stream them, or as a chat model of one answer.

An agent's handler runs a `ReplayModel` like any other model. So a cached answer is streamed, traced and parsed as the
model's own would be, structured outputs included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable


class ReplayModel(BaseChatModel):
    """A chat model whose answer is given."""

    message: AIMessage
    cache: Any = False
    """An answer from a cache is not cached again by LangChain."""

    @property
    def _llm_type(self) -> str:
        return "replay"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Returns the model itself: the answer is given, whatever could be called."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from chunks_of(ChatGeneration(message=self.message))


def chunks_of(generation: ChatGeneration) -> Iterator[ChatGenerationChunk]:
    """Splits an answer into the chunks of a stream, a line each; what belongs to the whole comes with the last."""
    message, info = generation.message, generation.generation_info
    fields, content = message.model_dump(exclude={"type", "content"}), message.content
    parts = content.splitlines(keepends=True) if isinstance(content, str) else []
    for part in parts[:-1]:
        yield ChatGenerationChunk(message=AIMessageChunk(content=part, id=message.id))
    last = AIMessageChunk(content=parts[-1] if parts else content, **{**fields, "chunk_position": "last"})
    yield ChatGenerationChunk(message=last, generation_info=info)
