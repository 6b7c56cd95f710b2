"""Stores cached answers of other packages, as far as they may be served here.

An answer whose source says which model gave it was made for its whole prompt. Of the others only the question is known:
one that may lean on a conversation, or may be answered for one user or for a time, is left behind.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration

from langchain_redis_memory.cache import generations
from langchain_redis_memory.cache.llm_cache import LLMCache
from langchain_redis_memory.cache.warming import asked_of
from langchain_redis_memory.errors import ConfigError, CorruptDataError
from langchain_redis_memory.language.audience import Audience, classify_audience
from langchain_redis_memory.language.classify import LinguisticClassifier
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.operate.migrate.outcome import Outcome
from langchain_redis_memory.ops import Flow, ask
from langchain_redis_memory.peers.records import SavedAnswer

_BEFORE = (HumanMessage("What is the weather in Oslo?"), AIMessage("It rains in Oslo."))
"""Some conversation: a question that may lean on one leans on this."""


class AnswerWriter:
    """Stores cached answers; without a `model` those are refused whose source does not say which was asked.

    `ttl_ms` is the lifetime of an answer that has none; 0 for the cache's.
    """

    def __init__(self, cache: LLMCache, model: Any, ttl_ms: int) -> None:
        self._flows, self._model, self._ttl_ms = cache._flows, model, ttl_ms
        self._classifier = LinguisticClassifier()

    def write_flow(self, record: SavedAnswer) -> Flow[Outcome]:
        """Stores an answer under the prompt and the model that it was made for."""
        if record.llm_string:
            prompt, model, answer = record.prompt, record.llm_string, list(record.generations)
        elif self._model is None:
            msg = "the source does not say which model gave it: give RedisMigration the model that is asked"
            raise ConfigError(msg)
        elif not self._stands_alone(record.prompt):
            return "refused"
        else:
            prompt, model = asked_of(record.prompt, self._model)
            known = isinstance(record.generations[0], ChatGeneration) or isinstance(self._model, str)
            text = generations.text_of(record.generations)
            answer = list(record.generations) if known else generations.for_model(text, self._model)
        flows = self._flows.lasting(record.ttl_ms or self._ttl_ms)
        query = yield from flows.query_flow(prompt, model)
        if query is None or flows.refusal(prompt, answer) is not None:
            return "refused"
        if (yield from ask(flows.stored(query))) is not None:
            return "there"
        yield from flows.store_flow([flows.entry(query, prompt, answer)])
        if (yield from ask(flows.stored(query))) is None:
            raise CorruptDataError("an answer was stored, but is not found")
        return "moved"

    def _stands_alone(self, question: str) -> bool:
        verdict = self._classifier.classify(question, _BEFORE)
        whose = classify_audience(question)
        return (
            verdict.type is QuestionType.NEW_TOPIC
            and whose.audience is Audience.EVERYONE
            and not whose.volatile
            and not whose.effect
        )
