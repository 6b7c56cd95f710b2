"""A memory around a chain, as a LangChain runnable: sync, async, streaming.

The input is a question as text, a message, a list of messages that ends with a human one, or a dict. A chat model gets
messages; any other runnable gets a dict. What comes out is what the chain returns; on a cache hit, the same kind of
thing. A stream's chunks pass through while they come, and the turn is stored when the last one has: an iterator that
is closed early stores nothing.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast
from uuid import uuid4

from langchain_core.documents import Document
from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    BaseMessageChunk,
    HumanMessage,
    SystemMessage,
    message_chunk_to_message,
)
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase, coerce_to_runnable
from langchain_core.runnables.configurable import DynamicRunnable
from langchain_core.runnables.utils import ConfigurableFieldSpec, add

from langchain_redis_memory.cache.sharing import (
    Asker,
    AudienceClassifier,
    Grounding,
    Share,
    Sharing,
    check_share,
    rights_of,
    users_of,
)
from langchain_redis_memory.conversation.tool_watch import ToolWatch, watched
from langchain_redis_memory.conversation.turn import ModelInput, TurnInput, TurnReport, TurnRunner
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.ops import Invoke, StreamResult
from langchain_redis_memory.redis.codec.fingerprint import Description, deciding_settings, describable, describe

_log = logging.getLogger(__name__)

_GROUNDED = "Answer the question from the context below. If the context does not hold the answer, say so.\n\nContext:\n"


def is_model(chain: Any) -> bool:
    """Whether a runnable takes messages: a language model, also bound, retried, configurable or before a parser.

    Args:
        chain: The runnable.

    Returns:
        Whether it is a model.
    """
    while not isinstance(chain, BaseLanguageModel):
        if isinstance(chain, RunnableBindingBase):
            chain = chain.bound
        elif isinstance(chain, RunnableWithFallbacks):
            chain = chain.runnable
        elif isinstance(chain, DynamicRunnable):
            chain = chain.default
        elif isinstance(chain, RunnableSequence):
            chain = chain.first
        else:
            return False
    return True


class _Call:
    """One call of a chain: the `Chain` that a turn asks to retrieve, to generate and to read the answer."""

    def __init__(
        self,
        outer: RememberingRunnable,
        given: dict[str, Any],
        lead: Sequence[BaseMessage],
        config: RunnableConfig,
        kwargs: dict[str, Any],
        sharing: Sharing,
        *,
        private: bool,
    ) -> None:
        self.sharing = sharing
        self.grounding = outer.options.grounding
        self._watch = ToolWatch(outer.options.pure_tools)
        self._outer = outer
        self._given = given
        self._lead = lead
        self._config = config
        self._kwargs = kwargs
        self._raw: Any = None
        # What cannot be described cannot be part of a key, so such an answer is for this call alone.
        self.scope = f"private:{uuid4()}" if private else outer.scope

    def retrieve(self, query: str) -> Invoke | None:
        """The step that asks the retriever."""
        retriever = self._outer.retriever
        if retriever is None:
            return None
        config = self._config
        return Invoke(lambda: retriever.invoke(query, config), lambda: retriever.ainvoke(query, config))

    def generate(self, shown: ModelInput) -> Invoke:
        """The step that asks the chain."""
        chain, config, kwargs = self._outer.chain, watched(self._config, self._watch), self._kwargs
        given = self._messages(shown) if is_model(chain) else self._fields(shown)
        return Invoke(
            lambda: chain.invoke(given, config, **kwargs),
            lambda: chain.ainvoke(given, config, **kwargs),
            lambda: chain.stream(given, config, **kwargs),
            lambda: chain.astream(given, config, **kwargs),
        )

    def _messages(self, shown: ModelInput) -> list[BaseMessage]:
        grounded = [SystemMessage(_GROUNDED + _joined(shown.documents))] if shown.documents else []
        return [*self._lead, *grounded, *shown.memory, shown.question]

    def _fields(self, shown: ModelInput) -> dict[str, Any]:
        return {
            **self._given,
            self._outer.input_key: str(shown.question.text),
            "history": [*self._lead, *shown.memory],
            "context": _joined(shown.documents),
            "documents": list(shown.documents),
        }

    def output(self, report: TurnReport) -> Any:
        """What the runnable returns: the chain's own output, or the like of it from the cache."""
        key = self._outer.output_key
        if key is None:
            return report.value
        return self._raw if self._raw is not None else {**(report.output or {}), key: report.value}

    def output_to_keep(self) -> tuple[bool, dict[str, Any] | None]:
        """Whether another run may be given what the chain returned, and the other keys of a dict."""
        if self._watch.tools:
            _log.debug("not cached, because tools ran: %s", ", ".join(sorted(self._watch.tools)))
            return False, None
        if self._raw is None:
            return True, None
        output = {name: value for name, value in self._raw.items() if name != self._outer.output_key}
        return describable(output), output

    def value(self, raw: Any) -> str | BaseMessage:
        """The answer in what the chain returned or streamed."""
        if isinstance(raw, StreamResult):
            if not raw.chunks:
                msg = "the chain streamed nothing"
                raise InvalidInputError(msg)
            raw = add(raw.chunks)
        if isinstance(raw, dict):
            self._raw, key = raw, self._outer.output_key
            if key is None or key not in raw:
                msg = f"the chain returned a dict with the keys {sorted(map(str, raw))}: name the answer's: output_key"
                raise InvalidInputError(msg)
            raw = raw[key]
        if isinstance(raw, BaseMessageChunk):
            raw = message_chunk_to_message(raw)
        if isinstance(raw, str | AIMessage):
            return raw
        msg = (
            f"the chain returned {type(raw).__name__}; an answer is a string, an AIMessage, or a dict with one of them"
        )
        raise InvalidInputError(msg)


def _joined(documents: Sequence[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


class WrapOptions(NamedTuple):
    """How a chain is wrapped; see `ConversationMemory.wrap`."""

    scope: str | None
    input_key: str
    output_key: str | None
    share: Share
    grounding: Grounding
    pure_tools: frozenset[str]


class RememberingRunnable(Runnable[Any, Any]):
    """A chain or a model with a conversation's memory and cache around it. Made by `ConversationMemory.wrap`.

    **Keys:** those of `ConversationMemory`.
    **Trips:** at most 3 a call; 2 where a question that stands alone hits the cache.
    """

    def __init__(
        self,
        memory: TurnRunner,
        chain: Runnable[Any, Any],
        retriever: Runnable[str, Any] | Callable[[str], Any] | None,
        options: WrapOptions,
        audience: AudienceClassifier,
    ) -> None:
        if not isinstance(chain, Runnable):
            msg = (
                f"wrap takes a runnable (a model, a chain), got {type(chain).__name__}; for a function, RunnableLambda"
            )
            raise ConfigError(msg)
        self.memory = memory
        self.chain = chain
        self.retriever = None if retriever is None else coerce_to_runnable(cast("Any", retriever))
        check_share(options.share, options.grounding)
        self.options = options
        self.input_key = options.input_key
        self.output_key = options.output_key
        self._audience = audience
        described = describe([self.chain, self.retriever])
        # Where documents are trusted unseen, the retriever decides what is served, so its view counts as the chain's.
        trusted = self.retriever if options.grounding != "check" else None
        self._acts = describe([self.chain, trusted]).acts
        self.scope = self._scope(options.scope, described)

    @staticmethod
    def _scope(scope: str | None, described: Description) -> str:
        """Names the chain in keys: what the user calls it, and all of it that can be described."""
        if scope is None and described.opaque:
            _log.warning(
                "%s cannot be described, so cached answers serve only this one object and end with its process; "
                "share them across processes with wrap(..., scope='a-name-and-version')",
                " and ".join(described.opaque),
            )
            return f"private:{uuid4()}"
        return f"{scope or ''}:{described.digest}"

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What a config may set: `session_id` (required), `agent`, `tenant`."""
        mine = [
            ConfigurableFieldSpec(id="session_id", annotation=str, name="Session", description="The conversation."),
            ConfigurableFieldSpec(id="agent", annotation=str, name="Agent", description="Which agent's.", default=""),
            ConfigurableFieldSpec(id="tenant", annotation=str, name="Tenant", description="Whose data.", default=""),
        ]
        return [*mine, *(spec for spec in self.chain.config_specs if spec.id not in {m.id for m in mine})]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Answers a question and stores the turn.

        Args:
            input: The question: text, a message, a list of messages that ends with a human one, or a dict.
            config: Names the conversation: `{"configurable": {"session_id": ...}}`. Whatever else is configurable
                (a user's rights, a model's name) may decide the answer, so only turns with equal settings share one.
            **kwargs: Passed on to the chain.

        Returns:
            What the chain returns.

        Raises:
            ConfigError: The config names no `session_id`.
            InvalidInputError: The input holds no question, or the chain's output no answer.

        **Keys:** those of `ConversationMemory`.
        **Trips:** at most 3.
        """
        return self._call_with_config(cast("Any", self._invoke), input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Answers a question and stores the turn; see `invoke`."""
        return await self._acall_with_config(cast("Any", self._ainvoke), input, config, **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Answers a question in chunks and stores the turn after the last one; see `invoke`.

        **Keys:** those of `ConversationMemory`.
        **Trips:** at most 3.
        """
        yield from self.transform(iter([input]), config, **kwargs)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Answers a question in chunks and stores the turn after the last one; see `stream`."""

        async def one() -> AsyncIterator[Any]:
            yield input

        async for chunk in self.atransform(one(), config, **kwargs):
            yield chunk

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Answers a question that comes in chunks; see `stream`.

        **Keys:** those of `ConversationMemory`.
        **Trips:** at most 3.
        """
        yield from self._transform_stream_with_config(input, cast("Any", self._transform), config, **kwargs)

    async def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Answers a question that comes in chunks; see `transform`."""
        async for chunk in self._atransform_stream_with_config(input, cast("Any", self._atransform), config, **kwargs):
            yield chunk

    # --- one turn -----------------------------------------------------------------------------------------------------

    def _invoke(self, input: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        incoming, call = self._prepare(input, config, kwargs)
        return call.output(self.memory.client.drive(self.memory.turn(incoming, call)))

    async def _ainvoke(self, input: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        incoming, call = self._prepare(input, config, kwargs)
        return call.output(await self.memory.client.adrive(self.memory.turn(incoming, call)))

    def _transform(self, inputs: Iterator[Any], config: RunnableConfig, **kwargs: Any) -> Iterator[Any]:
        incoming, call = self._prepare(add(inputs), config, kwargs)
        chunks = self.memory.client.stream(self.memory.turn(incoming, call), chunks=True)
        silent = True
        while True:
            try:
                chunk = next(chunks)
            except StopIteration as done:
                if silent:
                    yield _as_chunk(call.output(done.value))
                return
            silent = False
            yield chunk

    async def _atransform(
        self, inputs: AsyncIterator[Any], config: RunnableConfig, **kwargs: Any
    ) -> AsyncIterator[Any]:
        incoming, call = self._prepare(add([part async for part in inputs]), config, kwargs)
        reports: list[TurnReport] = []
        silent = True
        async for chunk in self.memory.client.astream(self.memory.turn(incoming, call), chunks=True, result=reports):
            silent = False
            yield chunk
        if silent:
            yield _as_chunk(call.output(reports[0]))

    def _prepare(self, input: Any, config: RunnableConfig, kwargs: dict[str, Any]) -> tuple[TurnInput, _Call]:
        configurable = config.get("configurable") or {}
        session_id = next((configurable[name] for name in _SESSIONS if configurable.get(name) is not None), None)
        if session_id is None:
            msg = "name the conversation: config={'configurable': {'session_id': '...'}}"
            raise ConfigError(msg)
        given = dict(input) if isinstance(input, dict) else {}
        if isinstance(input, dict) and self.input_key not in given:
            msg = (
                f"the input has the keys {sorted(map(str, given))}, but the question is expected in {self.input_key!r}"
            )
            raise InvalidInputError(msg)
        lead, question = _question(given.pop(self.input_key) if isinstance(input, dict) else input)
        settings = deciding_settings(configurable, *_SEPARATED)
        parts = [given, kwargs, settings, rights_of(config) if self._acts else []]
        deciding = parts if any(parts) else None
        private = not describable(deciding)
        asker = Asker(users_of(config), str(session_id))
        sharing = Sharing(asker, self._audience(str(question.text), opaque=self._acts), self._acts, self.options.share)
        incoming = TurnInput(
            session_id=session_id,
            agent=configurable.get("agent", ""),
            tenant=configurable.get("tenant", ""),
            question=question,
            lead=lead,
            given=None if private else deciding,
            user=asker.user,
        )
        return incoming, _Call(self, given, lead, config, kwargs, sharing, private=private)


_SESSIONS = ("session_id", "thread_id")
_SEPARATED = ("agent", "tenant", "user_id", "langgraph_auth_user", "langgraph_auth_user_id")
"""Settings that every key is separated by anyway; the user is, where the chain can see who asks."""


def _question(said: Any) -> tuple[list[BaseMessage], HumanMessage]:
    """The system messages in front of a question, and the question."""
    if isinstance(said, str):
        return [], HumanMessage(said)
    if isinstance(said, HumanMessage):
        return [], said
    if isinstance(said, Sequence) and said and isinstance(said[-1], HumanMessage):
        lead = list(said[:-1])
        if all(isinstance(message, SystemMessage) for message in lead):
            return lead, said[-1]
        msg = "pass only the new question (and system messages before it): the memory adds the conversation itself"
        raise InvalidInputError(msg)
    msg = f"a question is text, a HumanMessage, or a list that ends with one; got {type(said).__name__}"
    raise InvalidInputError(msg)


def _as_chunk(output: Any) -> Any:
    """A whole output as the one chunk of a stream."""
    if isinstance(output, AIMessage) and not isinstance(output, AIMessageChunk):
        return AIMessageChunk(**output.model_dump(exclude={"type"}))
    return output
