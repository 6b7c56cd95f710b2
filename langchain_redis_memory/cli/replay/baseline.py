"""What the same stream costs a cache whose key is the last utterance: computed here, without a server.

This is what a cache does that is put in front of a chat model and shown its newest question: it serves the first
answer that was stored under those words, or under words whose vector is near enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from langchain_redis_memory.cli.replay.judge import CacheOutcome
from langchain_redis_memory.cli.replay.stream import StreamTurn
from langchain_redis_memory.extras import np, npt

NEAR = 0.85
"""The cosine from which other semantic caches serve an answer, by default or by their examples."""


def raw_exact(stream: Sequence[StreamTurn]) -> Iterator[CacheOutcome]:
    """Simulates a cache that matches the same utterance exactly, white space at its ends aside.

    Yields the outcome so far, once for each turn (always the same object).
    """
    outcome, stored = CacheOutcome("naive, same words"), dict[str, StreamTurn]()
    for asking in stream:
        made_for = stored.get(asking.text.strip())
        outcome.saw(asking, "miss" if made_for is None else "hit", made_for)
        stored.setdefault(asking.text.strip(), asking)
        yield outcome


def raw_cosine(stream: Sequence[StreamTurn], vectors: npt.NDArray[np.float32]) -> Iterator[CacheOutcome]:
    """Simulates a cache that serves the nearest utterance from the cosine `NEAR` up, by vectors of length 1.

    Yields the outcome so far, once for each turn (always the same object).
    """
    outcome, stored = CacheOutcome(f"naive, cosine {NEAR}"), list[StreamTurn]()
    rows = np.zeros_like(vectors)
    for asking, vector in zip(stream, vectors, strict=True):
        near = rows[: len(stored)] @ vector
        best = int(near.argmax()) if len(stored) else -1
        made_for = stored[best] if best >= 0 and near[best] >= NEAR else None
        outcome.saw(asking, "miss" if made_for is None else "hit", made_for)
        if made_for is None:
            rows[len(stored)] = vector
            stored.append(asking)
        yield outcome
