"""`EntryOptions`: which answers LangChain's caches keep, and what they count and log of them."""

from __future__ import annotations

from langchain_redis_memory.cache.admission import AdmissionPolicy
from langchain_redis_memory.cache.decision_log import DEFAULT_LOG, DecisionLog
from langchain_redis_memory.cache.stats import Prices
from langchain_redis_memory.checks import check_method, check_number
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.frozen import Frozen


class EntryOptions(Frozen):
    """Configures which answers `RedisCache` and `RedisSemanticCache` keep, and what they count and log of them.

    Args:
        admission: Which answers may be cached; `AdmissionPolicy()` for None.
        jitter: The largest share by which a lifetime is cut at random, so that not all expire at once.
        prices: Model -> what a million tokens cost (read, written), for `Stats.money_saved`.
        log: What is logged of look-ups, for people on call; None for nothing.

    Raises:
        ConfigError: The admission policy cannot refuse.
        InvalidInputError: The share is out of range.
    """

    admission: AdmissionPolicy | None = None
    jitter: float = 0.1
    prices: Prices | None = None
    log: DecisionLog | None = DEFAULT_LOG

    def __post_init__(self) -> None:
        if self.admission is not None:
            check_method(self.admission, "refusal", "admission", ConfigError)
        check_number(self.jitter, "jitter")
