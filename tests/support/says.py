"""A chat model that always answers the same."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda
from pydantic import Field


class Says(BaseChatModel):
    """Answers with a text or with what a function makes of the messages, or raises it, and keeps what it was asked."""

    answer: Any = ""
    structured: bool = False
    asked: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "says"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.append(messages)
        if isinstance(self.answer, Exception):
            raise self.answer
        said = self.answer(messages) if callable(self.answer) else self.answer
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said))])

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        if not self.structured:
            raise NotImplementedError
        return RunnableLambda(lambda messages: json.loads(self._generate(messages).generations[0].message.text))
