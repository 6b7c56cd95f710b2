"""`AsDecisionModel`: a classifier of turns as one of LangChain's decision models, which route an agent to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from pydantic import Field

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.extras import missing
from langchain_redis_memory.language.classify import LinguisticClassifier, Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.ops import Flow, settled
from langchain_redis_memory.redis.client.connect import connect

try:
    from langchain_core.decisions import BaseDecisionModel, Choice, ChoiceAnswer, ClassifierResponse, Noul, NoulAnswer
except ImportError as _error:
    raise missing("AsDecisionModel needs langchain-core 1.8 or newer", "agents") from _error

_DRIVER = "memory://decisions"
"""A client that only drives flows: classifying asks models, never a server."""


class AsDecisionModel(BaseDecisionModel):
    """Lets a classifier serve as LangChain's decision model, such as one that routes turns to a small or a large model.

    A `Noul` is answered with the probability that the turn depends on its conversation. A `Choice` is one between the
    types of questions, or between whatever `routes` make of them: a small model for what stands alone, a large one for
    what has to be understood from the conversation. A message is classified by itself; of a list of messages the last
    one after those before it.

    Args:
        classifier: The classifier; the default one for None.
        routes: Type of question -> label of a `Choice`; by default the type's name is the label.

    Example:
        ```python
        routes = {**dict.fromkeys(QuestionType, "large"), QuestionType.NEW_TOPIC: "small"}
        classifier = AsDecisionModel(routes=routes)  # for LangChain's ModelRouterMiddleware(classifier=...)
        ```
    """

    model: str = "langchain-redis-memory"
    classifier: Any = Field(default_factory=LinguisticClassifier)
    routes: Mapping[QuestionType, str] = Field(default_factory=lambda: {kind: kind.value for kind in QuestionType})

    @property
    def _provider(self) -> str:
        return "langchain_redis_memory"

    def _classify(self, state: Any, questions: dict[str, Any]) -> ClassifierResponse:
        return connect(_DRIVER).drive(self._answer_flow(state, questions))

    async def _aclassify(self, state: Any, questions: dict[str, Any]) -> ClassifierResponse:
        return await connect(_DRIVER).adrive(self._answer_flow(state, questions))

    def _answer_flow(self, state: Any, questions: Mapping[str, Any]) -> Flow[ClassifierResponse]:
        *before, turn = _messages(state)
        verdict = yield from settled(self.classifier.classify(str(turn.text), before))
        answers = {name: self._answer(question, verdict) for name, question in questions.items()}
        return ClassifierResponse(model=self.model, answers=answers)

    def _answer(self, question: Any, verdict: Verdict) -> Any:
        depends = verdict.dependence
        if depends is None:
            alone = verdict.type is QuestionType.NEW_TOPIC
            depends = 1 - verdict.confidence if alone else verdict.confidence
        if isinstance(question, Noul):
            return NoulAnswer(type="noul", noul=depends)
        if not isinstance(question, Choice):
            raise InvalidInputError(f"a classifier of turns answers a Noul or a Choice, no {type(question).__name__}")
        wanted = {kind: self.routes.get(kind, "") for kind in QuestionType}
        label = wanted[verdict.type]
        if label not in question.criteria:
            labels = ", ".join(map(repr, question.criteria))
            msg = f"no label of the Choice ({labels}) is for {verdict.type}: AsDecisionModel(routes={{type: label}})"
            raise InvalidInputError(msg)
        others = [other for other in question.criteria if other != label]
        sure = verdict.confidence if others else 1.0
        shares = {label: sure, **{other: (1 - sure) / len(others) for other in others}}
        probabilities = {name: shares[name] for name in question.criteria}
        return ChoiceAnswer(type="choice", choice=label, probabilities=probabilities, confidence=sure)


def _messages(state: Any) -> Sequence[BaseMessage]:
    """Reads a state as messages, the turn last."""
    if isinstance(state, Mapping) and "messages" in state:
        state = state["messages"]
    if isinstance(state, str):
        return [HumanMessage(state)]
    if isinstance(state, BaseMessage):
        return [state]
    try:
        messages = convert_to_messages(state)
    except (ValueError, TypeError, NotImplementedError):
        messages = []
    if not messages:
        raise InvalidInputError("a classifier of turns needs text, a message, or messages whose last is the turn")
    return messages
