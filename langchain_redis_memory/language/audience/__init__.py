"""Who may be served the answer to a turn: everyone, the user, the session or nobody, and for how long?

* `classify_audience` reads the words, in a fraction of a millisecond and without a model.
* `LLMAudience` also asks a chat model.

The two errors have different prices: a personal answer that is served to somebody else is wrong, an answer that is not
shared only costs a cache hit. So a turn is everyone's only where the probability that it is not is so small that, on
domains unknown to the classifier, at most `max_unsafe` of the turns that must not be shared were; and what cannot be
read is personal and volatile.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_redis_memory.language.audience.linguistic import classify_audience
    from langchain_redis_memory.language.audience.llm import LLMAudience
    from langchain_redis_memory.language.audience.verdict import Audience, AudienceVerdict

__all__ = ["Audience", "AudienceVerdict", "LLMAudience", "classify_audience"]

_HOMES = {
    "Audience": "verdict",
    "AudienceVerdict": "verdict",
    "LLMAudience": "llm",
    "classify_audience": "linguistic",
}
"""Loaded at their first use, as in `classify`."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
