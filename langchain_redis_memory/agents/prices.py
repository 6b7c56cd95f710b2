"""What model calls cost: in tokens, or in money where prices are given."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from langchain_redis_memory.cache.stats import Prices
from langchain_redis_memory.checks import check_number
from langchain_redis_memory.errors import ConfigError

_log = logging.getLogger(__name__)
MICRO = 1_000_000
"""Money is counted in millionths, so a token costs what a million of them cost."""


@dataclass(frozen=True)
class Meter:
    """Measures usage in tokens, or, with prices of a million tokens read and written, in millionths of money.

    The model's name counts that the provider answers with, or the longest one that it begins with; an unknown model
    costs as the dearest. Raises `ConfigError`: a price is none.
    """

    prices: Prices | None = None
    _warned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.prices is not None and not self.prices:
            raise ConfigError("prices need at least one model: prices={'gpt-5-mini': (0.25, 2.0)}")
        for model, pair in (self.prices or {}).items():
            if len(tuple(pair)) != 2:
                msg = f"the prices of {model!r} must be two numbers: what a million tokens cost, read and written"
                raise ConfigError(msg)
            for price in pair:
                check_number(price, f"the price of {model!r}", 0, 1e6, error=ConfigError)

    def budget(self, most: float) -> int:
        """Converts a budget to what is counted."""
        return round(most * MICRO) if self.prices else int(most)

    def reserve(self, tokens: int) -> int:
        """Converts tokens that are not used yet, at the dearest price."""
        return tokens if self.prices is None else round(tokens * max(map(max, self.prices.values())))

    def used(self, usage: Mapping[str, Any] | None, model: str) -> int | None:
        """Measures a model call; None where nobody says what it used."""
        if usage is None:
            return None
        if self.prices is None:
            return int(usage["total_tokens"])
        read, written = self._price(model)
        return round(int(usage["input_tokens"]) * read + int(usage["output_tokens"]) * written)

    def spent(self, messages: Sequence[BaseMessage]) -> int:
        """Adds up what the model's messages used."""
        said = (message for message in messages if isinstance(message, AIMessage))
        return sum(self.used(message.usage_metadata, model_of(message)) or 0 for message in said)

    def _price(self, model: str) -> tuple[float, float]:
        prices = self.prices or {}
        known = [name for name in prices if model.startswith(name)]
        if known:
            return prices[max(known, key=len)]
        if model not in self._warned:
            self._warned.add(model)
            _log.warning("the model %r has no price; it is counted as the dearest one", model)
        return max(read for read, _ in prices.values()), max(written for _, written in prices.values())


def model_of(message: AIMessage) -> str:
    """Returns the model that said a message, as its provider names it; "" where nobody says."""
    return str(message.response_metadata.get("model_name") or message.response_metadata.get("model") or "")
