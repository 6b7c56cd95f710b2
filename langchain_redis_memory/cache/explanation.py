"""`Explanation`: why a look-up in a cache is served, or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from langchain_redis_memory.cache.candidate import Candidate

HitT = TypeVar("HitT")


@dataclass(frozen=True)
class Explanation(Generic[HitT]):
    """Explains why a look-up is served, or not.

    Args:
        question: What would be looked up; None where it bypasses the cache.
        kind: The type of question, "" where it was not decided.
        reasons: Why it is of this type.
        bypass: Why it bypasses the cache, "" where it does not.
        candidates: What was found near, with each one's similarity, judgement, and why it was not served.
        hit: What would be served.
        hit_id: Its id, for `report` and `delete`; "" for none.
        parts: What the key is made of, by name.
        log: What became of the newest turns with this question, the newest first, as it reads.
    """

    question: str | None
    kind: str
    reasons: tuple[str, ...]
    bypass: str
    candidates: tuple[Candidate, ...]
    hit: HitT | None
    hit_id: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    log: Sequence[str] = ()

    def __str__(self) -> str:
        if self.question is None:
            lines = [f"bypasses the cache: {self.bypass}"]
        else:
            lines = [f"{self.question!r} ({self.kind}): {'hit ' + self.hit_id if self.hit else 'miss'}"]
        for one in self.candidates:
            sure = f", probability {one.judgement.probability:.3f}" if one.judgement else ""
            lines.append(f"  {one.similarity:.3f} {one.question!r}{sure}: {one.why or 'served'}")
        lines += [f"  {name}: {value}" for name, value in self.parts.items()]
        return "\n".join([*lines, *(f"  logged: {line}" for line in self.log)])
