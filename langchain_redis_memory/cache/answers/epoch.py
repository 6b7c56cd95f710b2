"""`EpochAnswerCache`: the answers of `ConversationMemory`, until they expire or the corpus's epoch ends.

Like `ExactAnswerCache`, with each answer signed by the token of the epoch (see `epochs`) in which its turn began. The
look-up notes the token with the question, the store takes it from there; without a look-up nothing is stored.
"""

from __future__ import annotations

from langchain_redis_memory.cache import epochs
from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion, decode_answer, encode_answer
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.ops import Op, Reply, merge, pure
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import connect
from langchain_redis_memory.redis.ttl import milliseconds


class EpochAnswerCache:
    """Answers the very same question in the very same context, in the same epoch of the corpus.

    An answer is of its turn's tenant. The epoch is of the tenant that the cache is made for, so ending it reaches the
    answers of all.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), or None for `REDIS_URL`, else `redis://localhost:6379/0`.
        corpus: What the answers are made from.
        ttl_s: Lifetime of an answer in seconds; None for no expiry.
        tenant: The tenant that the corpus belongs to.

    Raises:
        InvalidIdError: The tenant or the corpus is not acceptable.
        InvalidInputError: The lifetime is not positive.

    **Keys:** `answer`, `epoch`; `tally`.
    **Trips:** none; its ops ride on the caller's.
    """

    def __init__(
        self,
        client: Client | str | None,
        corpus: str = "default",
        *,
        ttl_s: float | None = 43_200,
        tenant: str = "",
    ) -> None:
        space = connect(client).keys(tenant)
        self.epoch = space.epoch("responses", corpus)
        self.tally = Tally(space.tally("responses", corpus))
        self._ttl_ms = milliseconds(ttl_s)

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        """See `AnswerCache`. Damaged bytes count as no answer."""
        key = asked.key()

        def read(found: tuple[bytes, bytes | None, None]) -> Answer | None:
            token, stored, _ = found
            asked.notes[key] = token
            body = None if stored is None else epochs.signed(token, stored)
            answer = None if body is None else decode_answer(body, key)
            self.tally.add("misses" if answer is None else "hits")
            return answer

        get = Op[Reply]((("GET", key),), lambda replies: replies[0])
        return merge(epochs.current(self.epoch, self._ttl_ms), get, self._sends(enough=True)).map(read)

    def store(self, asked: CacheQuestion, answer: Answer) -> Op[None]:
        """See `AnswerCache`."""
        token = asked.notes.get(asked.key())
        if token is None:
            return pure(None)
        ttl_ms = asked.lifetime_ms(self._ttl_ms)
        lifetime = ("PX", ttl_ms) if ttl_ms else ()
        put = Op[None](
            (("SET", asked.key(), epochs.sign(token, encode_answer(answer)), *lifetime),), lambda _replies: None
        )
        self.tally.add("updates")
        return merge(put, self._sends(enough=False)).map(lambda _done: None)

    def _sends(self, *, enough: bool) -> Op[None]:
        """The counts that wait; a lookup takes them along only when enough have come together."""
        if enough and not self.tally.due(0.0):
            return pure(None)
        counts = self.tally.take(0.0)
        return self.tally.sends(counts).map(lambda sent: None if sent else self.tally.put_back(counts))
