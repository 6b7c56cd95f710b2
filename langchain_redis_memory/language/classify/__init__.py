"""Question classification: the protocol and four classifiers.

* `LinguisticClassifier` needs no model: it reads the signs that a turn leans on its conversation.
* `EmbeddingClassifier` also compares the turn with the conversation by meaning.
* `LLMClassifier` asks a chat model, which also says the question as it would stand alone.
* `CascadeClassifier` asks the next one only where the one before is unsure.

The two errors have different prices: a dependent turn taken for a self-contained one can serve a wrong answer, the
other way round only costs a cache hit. So each calls a turn self-contained only where the probability that it depends
on its conversation is so small that, on people's conversations, at most `max_unsafe` of the dependent turns were called
so; and what none of them can read counts as dependent.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_redis_memory.language.classify.cascade import CascadeClassifier as CascadeClassifier
    from langchain_redis_memory.language.classify.embedding import EmbeddingClassifier as EmbeddingClassifier
    from langchain_redis_memory.language.classify.linguistic import LinguisticClassifier as LinguisticClassifier
    from langchain_redis_memory.language.classify.llm import LLMClassifier as LLMClassifier
    from langchain_redis_memory.language.classify.question_type import QuestionType as QuestionType
    from langchain_redis_memory.language.classify.standalone import dependence as dependence
    from langchain_redis_memory.language.classify.standalone import leaning_from as leaning_from
    from langchain_redis_memory.language.classify.standalone import points_outside as points_outside
    from langchain_redis_memory.language.classify.standalone import stands_alone as stands_alone
    from langchain_redis_memory.language.classify.tokens import content_words as content_words
    from langchain_redis_memory.language.classify.verdict import Classifier as Classifier
    from langchain_redis_memory.language.classify.verdict import Verdict as Verdict

_HOMES = {
    "CascadeClassifier": "cascade",
    "EmbeddingClassifier": "embedding",
    "LinguisticClassifier": "linguistic",
    "LLMClassifier": "llm",
    "QuestionType": "question_type",
    "dependence": "standalone",
    "leaning_from": "standalone",
    "points_outside": "standalone",
    "stands_alone": "standalone",
    "content_words": "tokens",
    "Classifier": "verdict",
    "Verdict": "verdict",
}
"""Loaded at their first use: a cache of very same prompts needs the types of questions only."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
