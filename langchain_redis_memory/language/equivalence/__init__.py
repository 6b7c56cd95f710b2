"""Question equivalence: may the stored answer of one question be served for the other?

A vector search finds neighbours; a policy judges each. `VerifiedPolicy` looks at what the cosine is blind to,
`ThresholdPolicy` is the plain cut, `feedback` moves the bar of one entry by what its users report.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_redis_memory.language.equivalence.feedback import Observations as Observations
    from langchain_redis_memory.language.equivalence.feedback import Served as Served
    from langchain_redis_memory.language.equivalence.hit_policy import HitPolicy as HitPolicy
    from langchain_redis_memory.language.equivalence.hit_policy import Judgement as Judgement
    from langchain_redis_memory.language.equivalence.pair_scorer import PairScorer as PairScorer
    from langchain_redis_memory.language.equivalence.threshold import ThresholdPolicy as ThresholdPolicy
    from langchain_redis_memory.language.equivalence.verified import VerifiedPolicy as VerifiedPolicy

__all__ = ["HitPolicy", "Judgement", "Observations", "PairScorer", "Served", "ThresholdPolicy", "VerifiedPolicy"]

_HOMES = {
    "Observations": "feedback",
    "Served": "feedback",
    "HitPolicy": "hit_policy",
    "Judgement": "hit_policy",
    "PairScorer": "pair_scorer",
    "ThresholdPolicy": "threshold",
    "VerifiedPolicy": "verified",
}
"""Loaded on use: some who need a word list of this room never compare two questions."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
