"""Question equivalence: may the stored answer of one question be served for the other?

A vector search finds neighbours; a policy judges each. `VerifiedPolicy` looks at what the cosine is blind to,
`ThresholdPolicy` is the plain cut, `feedback` moves the bar of one entry by what its users report.
"""

from __future__ import annotations

from langchain_redis_memory.language.equivalence.feedback import Observations, Served
from langchain_redis_memory.language.equivalence.hit_policy import HitPolicy, Judgement
from langchain_redis_memory.language.equivalence.pair_scorer import PairScorer
from langchain_redis_memory.language.equivalence.threshold import ThresholdPolicy
from langchain_redis_memory.language.equivalence.verified import VerifiedPolicy

__all__ = ["HitPolicy", "Judgement", "Observations", "PairScorer", "Served", "ThresholdPolicy", "VerifiedPolicy"]
