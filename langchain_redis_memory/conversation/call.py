"""One call of a wrapped chain: what a turn asks to retrieve, to generate, and to read and rebuild the output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.utils import AddableDict

from langchain_redis_memory.cache.sharing import Grounding, SharingRule
from langchain_redis_memory.conversation.chain_shape import QUESTION_KEYS, ChainShape
from langchain_redis_memory.conversation.output import OutputForm, Raw
from langchain_redis_memory.conversation.tool_watch import ToolWatch, watched
from langchain_redis_memory.conversation.turn import ModelInput, TurnReport, words_of
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.ops import Invoke, StreamResult
from langchain_redis_memory.redis.codec.messages import copied

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from langchain_redis_memory.conversation.graph_stream import GraphStream
    from langchain_redis_memory.conversation.turn_input import TurnQuestion

_GROUNDED = "Answer the question from the context below. If the context does not hold the answer, say so.\n\nContext:\n"


class WrappedChain(Frozen):
    """A chain as it was wrapped.

    Args:
        chain: The chain.
        retriever: Its retriever; None for none.
        shape: What it takes and gives.
        form: How its outputs are read.
        scope: Names it in keys.
        input_key: Where the caller said that the question is; None to look for it.
        output_key: Where the answer is in a dict; None where the output is the answer.
        grounding: When an answer made from documents is served.
        pure_tools: Tools that only look things up.
        keep_partial: Whether what was said is kept when a stream breaks off.
        single_flight_ms: How long an equal question waits for the first one's answer; 0: not at all.
        selectors: What chooses its prompts' examples somewhere, where documents are not trusted.
        warned: The retrievers inside of the chain that a warning has named.
    """

    chain: Runnable[Any, Any]
    retriever: Runnable[str, Any] | None
    shape: ChainShape
    form: OutputForm
    scope: str
    input_key: str | None
    output_key: str | None
    grounding: Grounding
    pure_tools: frozenset[str]
    keep_partial: bool
    single_flight_ms: int
    selectors: frozenset[str]
    warned: set[str]

    def question_key(self, said: str | None) -> str:
        """Returns the name under which the chain gets the question."""
        if self.input_key is not None:
            return self.input_key
        if self.shape.question_key not in self.shape.fields and said in QUESTION_KEYS[:2]:
            return str(said)  # the chain does not say what it reads, so it gets what its caller wrote
        return self.shape.question_key


class Call:
    """One call of a chain; see `turn.Chain`.

    The answer to a `private` input, which cannot be a part of a key, is its own alone.
    """

    def __init__(
        self,
        outer: WrappedChain,
        said: TurnQuestion,
        config: RunnableConfig,
        kwargs: dict[str, Any],
        sharing: SharingRule,
        *,
        private: bool,
    ) -> None:
        self.sharing = sharing
        self.grounding = outer.grounding
        self.keep_partial: bool = outer.keep_partial
        self.single_flight_ms: int = 0 if private else outer.single_flight_ms
        self._key = outer.question_key(said.key)
        self._outer = outer
        self._said = said
        self._config = config
        self._kwargs = kwargs
        self._watch = ToolWatch(outer.pure_tools, trusting=outer.grounding != "check")
        self._watch.retrievers |= outer.selectors  # what chooses examples searches, and no callback tells
        self._streamed: GraphStream | None = None
        self._raw: Raw | None = None
        self.scope: str = f"private:{uuid4()}" if private else outer.scope
        if outer.shape.takes == "fields" and self._key != QUESTION_KEYS[0]:
            self.scope += f"/{quote(self._key, safe='')}"  # the same question under another name is another input

    # --- asking -------------------------------------------------------------------------------------------------------

    def retrieve(self, query: str) -> Invoke | None:
        """Returns the step that asks the retriever; None where there is none."""
        retriever, config = self._outer.retriever, self._config
        if retriever is None:
            return None
        return Invoke(lambda: retriever.invoke(query, config), lambda: retriever.ainvoke(query, config))

    def generate(self, shown: ModelInput) -> Invoke:
        """Returns the step that asks the chain."""
        chain, config, kwargs = self._outer.chain, watched(self._config, self._watch), self._kwargs
        given = self._input(shown)
        if self._outer.shape.graph:
            return self._generate_graph(chain, given, config)
        return Invoke(
            lambda: chain.invoke(given, config, **kwargs),
            lambda: chain.ainvoke(given, config, **kwargs),
            lambda: chain.stream(given, config, **kwargs),
            lambda: chain.astream(given, config, **kwargs),
        )

    def _generate_graph(self, chain: Runnable[Any, Any], given: Any, config: RunnableConfig) -> Invoke:
        from langchain_redis_memory.conversation.graph_stream import GraphStream

        def seen() -> GraphStream:
            self._streamed = GraphStream(self._kwargs, self._outer.shape.stream_mode)
            return self._streamed

        return Invoke(
            lambda: chain.invoke(given, config, **self._kwargs),
            lambda: chain.ainvoke(given, config, **self._kwargs),
            lambda: (by := seen()).through(chain.stream(given, config, **by.kwargs)),
            lambda: (by := seen()).athrough(chain.astream(given, config, **by.kwargs)),
        )

    def _input(self, shown: ModelInput) -> Any:
        shape = self._outer.shape
        if shape.takes == "messages":
            return self._messages(shown)
        fields = {
            self._key: words_of(shown.question),
            shape.history_key: [*self._said.lead, *shown.memory],
            "context": _joined(shown.documents),
            "documents": list(map(_own, shown.documents)),
        }
        if shape.graph or shape.takes == "state":  # a graph warns of names that are none of its own
            fields = {name: value for name, value in fields.items() if name in shape.fields}
        state = {"messages": self._messages(shown)} if shape.takes == "state" else {}
        return {**self._said.given, **fields, **state}

    def _messages(self, shown: ModelInput) -> list[BaseMessage]:
        adds_documents = shown.documents and "context" not in self._outer.shape.fields
        grounded = [SystemMessage(_GROUNDED + _joined(shown.documents))] if adds_documents else []
        return [*self._said.lead, *grounded, *shown.memory, copied(shown.question)]

    # --- reading ------------------------------------------------------------------------------------------------------

    def value(self, raw: Any) -> str | BaseMessage:
        """Extracts the answer from what the chain returned or streamed."""
        form = self._outer.form
        if not isinstance(raw, StreamResult):
            self._raw = Raw(raw)
        else:
            self._raw = Raw(self._streamed.state) if self._streamed is not None else form.joined(raw.chunks)
        return form.answer(self._raw.value)

    def output(self, value: str | BaseMessage) -> Any:
        """Returns the runnable's output; called after `value`."""
        raw = None if self._raw is None else self._raw.value
        key = self._outer.output_key
        if key is not None and not isinstance(raw, dict):
            return {key: value}
        return value if isinstance(raw, str | AIMessage) else raw

    def output_to_keep(self) -> tuple[bool, Mapping[str, Any] | None]:
        """Returns whether the output may be cached for other runs, and all of it but the answer; see `OutputForm`."""
        if self._watch.forbids_caching(self._outer.warned):
            return False, None
        if self._raw is None:  # an answer that was not made by the chain, as in warming
            return self._outer.shape.takes != "state" and not self._outer.shape.types, None
        return self._outer.form.keep(self._raw)

    def restored(self, value: str | BaseMessage, kept: Mapping[str, Any] | None, shown: ModelInput) -> tuple[bool, Any]:
        """Returns whether the output of a cached answer can be rebuilt, and the output."""
        return self._outer.form.build(value, kept, self._messages(shown) if self._outer.shape.takes == "state" else ())

    def said_so_far(self, chunks: Sequence[Any]) -> str:
        """Returns the text of an answer that broke off after these chunks."""
        key = self._outer.output_key
        if self._streamed is not None:
            return self._streamed.said
        parts = [chunk.get(key, "") if key is not None and isinstance(chunk, dict) else chunk for chunk in chunks]
        return "".join(str(part.text) if isinstance(part, BaseMessage) else part for part in parts if _is_text(part))

    # --- returning ----------------------------------------------------------------------------------------------------

    def delivered(self, report: TurnReport) -> Any:
        """Returns the output that the caller gets of a whole turn; a message also says where it is from."""
        output, key = report.output, self._outer.output_key
        if report.cache == "hit":
            return output
        if isinstance(output, AIMessage):
            return _labelled(output, report)
        if key is not None and isinstance(output, dict) and isinstance(output.get(key), AIMessage):
            return {**output, key: _labelled(output[key], report)}
        return output

    def chunks_of(self, report: TurnReport) -> list[Any]:
        """Returns a cached answer as the chunks of a stream, as the chain would have streamed it."""
        if self._outer.shape.graph:
            from langchain_redis_memory.conversation.graph_stream import GraphStream

            return GraphStream(self._kwargs, self._outer.shape.stream_mode).served(report.output)
        if self._outer.output_key is not None:
            return [AddableDict({name: _as_chunk(value) for name, value in report.output.items()})]
        return [_as_chunk(report.output)]


def _labelled(message: AIMessage, report: TurnReport) -> AIMessage:
    metadata = {**message.response_metadata, "cache": {"hit": False, "kind": report.cache, "why": report.why}}
    return copied(message, response_metadata=metadata)


def _is_text(part: Any) -> bool:
    return isinstance(part, str | BaseMessage)


def _joined(documents: Sequence[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


def _own(document: Document) -> Document:
    """Copies a document for the chain: what it notes there (a score) is not part of what was found."""
    return document.model_copy(update={"metadata": dict(document.metadata)})


def _as_chunk(output: Any) -> Any:
    """A whole message as the one chunk of a stream."""
    if isinstance(output, AIMessage) and not isinstance(output, AIMessageChunk):
        return AIMessageChunk(**output.model_dump(exclude={"type"}))
    return output
