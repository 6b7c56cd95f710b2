"""`AnswerCacheMiddleware`: the law of sharing inside of LangChain's `create_agent`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from langchain.agents.middleware import AgentMiddleware, ModelRequest
from langchain.agents.middleware.types import ModelResponse
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.config import get_config
from typing_extensions import Unpack

from langchain_redis_memory.agents.answer_desk import AgentAnswers, visit_of
from langchain_redis_memory.agents.answer_flows import AnswerFlows, ModelLookup, WholeThread
from langchain_redis_memory.agents.model_watch import ModelWatch, watched_request, watching
from langchain_redis_memory.agents.request import called_by
from langchain_redis_memory.cache.answers.answer_cache import AnswerCache
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache
from langchain_redis_memory.cache.replay import ReplayModel
from langchain_redis_memory.cache.sharing import Share, check_share
from langchain_redis_memory.checks import check_several, check_word
from langchain_redis_memory.conversation.options import AnswerOptions, QuestionOptions
from langchain_redis_memory.conversation.planner import Planner
from langchain_redis_memory.conversation.turn import as_served
from langchain_redis_memory.conversation.turn_cache import TurnCache
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.classify import Classifier, LinguisticClassifier
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.ttl import FromSettings, lifetime, milliseconds

EVENT = "langchain_redis_memory.cache"
"""The key of what a look-up writes to an agent's stream in the mode `custom`."""


class AnswerCacheMiddleware(ClientOwner, AgentMiddleware[Any, Any, Any]):
    """Serves final answers of an agent's model from a cache, only where the law of sharing allows it.

    A model call is looked up when the user has just spoken, or when all tools that ran since are of `pure_tools`, whose
    results are then in the key. A self-contained question is answered without the thread's messages where its answer is
    shared, as its key does not cover them; one that depends on the thread is shared under all of them. A call that asks
    for an effect, recalls the conversation, or follows another tool goes to the model and is never stored.

    Put it last in the list of middleware: it sees a request as those before it have made it. Where middleware behind it
    changes requests all the same, nothing is cached, and a WARNING says so; an answer of another model than the
    request's (a fallback), of a further try, or of no model at all (an error as a message) is never stored.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        embeddings: Finds answers by meaning as well; None for the very same question only.
        cache: The cache of answers instead of the one that `embeddings` decides, such as `RagCache(...).responses`.
        classifier: Decides what a question depends on; the default classifier for None.
        pure_tools: Names of tools that only look things up, the same for everybody.
        scope: Names the agent, and is added to all that can be described of its model, tools and output.
        share: With whom answers are shared; see `docs/law-of-sharing.md`.
        replay: "model" streams, traces and parses a cached answer as the model's own; "message" puts it into the state
            at once, which is faster and gives no chunks. Structured outputs are replayed in any case.
        answer_ttl_s: Lifetime of an answer in seconds; None for no expiry. By default the settings' `answer_ttl_s`.
        tenant: The tenant, where the config names none.
        single_flight_s: How long a call waits for the answer to the very same one that another call is just asking the
            model, in whatever process; then, or where that gave no answer to share, it asks itself. None: none waits.
        questions: How questions are understood: rewriter, policy, audience.
        answers: Which answers are kept and shared: trusted rewrites, lifetimes, the log.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: The URL or an option cannot work.
        InvalidIdError: The tenant is not acceptable.

    Example:
        ```python
        cache = AnswerCacheMiddleware("redis://localhost:6379/0", scope="support-v1", pure_tools=["search"])
        agent = create_agent(model, tools=[search, refund], middleware=[cache])
        ```

    **Keys:** those of the cache of answers; `tally`, `decisions`; `lease`.
    **Trips:** none to construct. A model call: 1 to look up, 1 to store; with embeddings those of a search by meaning;
        1 for each look while it waits for an equal call.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        embeddings: Embeddings | None = None,
        cache: AnswerCache | None = None,
        classifier: Classifier | None = None,
        pure_tools: Sequence[str] = (),
        scope: str | None = None,
        share: Share = "auto",
        replay: Literal["model", "message"] = "model",
        answer_ttl_s: float | FromSettings | None = "settings",
        tenant: str = "",
        single_flight_s: float | None = 30.0,
        questions: QuestionOptions | None = None,
        answers: AnswerOptions | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        super().__init__()
        self._client = connect(client, owner=type(self), **server)
        check_share(share, "check")
        check_word(replay, "replay", ("model", "message"), ConfigError)
        self._client.keys(tenant)
        ttl_s = lifetime(answer_ttl_s, self._client.settings.answer_ttl_s)
        if cache is None and embeddings is not None:
            cache = SemanticAnswerCache(self._client, embeddings, ttl_s=ttl_s)
        self._replay = replay
        questions, answers = questions or QuestionOptions(), answers or AnswerOptions()
        self._flows: AnswerFlows = AnswerFlows(
            self._client,
            TurnCache(cache or ExactAnswerCache(ttl_s)),
            Planner(classifier or LinguisticClassifier(), WholeThread(), True, questions, answers),
            frozenset(check_several(pure_tools, "pure_tools")),
            scope,
            share,
            tenant,
            milliseconds(single_flight_s, "single_flight_s"),
        )

    @property
    def answers(self) -> AgentAnswers:
        """The desk of the tenant's cached answers: look at them, explain, remove, report, warm.

        Raises:
            ConfigError: The cache is one whose entries cannot be looked at.
        """
        return AgentAnswers(self, self._flows)

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Serves the answer to a model call from the cache, or asks the model and stores what it may.

        Args:
            request: The call.
            handler: Asks the model.

        Returns:
            The model's response; its message says in `response_metadata["cache"]` if it is from the cache, and why.

        **Keys:** those of the cache of answers; `tally`, `decisions`.
        **Trips:** 1 to look up, 1 to store; with embeddings those of a search by meaning.
        """
        if (visit := visit_of(self._flows, request)) is not None:
            return self._client.drive(visit.flow(request, handler, self._final))
        looked, watch = self._client.drive(self._flows.lookup_flow(request)), ModelWatch()
        _tell(request, looked)
        if looked.answer is not None:
            served = self._served(request, looked)
            response = served if isinstance(served, AIMessage) else handler(watched_request(served, watch))
            return _labelled(handler(request), looked) if self._is_misplaced(watch) else response
        if looked.asked is None:
            return _labelled(handler(request), looked)
        final = None
        try:
            with watching(watch):
                response = handler(watched_request(_shown(request, looked), watch))
            final, looked = self._final(response, looked, watch)
        finally:
            if final is None:
                self._client.drive(self._flows.leave_flow(looked))
        if final is not None:
            self._client.drive(self._flows.store_flow(looked, final, structured=_is_structured(response)))
        return _labelled(response, looked)

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Serves the answer to a model call from the cache, or asks the model; see `wrap_model_call`."""
        if (visit := visit_of(self._flows, request)) is not None:
            return await self._client.adrive(visit.flow(request, handler, self._final))
        looked, watch = await self._client.adrive(self._flows.lookup_flow(request)), ModelWatch()
        _tell(request, looked)
        if looked.answer is not None:
            served = self._served(request, looked)
            response = served if isinstance(served, AIMessage) else await handler(watched_request(served, watch))
            return _labelled(await handler(request), looked) if self._is_misplaced(watch) else response
        if looked.asked is None:
            return _labelled(await handler(request), looked)
        final = None
        try:
            with watching(watch):
                response = await handler(watched_request(_shown(request, looked), watch))
            final, looked = self._final(response, looked, watch)
        finally:
            if final is None:
                await self._client.adrive(self._flows.leave_flow(looked))
        if final is not None:
            await self._client.adrive(self._flows.store_flow(looked, final, structured=_is_structured(response)))
        return _labelled(response, looked)

    def _is_misplaced(self, watch: ModelWatch) -> bool:
        """Whether middleware behind the cache changes requests by itself, not only to go on where a model failed."""
        if watch.changed and not watch.failed:
            self._flows.misplaced(watch.changed)
            return True
        return False

    def _final(self, response: Any, looked: ModelLookup, watch: ModelWatch) -> tuple[AIMessage | None, ModelLookup]:
        """Finds the final answer that may be stored, and says why where there is none that may."""
        final = _final(response)
        if final is None:
            return None, looked
        called = set() if _is_structured(response) else called_by(final) - self._flows.pure
        refusal = f"a tool ran that may do something: {', '.join(sorted(called))}" if called else watch.refusal
        if not refusal:
            return final, looked
        self._is_misplaced(watch)
        return None, looked._replace(why=f"{looked.why}; this one is not kept, as {refusal}")

    def _served(self, request: ModelRequest[Any], looked: ModelLookup) -> AIMessage | ModelRequest[Any]:
        """Makes a cached answer the response: a message, or a request to a model that has it."""
        assert looked.answer is not None  # noqa: S101 - it was found
        message = as_served(looked.answer)
        assert isinstance(message, AIMessage)  # noqa: S101 - nothing else is stored
        message.name = (get_config().get("metadata") or {}).get("lc_agent_name")
        if self._replay == "message" and request.response_format is None:
            return message
        form = request.response_format
        if isinstance(form, AutoStrategy) and not message.tool_calls:  # the model has another form than a replay would
            form = ProviderStrategy(form.schema)
        return request.override(model=ReplayModel(message=message), response_format=form)


def _shown(request: ModelRequest[Any], looked: ModelLookup) -> ModelRequest[Any]:
    shown: Any = looked.messages
    return request if shown is None or len(shown) == len(request.messages) else request.override(messages=shown)


def _is_structured(response: Any) -> bool:
    return isinstance(response, ModelResponse) and response.structured_response is not None


def _final(response: Any) -> AIMessage | None:
    """Finds the model's final answer; None where it goes on, calls a tool, or failed to give its form."""
    messages = response.result if isinstance(response, ModelResponse) else [response]
    said = [message for message in messages if isinstance(message, AIMessage)]
    if len(said) != 1 or ((said[0].tool_calls or said[0].invalid_tool_calls) and not _is_structured(response)):
        return None
    return said[0]


def _labelled(response: Any, looked: ModelLookup) -> Any:
    """Returns the response with a message that says why it is not from the cache."""
    kind, why = (
        (looked.outcome, looked.why) if looked.answer is None else ("bypass", "the request was changed behind it")
    )
    about = {"hit": False, "kind": kind, "why": why}

    def labelled(message: BaseMessage) -> BaseMessage:
        if not isinstance(message, AIMessage):
            return message
        return message.model_copy(update={"response_metadata": {**message.response_metadata, "cache": about}})

    if isinstance(response, AIMessage):
        return labelled(response)
    if isinstance(response, ModelResponse):
        return ModelResponse([labelled(message) for message in response.result], response.structured_response)
    return response


def _tell(request: ModelRequest[Any], looked: ModelLookup) -> None:
    """Writes what was decided to the agent's stream."""
    answer = looked.answer
    about = {"hit": answer is not None, "outcome": looked.outcome, "why": looked.why}
    if answer is not None:
        about |= {"kind": answer.kind, "entry": answer.entry, "age_s": answer.age_s, "saved_tokens": answer.tokens}
    request.runtime.stream_writer({EVENT: about})
