"""`MemoryMiddleware`: a window of the thread, recall, summary and the user's profile for an agent's model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypedDict

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import SystemMessage
from langgraph.config import get_config
from langgraph.runtime import Runtime
from typing_extensions import NotRequired

from langchain_redis_memory.agents.request import AgentTurn, asker_of, turn_of
from langchain_redis_memory.checks import check_type
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.select import user_recall
from langchain_redis_memory.errors import ConfigError, RedisMemoryError
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.turn_state import PastTurn, TurnState
from langchain_redis_memory.ops import Background, Flow, Op, ask, merge, pure, settled
from langchain_redis_memory.redis.user_index import UserData
from langchain_redis_memory.run_config import accessor_of
from langchain_redis_memory.state import summary
from langchain_redis_memory.state.summary import Summary
from langchain_redis_memory.state.user_profile import UserProfile

_log = logging.getLogger(__name__)
_MOST_CHARS = 600
_MOST_TURNS = 10


class RecalledMemory(TypedDict, total=False):
    """The part of an agent's state that is read of the memory at the start of a turn.

    Args:
        profile: What is known of the user, as text.
        summary: The summary of the thread, the turns and the tokens that it had when it was made.
        elsewhere: What the question recalls of other conversations: id, time, question and answer of each turn.
        verdict: What the question depends on: its type, how sure that is, places in the thread, its length.
    """

    profile: str
    verdict: tuple[str, float, list[int], int]
    summary: tuple[str, int, int]
    elsewhere: list[tuple[str, str, str, str]]


class MemoryState(AgentState[Any]):
    """An agent's state with what this turn remembers, which neither goes in nor comes out."""

    remembered: NotRequired[Annotated[RecalledMemory, PrivateStateAttr]]


class MemoryMiddleware(AgentMiddleware[Any, Any, Any]):
    """Shows an agent's model a part of its thread, what a question recalls, and what is known of the user.

    The thread itself keeps everything. What the model is shown is decided as in `ConversationMemory`: by the type of
    the question, within the selector's token budget, calls of tools with their results. The messages of the turn are
    always shown. Profile, summary and what is recalled of the user's other conversations (with
    `MemorySelector(scope="user")`) are read once a turn, however often the model is called.

    Args:
        memory: Its classifier, policy and selector decide; its profiles are read, and learnt from with `learn=`; with
            `summary=` it keeps a summary of each thread that has an id, made in the background.
        profile: Whether the user's profile is added to the system message.
        window: Whether the model is shown a selection; without, all of the thread.

    Raises:
        ConfigError: The memory is none.

    Example:
        ```python
        memory = ConversationMemory(url, selector=MemorySelector(max_tokens=4_000), learn=True)
        agent = create_agent(model, tools, middleware=[MemoryMiddleware(memory)], checkpointer=RedisSaver(url))
        ```

    **Keys:** `profile` and `user_data` of the user; `state` of the thread's id, which holds the summary; what
        `ConversationMemory.recall` reads.
    **Trips:** none to construct. A turn: 1 where there is a profile or a summary to read; 2 where something is recalled
        from the user's other conversations. None for a model call.
    """

    def __init__(self, memory: ConversationMemory, *, profile: bool = True, window: bool = True) -> None:
        super().__init__()
        check_type(memory, ConversationMemory, "memory", "a ConversationMemory", ConfigError)
        self._memory, self._client = memory, memory.client
        self._profile, self._window = profile, window

    state_schema: type[MemoryState] = MemoryState

    def before_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Reads what the turn remembers.

        Args:
            state: The thread.
            runtime: The run.

        Returns:
            It, in a private part of the state.

        **Keys:** `profile`, `user_data`, `state`; what `ConversationMemory.recall` reads.
        **Trips:** 1; 2 where something is recalled from the user's other conversations.
        """
        return self._client.drive(self._remember_flow(state))

    async def abefore_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Reads what the turn remembers; see `before_agent`."""
        return await self._client.adrive(self._remember_flow(state))

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Shows the model what is selected of the thread, and what is known of the user.

        Args:
            request: The call.
            handler: Asks the model.

        Returns:
            The model's response.

        **Keys:** none.
        **Trips:** none.
        """
        return handler(self._client.drive(self._shown_flow(request)))

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Shows the model what is selected of the thread; see `wrap_model_call`."""
        return await handler(await self._client.adrive(self._shown_flow(request)))

    def after_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Learns about the user from what was said last and summarises the thread where it is due, in the background.

        Args:
            state: The thread.
            runtime: The run.

        Returns:
            Nothing: the thread stays as it is.

        **Keys:** `profile`; `state`, `lease`.
        **Trips:** none that the agent waits for.
        """
        return self._client.drive(self._learn_flow(state))

    async def aafter_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Learns of the user from his last words; see `after_agent`."""
        return await self._client.adrive(self._learn_flow(state))

    # --- flows --------------------------------------------------------------------------------------------------------

    def _remember_flow(self, state: MemoryState) -> Flow[dict[str, Any]]:
        """Reads profile and summary in one trip, and where the question recalls something, what it recalls in one more.

        A server that is away is logged: the turn goes on without.
        """
        remembered: RecalledMemory = {}
        turn, transcript, planner = turn_of(state["messages"]), self._transcript(), self._memory._flows.planner
        recalling = ""
        if turn is not None and self._window:
            verdict = yield from settled(planner.classifier.classify(str(turn.question.text), turn.before, TurnState()))
            places = list(verdict.depends_on)
            remembered["verdict"] = (verdict.type.value, verdict.confidence, places, len(turn.before))
            if planner.recalls_elsewhere and verdict.type is QuestionType.HISTORY_RECALL:
                recalling = transcript.user
        profile = self._user() if self._profile else None
        summarised = self._memory._flows.context.rolling is not None and self._window and bool(self._thread())
        wanted: Op[tuple[str, Summary | None, list[UserData]]] = merge(
            pure("") if profile is None else profile._prompt(_MOST_CHARS),
            summary.read(transcript) if summarised else pure(None),
            user_recall.noted(transcript.space, recalling),
        )
        try:
            known, about, others = yield from ask(wanted)
            remembered["profile"] = known
            if about is not None:
                remembered["summary"] = (about.text, about.turns, about.tokens)
            if turn is not None and others:
                past = yield from user_recall.read_flow(transcript.space, others, transcript.session_id)
                text, meaning = str(turn.question.text), getattr(planner.selector, "meaning", None)
                recalled = yield from user_recall.ranked_flow(text, past, meaning, _MOST_TURNS)
                remembered["elsewhere"] = [(one.conversation, one.at.isoformat(), *one[2:]) for one in recalled]
        except RedisMemoryError as error:
            _log.warning("the turn goes on without what is remembered: %s", error)
        return {"remembered": remembered}

    def _verdict_flow(self, turn: AgentTurn, state: TurnState, remembered: RecalledMemory) -> Flow[Verdict]:
        """The verdict of the turn's start, unless other middleware has changed the thread since."""
        if known := remembered.get("verdict"):
            kind, confidence, places, length = known
            if length == len(turn.before):
                return Verdict(QuestionType(kind), confidence, depends_on=tuple(places))
        classifier = self._memory._flows.planner.classifier
        return (yield from settled(classifier.classify(str(turn.question.text), turn.before, state)))

    def _thread(self) -> str:
        configurable = get_config().get("configurable") or {}
        return str(configurable.get("session_id") or configurable.get("thread_id") or "")

    def _transcript(self) -> Transcript:
        """The thread as a conversation of its user: where its summary is, and whose it is."""
        config = get_config()
        tenant = str((config.get("configurable") or {}).get("tenant") or self._memory._tenant)
        session = asker_of(config).session
        space = self._client.keys(tenant)
        return Transcript(space, session, ttl_ms=self._memory._ttl_ms, user=accessor_of(config))

    def _user(self) -> UserProfile | None:
        config = get_config()
        user, tenant = accessor_of(config), str((config.get("configurable") or {}).get("tenant") or "")
        return self._memory.profile(user, tenant) if user else None

    def _shown_flow(self, request: ModelRequest[Any]) -> Flow[ModelRequest[Any]]:
        remembered: RecalledMemory = dict(request.state).get("remembered") or {}  # type: ignore[assignment]
        turn = turn_of(request.messages)
        if turn is not None and self._window:
            recalled = remembered.get("elsewhere", ())
            past = tuple(PastTurn(one[0], datetime.fromisoformat(one[1]), *one[2:]) for one in recalled)
            state = TurnState(summary=remembered.get("summary", ("",))[0], elsewhere=past)
            verdict = yield from self._verdict_flow(turn, state, remembered)
            planner = self._memory._flows.planner
            rule, text = planner.questions.policy[verdict.type], str(turn.question.text)
            if rule.window and (turn.before or past):
                chosen = yield from settled(planner.selector.select(text, verdict, turn.before, rule, state))
                messages: Any = [*chosen, turn.question, *turn.since]
                request = request.override(messages=messages)
        if known := remembered.get("profile"):
            instructions = str(request.system_message.text) if request.system_message else ""
            request = request.override(system_message=SystemMessage("\n\n".join(filter(None, (instructions, known)))))
        return request

    def _learn_flow(self, state: MemoryState) -> Flow[None]:
        turn = turn_of(state["messages"])
        profile = self._user() if self._memory._learn else None
        if turn is not None and profile is not None:
            yield Background(profile.learn_flow(str(turn.question.text)))
        rolling = self._memory._flows.context.rolling
        if rolling is None or not self._window or not self._thread():
            return
        text, turns, tokens = (state.get("remembered") or {}).get("summary", ("", 0, 0))
        known = Summary(text, 0, 0, turns, tokens) if text else None
        if rolling.due(known, *summary.counts_of(state["messages"])):
            transcript = self._transcript()
            yield Background(rolling.follow_flow(transcript, transcript.ttl_ms, state["messages"]))
