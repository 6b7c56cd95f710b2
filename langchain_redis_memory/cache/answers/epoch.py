"""`EpochAnswerCache`: the answers of `ConversationMemory`, until they expire or the corpus's epoch ends."""

from __future__ import annotations

from langchain_redis_memory.cache.answers.exact import ExactAnswerCache, ExactRecords
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import connect


class EpochAnswerCache(ExactAnswerCache):
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

    **Keys:** those of `ExactAnswerCache`; `epoch`; `tally`.
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
        super().__init__(ttl_s, epoch=self.epoch)

    @property
    def records(self) -> ExactRecords:
        """Its entries, to look at and to remove; counts of all tenants go to the corpus's."""
        return ExactRecords(self, self.tally)
