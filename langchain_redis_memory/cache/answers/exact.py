"""`ExactAnswerCache`: answers of `ConversationMemory` to the very same question in the very same context."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion, decode_answer, encode_answer
from langchain_redis_memory.ops import Op, Reply
from langchain_redis_memory.redis.ttl import milliseconds


class ExactAnswerCache:
    """Answers the very same question in the very same context; white space at its ends aside.

    Args:
        ttl_s: Lifetime of an answer in seconds; None for no expiry.

    Raises:
        InvalidInputError: The lifetime is not positive.

    **Keys:** `answer`.
    **Trips:** none; its ops ride on the caller's.
    """

    def __init__(self, ttl_s: float | None = 43_200) -> None:
        self._ttl_ms = milliseconds(ttl_s)

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        """See `AnswerCache`. Damaged bytes count as no answer."""
        key = asked.key()

        def read(replies: Sequence[Reply]) -> Answer | None:
            return None if replies[0] is None else decode_answer(replies[0], key)

        return Op((("GET", key),), read)

    def store(self, asked: CacheQuestion, answer: Answer) -> Op[None]:
        """See `AnswerCache`."""
        ttl_ms = asked.lifetime_ms(self._ttl_ms)
        lifetime = ("PX", ttl_ms) if ttl_ms else ()
        return Op(
            (("SET", asked.key(), encode_answer(answer), *lifetime),),
            lambda _replies: None,
        )
