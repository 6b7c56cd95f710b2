"""The memory selector outside a `ConversationMemory`: as a LangChain runnable and as a node of LangGraph.

Both take the whole conversation as it is and give what the model should see of it: the turn is what the last user
message began, with whatever tool calls follow it, and stays whole; before it stands what the selector chose.

```python
chain = selector_runnable(MemorySelector(max_tokens=3_000)) | model
agent = create_react_agent(model, tools, pre_model_hook=pre_model_node(MemorySelector(max_tokens=3_000)))
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.messages.utils import convert_to_messages
from langchain_core.runnables import Runnable, RunnableLambda

from langchain_redis_memory.checks import check_method, check_text
from langchain_redis_memory.conversation.policy import DEFAULT_POLICY, Policy, check_policy
from langchain_redis_memory.conversation.select.memory import MemorySelector
from langchain_redis_memory.conversation.select.window import Selector
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.language.classify import Classifier, LinguisticClassifier
from langchain_redis_memory.language.turn_state import TurnState
from langchain_redis_memory.ops import Flow, settled
from langchain_redis_memory.redis.client.connect import connect

_DRIVER = "memory://selecting"
"""A client that only drives flows: selecting asks models, never a server."""


def selector_runnable(
    selector: Selector | None = None,
    classifier: Classifier | None = None,
    policy: Policy = DEFAULT_POLICY,
) -> Runnable[Any, list[BaseMessage]]:
    """Wraps a selector as a runnable from a conversation to the messages for the model.

    Args:
        selector: Chooses; `MemorySelector()` by default.
        classifier: Decides the type of the question; `LinguisticClassifier()` by default.
        policy: How far each type looks back; types left out keep their default rule.

    Returns:
        A runnable, sync and async. Its input is a list of messages that holds the question, or a dict with `messages`
        (the same), or with `history` and `question` (a text or a message). The text in a dict's `summary` stands for
        what is left out; its other fields are `TurnState.fields`.

    Raises:
        ConfigError: The policy cannot work.

    **Keys:** none.
    **Trips:** none; what the classifier's and the selector's models cost.
    """
    choose = _Chooser(selector, classifier, policy).chosen_flow
    client = connect(_DRIVER)

    def select(given: Any) -> list[BaseMessage]:
        return client.drive(choose(*_conversation(given)))

    async def aselect(given: Any) -> list[BaseMessage]:
        return await client.adrive(choose(*_conversation(given)))

    return RunnableLambda(select, aselect, name="select_memory")


def pre_model_node(
    selector: Selector | None = None,
    classifier: Classifier | None = None,
    policy: Policy = DEFAULT_POLICY,
    messages_key: str = "messages",
) -> Runnable[Any, dict[str, list[BaseMessage]]]:
    """Wraps a selector as the `pre_model_hook` of LangGraph's agents, or as a node before one that calls a model.

    Args:
        selector: Chooses; `MemorySelector()` by default.
        classifier: Decides the type of the question; `LinguisticClassifier()` by default.
        policy: How far each type looks back; types left out keep their default rule.
        messages_key: Where the graph's state has its messages.

    Returns:
        A node, sync and async, from a state to `{"llm_input_messages": [...]}`: the graph's own messages stay as they
        are. A text under `summary` in the graph's state stands for what is left out.

    Raises:
        ConfigError: The policy cannot work.

    **Keys:** none.
    **Trips:** none; what the classifier's and the selector's models cost.
    """
    choose = _Chooser(selector, classifier, policy).chosen_flow
    client = connect(_DRIVER)
    check_text(messages_key, "messages_key")

    def chosen_flow(state: Any) -> Flow[list[BaseMessage]]:
        fields = state if isinstance(state, Mapping) else vars(state)
        if messages_key not in fields:
            raise InvalidInputError(f"the graph's state has no {messages_key!r}; name its messages with messages_key")
        return choose(convert_to_messages(fields[messages_key]), fields)

    def node(state: Any) -> dict[str, list[BaseMessage]]:
        return {"llm_input_messages": client.drive(chosen_flow(state))}

    async def anode(state: Any) -> dict[str, list[BaseMessage]]:
        return {"llm_input_messages": await client.adrive(chosen_flow(state))}

    return RunnableLambda(node, anode, name="select_memory")


class _Chooser:
    """Gives the flow that chooses the messages of a conversation."""

    def __init__(self, selector: Selector | None, classifier: Classifier | None, policy: Policy) -> None:
        self._selector: Selector = MemorySelector() if selector is None else selector
        self._classifier: Classifier = LinguisticClassifier() if classifier is None else classifier
        check_method(self._selector, "select", "selector", ConfigError)
        check_method(self._classifier, "classify", "classifier", ConfigError)
        self._policy = check_policy(policy)

    def chosen_flow(self, messages: Sequence[BaseMessage], fields: Mapping[str, Any]) -> Flow[list[BaseMessage]]:
        at = next((at for at in range(len(messages) - 1, -1, -1) if isinstance(messages[at], HumanMessage)), None)
        if at is None:
            return list(messages)
        turn, history = str(messages[at].text), list(messages[:at])
        state = _turn_state(fields)
        verdict = yield from settled(self._classifier.classify(turn, history, state))
        rule = self._policy[verdict.type]
        chosen = yield from settled(self._selector.select(turn, verdict, history, rule, state))
        return [*chosen, *messages[at:]]


def _turn_state(fields: Mapping[str, Any]) -> TurnState:
    """Returns the turn state in an input's or a graph's fields: a summary that is text, and the rest."""
    summary = fields.get("summary")
    return TurnState(summary=summary if isinstance(summary, str) else "", fields=fields)


def _conversation(given: Any) -> tuple[list[BaseMessage], Mapping[str, Any]]:
    """The messages of a runnable's input, the question last, and the rest of it."""
    if isinstance(given, Mapping):
        rest = {name: value for name, value in given.items() if name not in {"messages", "history", "question"}}
        if "messages" in given:
            return convert_to_messages(given["messages"]), rest
        if "question" in given:
            asked = given["question"]
            question = HumanMessage(asked) if isinstance(asked, str) else asked
            return convert_to_messages([*(given.get("history") or []), question]), rest
    elif isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return convert_to_messages(given), {}
    msg = f"expected messages, or a dict with 'messages', or with 'history' and 'question'; got {type(given).__name__}"
    raise InvalidInputError(msg)
