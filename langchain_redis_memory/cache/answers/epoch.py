"""`EpochAnswerCache`: the answers of `ConversationMemory`, until they expire or the corpus's epoch ends."""

from __future__ import annotations

from typing_extensions import Unpack

from langchain_redis_memory.cache.answers.exact import ExactAnswerCache, ExactRecords
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.ttl import FromSettings, lifetime


class EpochAnswerCache(ExactAnswerCache, ClientOwner):
    """Answers the very same question in the very same context, in the same epoch of the corpus.

    An answer is of its turn's tenant. The epoch is of the tenant that the cache is made for, so ending it reaches the
    answers of all.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        corpus: What the answers are made from.
        ttl_s: Lifetime of an answer in seconds; None for no expiry. By default the settings' `answer_ttl_s`.
        tenant: The tenant that the corpus belongs to.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant or the corpus is not acceptable.
        InvalidInputError: The lifetime is not positive.

    **Keys:** those of `ExactAnswerCache`; `epoch`; `tally`.
    **Trips:** none; its operations are merged into the caller's.
    """

    def __init__(
        self,
        client: ClientLike = None,
        corpus: str = "default",
        *,
        ttl_s: float | FromSettings | None = "settings",
        tenant: str = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        space = self._client.keys(tenant)
        self.epoch: str = space.epoch("responses", corpus)
        self.tally: Tally = Tally(space.tally("responses", corpus))
        super().__init__(lifetime(ttl_s, self._client.settings.answer_ttl_s), epoch=self.epoch)

    @property
    def records(self) -> ExactRecords:
        """Its entries, to look at and to remove; counts of all tenants go to the corpus's."""
        return ExactRecords(self, self.tally)
