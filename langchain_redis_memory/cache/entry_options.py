"""`EntryOptions`: which answers LangChain's caches keep, and what they count and log of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType

from langchain_redis_memory.cache.admission import AdmissionPolicy
from langchain_redis_memory.cache.decision_log import DEFAULT_LOG, DecisionLog
from langchain_redis_memory.cache.stats import Prices
from langchain_redis_memory.checks import check_method, check_number, check_type
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
        check_type(self.prices, (Mapping, NoneType), "prices", "a dict, as {'gpt-5-mini': (0.25, 2.0)}", ConfigError)
        check_type(self.log, (DecisionLog, NoneType), "log", "a DecisionLog or None", ConfigError)


def entry_options(entries: EntryOptions | None) -> EntryOptions:
    """Returns the options that an argument names; raises `ConfigError`: it is something else."""
    if entries is None:
        return EntryOptions()
    return check_type(entries, EntryOptions, "entries", "EntryOptions(...)", ConfigError)
