"""Your own classifier and policy: the table of what to do is data, and a classifier is one method."""

import os
from collections.abc import Sequence

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig

from langchain_redis_memory import (
    Client,
    ConversationMemory,
    LinguisticClassifier,
    QuestionOptions,
    QuestionType,
    Rule,
    TurnState,
    Verdict,
    WindowSelector,
)

UNKNOWN = TurnState()


class OrderDesk:
    """Whatever mentions an order is personal: from memory, never from the cache. The rules decide the rest."""

    def __init__(self) -> None:
        self._rules = LinguisticClassifier()

    def classify(self, turn: str, history: Sequence[BaseMessage], state: TurnState = UNKNOWN) -> Verdict:
        """The verdict on one turn."""
        if "order" in turn.lower():
            return Verdict(QuestionType.CONTEXTUAL_FOLLOW_UP, 1.0, ("mentions an order",))
        return self._rules.classify(turn, history, state)


client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
memory = ConversationMemory(
    client,
    classifier=OrderDesk(),
    selector=WindowSelector(base=6, max_tokens=2_000),
    # A new topic is answered afresh each time here, and then the model may see the conversation.
    questions=QuestionOptions(
        policy={QuestionType.NEW_TOPIC: Rule(search=True, read_cache=False, write_cache=False, window=1)}
    ),
    ttl_s=600,
    on_turn=lambda report: print(report.verdict.type, report.cache, len(report.memory), "messages of memory"),
)
assistant = memory.wrap(FakeListChatModel(responses=["It is on its way.", "Nine to five."]))
config: RunnableConfig = {"configurable": {"session_id": "order-desk"}}
print(assistant.invoke("Where is my order 66?", config=config).text)
print(assistant.invoke("What are the opening hours of the shop in Oslo?", config=config).text)
memory.history("order-desk").clear()
