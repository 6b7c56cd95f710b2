"""Groups of options that few need: how questions are understood, which answers are shared, and how histories are kept.

`ConversationMemory` takes all of them, `AnswerCacheMiddleware` those of questions and answers.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from langchain_redis_memory.cache.decision_log import DEFAULT_LOG, DecisionLog
from langchain_redis_memory.cache.sharing import NOT_KEPT, AudienceClassifier, Lifetimes
from langchain_redis_memory.checks import check_bounds, check_method, check_type
from langchain_redis_memory.conversation.policy import Policy, check_policy
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.language.audience.linguistic import classify_audience

if TYPE_CHECKING:
    from langchain_redis_memory.history.outbox import Outbox
    from langchain_redis_memory.history.read_through import LoaderLike, WriterLike
    from langchain_redis_memory.language.contextualise.contextualiser import Contextualiser


class QuestionOptions(Frozen):
    """Configures how questions are understood, besides by the classifier.

    Args:
        contextualiser: Rewrites dependent questions for the retriever; None for `LocalContextualiser()`.
        policy: What to do with each type of question; types left out keep their default rule.
        audience: Says from a question's words for whom its answer is; see `language.audience`.

    Raises:
        ConfigError: The policy cannot work, or one of the others cannot do what it is for.
        InvalidInputError: A lifetime of the policy is not positive.
    """

    contextualiser: Contextualiser | None = None
    policy: Policy = field(default_factory=dict)
    audience: AudienceClassifier = classify_audience

    def __post_init__(self) -> None:
        if self.contextualiser is not None:
            check_method(self.contextualiser, "contextualise", "contextualiser", ConfigError)
        object.__setattr__(self, "policy", check_policy(self.policy))
        check_method(self.audience, "__call__", "audience", ConfigError)


class AnswerOptions(Frozen):
    """Configures which answers are kept and shared, and what is noted of it.

    Args:
        share_rewrites: Whether the answer to a dependent question is cached under the standalone question that it
            means, where the rewrite is trusted; by default it is only served after the very same exchange.
        lifetimes: How long answers are kept that do not stay true, by default not at all: what is the asker's own (of a
            chain that may know who asks), and what changes by itself.
        log: What is logged of the turns for the desk of answers, and for how long; None for nothing.

    Raises:
        ConfigError: The lifetimes or the log are something else.
    """

    share_rewrites: bool = False
    lifetimes: Lifetimes = NOT_KEPT
    log: DecisionLog | None = DEFAULT_LOG

    def __post_init__(self) -> None:
        check_type(self.lifetimes, Lifetimes, "lifetimes", "Lifetimes(user_s=..., volatile_s=...)", ConfigError)
        if self.log is not None:
            check_type(self.log, DecisionLog, "log", "a DecisionLog or None", ConfigError)


class HistoryOptions(Frozen):
    """Configures how a memory's conversations are kept; see `RedisChatMessageHistory`.

    Args:
        max_messages: Most messages kept of a conversation; None for no bound.
        loader: Loads a conversation that Redis does not have.
        writer: Writes turns to your own database after they are stored.
        outbox: Keeps what was said while the server is away (see `Outbox`); by default the client's own.

    Raises:
        ConfigError: The loader or the writer cannot be called.
        InvalidInputError: The bound is not positive.
    """

    max_messages: int | None = None
    loader: LoaderLike | None = None
    writer: WriterLike | None = None
    outbox: Outbox | None = None

    def __post_init__(self) -> None:
        check_bounds(max_messages=self.max_messages)
