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

from langchain_redis_memory.language.classify.cascade import CascadeClassifier
from langchain_redis_memory.language.classify.embedding import EmbeddingClassifier
from langchain_redis_memory.language.classify.linguistic import LinguisticClassifier
from langchain_redis_memory.language.classify.llm import LLMClassifier
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.classify.standalone import dependence, leaning_from, points_outside, stands_alone
from langchain_redis_memory.language.classify.tokens import content_words
from langchain_redis_memory.language.classify.verdict import Classifier, Verdict

__all__ = [
    "CascadeClassifier",
    "Classifier",
    "EmbeddingClassifier",
    "LLMClassifier",
    "LinguisticClassifier",
    "QuestionType",
    "Verdict",
    "content_words",
    "dependence",
    "leaning_from",
    "points_outside",
    "stands_alone",
]
