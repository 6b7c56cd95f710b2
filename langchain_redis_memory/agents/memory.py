"""`MemoryMiddleware`: a window of the thread, recall and the user's profile for an agent's model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest
from langchain_core.messages import SystemMessage
from langgraph.config import get_config
from langgraph.runtime import Runtime

from langchain_redis_memory.agents.request import turn_of
from langchain_redis_memory.checks import check_type
from langchain_redis_memory.conversation.context import StoredContext
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.errors import ConfigError, RedisMemoryError
from langchain_redis_memory.ops import Background, Flow, ask, settled
from langchain_redis_memory.run_config import users_of
from langchain_redis_memory.state.user_profile import UserProfile

_log = logging.getLogger(__name__)


class MemoryMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Shows an agent's model a part of its thread, what a question recalls, and what is known of the user.

    The thread itself keeps everything. What the model is shown is decided as in `ConversationMemory`: by the type of
    the question, within the selector's token budget, calls of tools with their results. The messages of the turn are
    always shown.

    Args:
        memory: Its classifier, policy and selector decide; its profiles are read, and learnt from with `learn=`.
        profile: Whether the user's profile is added to the system message.
        window: Whether the model is shown a selection; without, all of the thread.

    Raises:
        ConfigError: The memory is none.

    Example:
        ```python
        memory = ConversationMemory(url, selector=MemorySelector(max_tokens=4_000), learn=True)
        agent = create_agent(model, tools, middleware=[MemoryMiddleware(memory)], checkpointer=RedisSaver(url))
        ```

    **Keys:** `profile` of the user.
    **Trips:** none to construct. A model call: 1 where there is a user and profiles are shown.
    """

    def __init__(self, memory: ConversationMemory, *, profile: bool = True, window: bool = True) -> None:
        super().__init__()
        check_type(memory, ConversationMemory, "memory", "a ConversationMemory", ConfigError)
        self._memory, self._client = memory, memory.client
        self._profile, self._window = profile, window

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Shows the model what is selected of the thread, and what is known of the user.

        Args:
            request: The call.
            handler: Asks the model.

        Returns:
            The model's response.

        **Keys:** `profile`.
        **Trips:** 1 where there is a user and profiles are shown.
        """
        return handler(self._client.drive(self._shown_flow(request)))

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Shows the model what is selected of the thread; see `wrap_model_call`."""
        return await handler(await self._client.adrive(self._shown_flow(request)))

    def after_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Learns of the user from his last words, in the background.

        Args:
            state: The thread.
            runtime: The run.

        Returns:
            Nothing: the thread stays as it is.

        **Keys:** `profile`.
        **Trips:** none that the agent waits for.
        """
        return self._client.drive(self._learn_flow(state))

    async def aafter_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Learns of the user from his last words; see `after_agent`."""
        return await self._client.adrive(self._learn_flow(state))

    # --- flows --------------------------------------------------------------------------------------------------------

    def _user(self) -> UserProfile | None:
        config = get_config()
        users, tenant = users_of(config), str((config.get("configurable") or {}).get("tenant") or "")
        return self._memory.profile(users[0], tenant) if users else None

    def _shown_flow(self, request: ModelRequest[Any]) -> Flow[ModelRequest[Any]]:
        turn = turn_of(request.messages)
        if turn is not None and self._window:
            planner, text = self._memory._flows.planner, str(turn.question.text)
            state = StoredContext().turn_state(turn.before)
            verdict = yield from settled(planner.classifier.classify(text, turn.before, state))
            rule = planner.policy[verdict.type]
            if turn.before and rule.window:
                chosen = yield from settled(planner.selector.select(text, verdict, turn.before, rule, state))
                messages: Any = [*chosen, turn.question, *turn.since]
                request = request.override(messages=messages)
        profile = self._user() if self._profile else None
        if profile is None:
            return request
        known = ""
        try:
            known = yield from ask(profile._prompt(_MOST_CHARS))
        except RedisMemoryError as error:
            _log.warning("the user's profile is not shown: %s", error)
        if not known:
            return request
        told = str(request.system_message.text) if request.system_message else ""
        return request.override(system_message=SystemMessage("\n\n".join(filter(None, (told, known)))))

    def _learn_flow(self, state: AgentState[Any]) -> Flow[None]:
        turn = turn_of(state["messages"])
        profile = self._user() if self._memory._learn else None
        if turn is not None and profile is not None:
            yield Background(profile.learn_flow(str(turn.question.text)))


_MOST_CHARS = 600
