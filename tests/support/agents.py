"""Scripted chat models and tools for tests of middleware on real agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field, field_validator

USAGE: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


class ScriptedModel(BaseChatModel):
    """A chat model that answers as its script says, or with the number of the call; it notes what it was shown."""

    script: list[Any] = Field(default_factory=list)
    """Messages, texts, or what to raise; the next one is taken for each call."""
    shown: list[list[BaseMessage]] = Field(default_factory=list)
    bound: list[dict[str, Any]] = Field(default_factory=list)
    name_: str = "scripted"

    @field_validator("script")
    @classmethod
    def _as_messages(cls, script: list[Any]) -> list[Any]:
        """Texts as messages: plain data says which model it is, and that it is not to change with each call."""
        return [AIMessage(said, usage_metadata=USAGE) if isinstance(said, str) else said for said in script]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"name": self.name_}

    @property
    def calls(self) -> int:
        return len(self.shown)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        self.bound.append({"tools": [getattr(tool, "name", tool) for tool in tools], **kwargs})
        return self

    def _message(self, messages: list[BaseMessage]) -> AIMessage:
        self.shown.append(list(messages))
        said: Any = self.script.pop(0) if self.script else f"answer {self.calls}"
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, AIMessage) else AIMessage(said, usage_metadata=USAGE)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._message(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        whole = self._message(messages)
        if whole.tool_calls:
            yield ChatGenerationChunk(message=AIMessageChunk(**whole.model_dump(exclude={"type"})))
            return
        words = str(whole.text).split(" ")
        for at, word in enumerate(words):
            last = at == len(words) - 1
            usage = whole.usage_metadata if last else None
            yield ChatGenerationChunk(
                message=AIMessageChunk(content=word + ("" if last else " "), usage_metadata=usage)
            )


def calling(name: str, *calls: dict[str, Any]) -> AIMessage:
    """A message of the model that calls a tool, once for each arguments."""
    return AIMessage(
        "", tool_calls=[{"name": name, "args": args, "id": f"{name}-{at}"} for at, args in enumerate(calls)]
    )
