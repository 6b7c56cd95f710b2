"""What to do with each type of question: the policy table, as data that a user can replace.

The law behind it: **an answer is cached only under a key that covers everything the model was shown.** A question that
stands alone is answered without memory, so its answer is right for everybody who asks it. One that depends on the
conversation is cached, if at all, together with the very messages that the model is shown. What only continues or
recalls the conversation never meets the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from langchain_redis_memory.checks import check_type, check_whole
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.redis.ttl import milliseconds


class Rule(Frozen):
    """Says what a turn of one question type does: whether it searches, uses the cache, and how much it is shown.

    Args:
        search: Whether the retriever is asked.
        read_cache: Whether a cached answer may be served.
        write_cache: Whether the new answer is cached.
        window: How many base windows of the conversation the selector may use. Where the cache is used and the
            question stands alone, the model is shown no memory whatever the window.
        whole: Whether the selector may look for them in the whole conversation instead of its newest part. Where the
            conversation is longer than that part, loading it costs one more round trip.
        answer_ttl_s: How long answers are cached at most, in seconds; None for as long as the cache keeps any.
    """

    search: bool
    read_cache: bool
    write_cache: bool
    window: int
    whole: bool = False
    answer_ttl_s: float | None = None


Policy = Mapping[QuestionType, Rule]

DEFAULT_POLICY: Policy = MappingProxyType(
    {
        QuestionType.NEW_TOPIC: Rule(search=True, read_cache=True, write_cache=True, window=1),
        QuestionType.CONTEXTUAL_FOLLOW_UP: Rule(search=False, read_cache=False, write_cache=False, window=2),
        QuestionType.HISTORY_RECALL: Rule(search=False, read_cache=False, write_cache=False, window=3, whole=True),
        QuestionType.CONTEXTUAL_WITH_SEARCH: Rule(search=True, read_cache=True, write_cache=True, window=1),
    }
)


def check_policy(policy: Policy) -> Policy:
    """Checks a policy and completes it with the default rule of each type that it leaves out.

    Raises `ConfigError`: a key is not a question type, a value is not a rule, or a window is negative. Raises
    `InvalidInputError`: a lifetime is not positive.
    """
    check_type(policy, Mapping, "policy", "a dict from QuestionType to Rule", ConfigError)
    for kind, rule in policy.items():
        if not isinstance(kind, QuestionType) or not isinstance(rule, Rule):
            raise ConfigError(f"a policy maps QuestionType to Rule, got {kind!r}: {rule!r}")
        check_whole(rule.window, f"the window of {kind}", 0, error=ConfigError)
        milliseconds(rule.answer_ttl_s, f"answer_ttl_s of {kind}")
        if kind in _NEVER_CACHED and (rule.read_cache or rule.write_cache):
            raise ConfigError(f"{kind} depends on one conversation and can never be answered from the cache")
    return MappingProxyType({**DEFAULT_POLICY, **policy})


_NEVER_CACHED = {QuestionType.CONTEXTUAL_FOLLOW_UP, QuestionType.HISTORY_RECALL}
