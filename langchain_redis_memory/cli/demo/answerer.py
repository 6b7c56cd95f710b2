"""The default model of `chat`: it extracts, it does not generate.

From the context it is given it returns the sentences nearest to the question; without context it answers from the
conversation that it was shown. So it needs no key and no download, and what it says is traceable. It is a
LangChain chat model like any other, so `--model` can replace it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"'(])")
_ORDER = (
    (re.compile(r"\bfirst\b", re.IGNORECASE), 0, "first"),
    (re.compile(r"\bsecond\b", re.IGNORECASE), 1, "second"),
    (re.compile(r"\b(?:last|previous|just|before)\b", re.IGNORECASE), -1, "last"),
)
_SHORT = re.compile(r"\b(?:short|shorter|brief|one sentence|summar|simple|simpler)", re.IGNORECASE)


class ExtractiveAnswerer(BaseChatModel):
    """Answers by extraction: the nearest sentences of the context, or of the conversation."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    embeddings: MiniLMEmbeddings
    sentences: int = 2

    @property
    def _llm_type(self) -> str:
        return "extractive"

    def _answer(self, messages: Sequence[BaseMessage]) -> str:
        question = str(messages[-1].text)
        context = next((str(m.text) for m in messages if isinstance(m, SystemMessage) and "Context:\n" in m.text), "")
        if context:
            return self._from_context(question, messages, context.partition("Context:\n")[2])
        return self._from_conversation(question, messages[:-1])

    def _from_context(self, question: str, messages: Sequence[BaseMessage], context: str) -> str:
        asked = [str(m.text) for m in messages if isinstance(m, HumanMessage)]
        about = " ".join(asked[-2:]) if len(asked) > 1 else question
        sentences: list[tuple[str, str]] = []
        for document in context.split("\n\n"):
            source, _, body = document.partition(": ")
            sentences += [(source, sentence) for sentence in _SENTENCE.split(body) if len(sentence) > 20]
        if not sentences:
            return "The context does not say."
        vectors = self.embeddings.vectors([about, *(f"{source}: {sentence}" for source, sentence in sentences)])
        scores = vectors[1:] @ vectors[0]
        best = sorted(range(len(sentences)), key=lambda place: -scores[place])[: self.sentences]
        source = sentences[best[0]][0]
        answers = [sentences[place][1] for place in sorted(best) if sentences[place][0] == source]
        return f"{' '.join(answers)} [{source}]"

    def _from_conversation(self, question: str, memory: Sequence[BaseMessage]) -> str:
        asked = [str(message.text) for message in memory if isinstance(message, HumanMessage)]
        answered = [str(message.text) for message in memory if isinstance(message, AIMessage)]
        if not asked:
            return "Nothing was said before in this conversation."
        last = answered[-1] if answered else asked[-1]
        if _SHORT.search(question):
            return _SENTENCE.split(last)[0]
        if re.search(r"\b(?:ask|asked|question|say|said|talk|discuss)", question, re.IGNORECASE):
            for pattern, place, name in _ORDER:
                if pattern.search(question) and -len(asked) <= place < len(asked):
                    return f'Your {name} question was: "{asked[place]}"'
            return "You asked: " + "; ".join(asked)
        return f"As said: {last}"

    def _message(self, messages: Sequence[BaseMessage]) -> AIMessage:
        text = self._answer(messages)
        read, written = count_tokens_approximately(messages), count_tokens_approximately([AIMessage(text)])
        usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
        return AIMessage(text, usage_metadata=usage, response_metadata={"finish_reason": "stop"})

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
        words = re.findall(r"\S+\s*", str(whole.text))
        for place, word in enumerate(words):
            usage = whole.usage_metadata if place == len(words) - 1 else None
            yield ChatGenerationChunk(message=AIMessageChunk(content=word, usage_metadata=usage))
