"""`ReplayModel`: a chat model that gives one answer which is there already.

An agent's handler runs it like any other model. So a cached answer is streamed, traced and parsed as the model's own
would be, structured outputs included.
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
    """A chat model whose answer is given.

    Args:
        message: The answer.
    """

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
        fields = self.message.model_dump(exclude={"type", "content"})
        content = self.message.content
        parts = content.splitlines(keepends=True) if isinstance(content, str) else []
        for part in parts[:-1]:
            yield ChatGenerationChunk(message=AIMessageChunk(content=part, id=self.message.id))
        last = parts[-1] if parts else content
        yield ChatGenerationChunk(message=AIMessageChunk(content=last, **fields, chunk_position="last"))
