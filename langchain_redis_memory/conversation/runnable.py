"""A memory around a chain, as a LangChain runnable: sync, async, streaming.

The input is a question as text, a message, a list of messages that ends with a human one, or a dict. What comes out is
what the chain returns; on a cache hit, the like of it. A stream's chunks pass through while they come, and the turn is
stored when the last one has: an iterator that is closed early stores nothing, or what was said with `keep_partial`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from inspect import signature
from typing import Any, cast
from uuid import uuid4

from langchain_core.callbacks.manager import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import coerce_to_runnable
from langchain_core.runnables.utils import ConfigurableFieldSpec, Output, add

from langchain_redis_memory.cache.sharing import Asker, AudienceClassifier, Grounding, Share, SharingRule
from langchain_redis_memory.checks import check_type
from langchain_redis_memory.conversation.call import Call, WrappedChain
from langchain_redis_memory.conversation.chain_shape import shape_of
from langchain_redis_memory.conversation.chain_threads import keeps_conversations
from langchain_redis_memory.conversation.output import OutputForm
from langchain_redis_memory.conversation.tool_watch import note_cache
from langchain_redis_memory.conversation.turn import TurnInput, TurnReport, TurnRunner, words_of
from langchain_redis_memory.conversation.turn_input import read_input
from langchain_redis_memory.conversation.turn_report import EVENT, event_of
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.redis.codec.fingerprint import Description, deciding_settings, describable, describe
from langchain_redis_memory.redis.key_groups import text_of
from langchain_redis_memory.run_config import accessor_of, rights_of, users_of

_log = logging.getLogger(__name__)


class WrapOptions(Frozen):
    """How a chain is wrapped; see `ConversationMemory.wrap`."""

    scope: str | None
    input_key: str | None
    output_key: str | None
    share: Share
    grounding: Grounding
    pure_tools: frozenset[str]
    single_flight_ms: int
    keep_partial: bool


class _ChainNow(Frozen):
    """A chain with what was read of it at one moment, exchanged as a whole: other threads may be in a turn.

    Args:
        described: What names its answers.
        acts: Whether a part of it may read the config and have effects.
        private: Names this one object in keys, where the chain cannot be described.
        wrapped: The chain as each call gets it.
    """

    described: Description
    acts: bool
    private: str
    wrapped: WrappedChain


class RememberingRunnable(Runnable[Any, Output]):
    """Runs a chain or a model with a conversation's memory and cache. Made by `ConversationMemory.wrap`.

    Each turn leaves the custom event `langchain_redis_memory.turn` in the run tree.

    **Keys:** those of `ConversationMemory`.
    **Trips:** at most 3 a call; 2 where a question that stands alone hits the cache. 1 for each look of a call that
        waits for the answer to an equal question.
    """

    def __init__(
        self,
        memory: TurnRunner,
        chain: Runnable[Any, Output],
        retriever: Runnable[str, Any] | Callable[..., Any] | None,
        options: WrapOptions,
        audience: AudienceClassifier,
    ) -> None:
        if not isinstance(chain, Runnable):
            raise ConfigError(
                f"wrap takes a runnable (a model, a chain), got {type(chain).__name__}; for a function, RunnableLambda"
            )
        if retriever is not None:
            wanted = "a retriever or a function (of a vector store, its as_retriever())"
            check_type(retriever, (Runnable, Callable), "retriever", wanted, ConfigError)  # type: ignore[arg-type]
        self.memory = memory
        self.chain = chain
        self.retriever: Runnable[Any, Any] | None = (
            None if retriever is None else coerce_to_runnable(cast("Any", retriever))
        )
        self._audience = audience
        self._share = options.share
        self._barred = self._warned_of_threads() if options.share != "none" else ""
        self._options = options
        # What the chain itself is configured by decides its answers, whatever the setting is called.
        self._own_settings = {spec.id for spec in self.chain.config_specs}
        self._shape = shape_of(chain, options.input_key)
        self._warned: set[str] = set()
        self._now = self._read_chain(f"private:{uuid4()}")
        self._turn, self._aturn = _with_signature(self._invoke), _with_signature(self._ainvoke)

    @property
    def scope(self) -> str:
        """Names the chain in keys: what the user calls it, and all of it that can be described."""
        return self._now.wrapped.scope

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.memory!r}, {type(self.chain).__name__})"

    def _warned_of_threads(self) -> str:
        """Says why no answer is shared of a chain that has conversations of its own, "" where it has none."""
        name = keeps_conversations(self.chain)
        if name is None:
            return ""
        _log.warning(
            "answers are not cached: %s inside of the chain keeps conversations of its own, which no key covers; "
            "compile it without a checkpointer (this memory adds the conversation), or say share='none'",
            name,
        )
        return "the chain keeps conversations of its own"

    def _read_chain(self, private: str) -> _ChainNow:
        """Describes the chain as it is now: what names its answers, and what it may see and do."""
        options = self._options
        # What lets answers in is part of their key: a tool that is pure no more would still be served from before.
        allowed = [options.grounding, sorted(options.pure_tools)]
        described = describe([self.chain, self.retriever, *(allowed if allowed != ["check", []] else ())])
        trusting = options.grounding != "check"
        # Where documents are trusted unseen, the retriever decides what is served, so its view counts as the chain's.
        acts = describe([self.chain, self.retriever if trusting else None]).acts
        # Plain text, so that a chain around this one is described by it: what is private here is told to nobody.
        self._named = f"{options.scope or ''}:{described.digest}"
        wrapped = WrappedChain(
            self.chain,
            self.retriever,
            self._shape,
            OutputForm(self._shape, options.output_key),
            self._scope(described, private),
            options.input_key,
            options.output_key,
            options.grounding,
            options.pure_tools,
            options.keep_partial,
            options.single_flight_ms,
            frozenset() if trusting else described.selectors - options.pure_tools,
            warned=self._warned,
        )
        return _ChainNow(described, acts, private, wrapped)

    def _scope(self, described: Description, private: str) -> str:
        """Names the chain in keys: what the user calls it, and all of it that can be described."""
        if self._options.scope is not None or not described.opaque:
            return f"{self._options.scope or ''}:{described.digest}"
        _log.warning(
            "%s cannot be described, so cached answers serve only this one object and end with its process; "
            "share them across processes with wrap(..., scope='a-name-and-version')",
            " and ".join(described.opaque),
        )
        return f"{private}:{described.digest}"

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What a config may set: `session_id` (required), `agent`, `tenant`."""
        mine = [
            ConfigurableFieldSpec(id="session_id", annotation=str, name="Session", description="The conversation."),
            ConfigurableFieldSpec(id="agent", annotation=str, name="Agent", description="Which agent's.", default=""),
            ConfigurableFieldSpec(id="tenant", annotation=str, name="Tenant", description="Whose data.", default=""),
        ]
        return [*mine, *(spec for spec in self.chain.config_specs if spec.id not in {m.id for m in mine})]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """Answers a question and stores the turn.

        Args:
            input: The question: text, a message, a list of messages that ends with a human one, or a dict.
            config: Names the conversation: `{"configurable": {"session_id": ...}}`. Whatever else is configurable
                (a user's rights, a model's name) may decide the answer, so only turns with equal settings share one.
            **kwargs: Passed on to the chain.

        Returns:
            What the chain returns; on a hit the like of it, of the same type. A message says in
            `response_metadata["cache"]` whether it is from the cache, and why.

        Raises:
            ConfigError: The config names no `session_id`, or one whose turn this call is a part of.
            InvalidInputError: The input holds no question, or the chain's output no answer.

        **Keys:** those of `ConversationMemory`.
        **Trips:** at most 3.
        """
        return self._call_with_config(self._turn, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """Answers a question and stores the turn; see `invoke`."""
        return await self._acall_with_config(self._aturn, input, config, **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Output]:
        """Answers a question in chunks and stores the turn after the last one; see `invoke`.

        A served answer is one chunk, of the kind that the chain streams. A LangGraph graph streams in the modes that
        `stream_mode` names (its own by default), a served answer as an update of a node called `cache`.

        **Keys:** those of `ConversationMemory`.
        **Trips:** at most 3.
        """
        yield from self.transform(iter([input]), config, **kwargs)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Output]:
        """Answers a question in chunks and stores the turn after the last one; see `stream`."""

        async def one() -> AsyncIterator[Any]:
            yield input

        # What wraps a generator closes it: else one that is left is closed whenever the loop gets to it.
        async with aclosing(cast("AsyncGenerator[Any, None]", self.atransform(one(), config, **kwargs))) as chunks:
            async for chunk in chunks:
                yield chunk

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Output]:
        """Answers a question that comes in chunks; see `stream`.

        **Keys:** those of `ConversationMemory`.
        **Trips:** at most 3.
        """
        yield from self._transform_stream_with_config(input, cast("Any", self._transform), config, **kwargs)

    async def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Output]:
        """Answers a question that comes in chunks; see `transform`."""
        made = self._atransform_stream_with_config(input, cast("Any", self._atransform), config, **kwargs)
        async with aclosing(cast("AsyncGenerator[Any, None]", made)) as chunks:
            async for chunk in chunks:
                yield chunk

    # --- one turn -----------------------------------------------------------------------------------------------------

    def _invoke(self, input: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        incoming, call = self._prepare(input, config, kwargs)
        report = self.memory.client.drive(self.memory.turn(incoming, call))
        if _is_heard(config):
            dispatch_custom_event(EVENT, event_of(report), config=config)
        return call.delivered(report)

    async def _ainvoke(self, input: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        incoming, call = self._prepare(input, config, kwargs)
        report = await self.memory.client.adrive(self.memory.turn(incoming, call))
        if _is_heard(config):
            await adispatch_custom_event(EVENT, event_of(report), config=config)
        return call.delivered(report)

    def _transform(self, inputs: Iterator[Any], config: RunnableConfig, **kwargs: Any) -> Iterator[Any]:
        incoming, call = self._prepare(add(inputs), config, kwargs)
        report: TurnReport = yield from self.memory.client.stream(self.memory.turn(incoming, call), chunks=True)
        if report.cache == "hit":
            yield from call.chunks_of(report)
        if _is_heard(config):
            dispatch_custom_event(EVENT, event_of(report), config=config)

    async def _atransform(
        self, inputs: AsyncIterator[Any], config: RunnableConfig, **kwargs: Any
    ) -> AsyncIterator[Any]:
        incoming, call = self._prepare(add([part async for part in inputs]), config, kwargs)
        reports: list[TurnReport] = []
        turn = self.memory.turn(incoming, call)
        async with aclosing(self.memory.client.astream(turn, chunks=True, result=reports)) as chunks:
            async for chunk in chunks:
                yield chunk
        if reports[0].cache == "hit":
            for chunk in call.chunks_of(reports[0]):
                yield chunk
        if _is_heard(config):
            await adispatch_custom_event(EVENT, event_of(reports[0]), config=config)

    def _prepare(self, input: Any, config: RunnableConfig, kwargs: dict[str, Any]) -> tuple[TurnInput, Call]:
        configurable = config.get("configurable") or {}
        named = next((configurable[name] for name in _SESSIONS if configurable.get(name) is not None), None)
        if named is None:
            raise ConfigError("name the conversation: config={'configurable': {'session_id': '...'}}")
        now = self._now
        if any(part.changed() for part in now.described.live):
            now = self._now = self._read_chain(now.private)
        said = read_input(input, now.wrapped.input_key)
        settings = deciding_settings(configurable, *_SEPARATED)
        settings |= {name: value for name, value in configurable.items() if name in self._own_settings}
        rights = rights_of(config) if now.acts else []
        computed = list(map(_computed, now.described.computed))
        parts = [said.given, kwargs, settings, rights, *([computed] * bool(computed))]
        deciding = parts if any(parts) else None
        private = deciding is not None and not describable(deciding)
        note_cache(config)
        session_id = text_of(named, "session_id")
        config = self._entered(
            config, str(configurable.get("tenant", "")), str(configurable.get("agent", "")), session_id
        )
        users = users_of(config)
        asker = Asker(users, session_id)
        judge = partial(self._audience, opaque=now.acts)
        barred = "it is given what no key can hold" if private else self._barred
        sharing = SharingRule(asker, judge(words_of(said.question)), now.acts, self._share, judge, barred=barred)
        incoming = TurnInput(
            session_id=session_id,
            agent=configurable.get("agent", ""),
            tenant=configurable.get("tenant", ""),
            question=said.question,
            lead=said.lead,
            given=None if private else deciding,
            user=accessor_of(config, users),
            run_id=str(getattr(config.get("callbacks"), "parent_run_id", None) or ""),
        )
        return incoming, Call(now.wrapped, said, config, kwargs, sharing, private=private)

    def _entered(self, config: RunnableConfig, *conversation: str) -> RunnableConfig:
        """Marks that a turn of a conversation has begun; one within it would store what was said twice."""
        configurable = config.get("configurable") or {}
        turn, begun = (id(self.memory.client), *conversation), configurable.get(_BEGUN, ())
        if turn in begun:
            raise ConfigError(
                f"the conversation {conversation[-1]!r} is being answered by a chain that is wrapped around this one: "
                "wrap only one of them, or give this one an agent of its own with "
                ".with_config(configurable={'agent': ...})"
            )
        return cast("RunnableConfig", {**config, "configurable": {**configurable, _BEGUN: (*begun, turn)}})


def _computed(function: Callable[[], Any]) -> Any:
    """What a prompt takes from a function now; where that fails, what is equal to nothing, so nothing is shared."""
    try:
        return function()
    except Exception:  # noqa: BLE001 - the prompt says so itself where it is used
        return object()


def _with_signature(method: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a method with its signature read, as LangChain asks for it twice in every call."""
    made: Any = partial(method)
    made.__signature__ = signature(method)
    return cast("Callable[..., Any]", made)


def _is_heard(config: RunnableConfig) -> bool:
    """Returns whether anybody listens to the events of a run: looking for those who do takes longer than a trip."""
    return bool(getattr(config.get("callbacks"), "handlers", True))


_SESSIONS = ("session_id", "thread_id")
_BEGUN = "__langchain_redis_memory_turns"
"""LangGraph passes settings on whose names begin so, and keeps none of them."""
_SEPARATED = ("agent", "tenant", "user_id", "langgraph_auth_user", "langgraph_auth_user_id")
"""Settings that every key is separated by anyway; the user is, where the chain can see who asks."""
