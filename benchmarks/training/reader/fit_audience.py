"""Chooses what a reading of who may be served counts beside the words, and its thresholds, in half a minute.

    python -m benchmarks.training.reader.fit_audience

On the domains `CHOSEN_ON` and `HELD_OUT`, which neither the words nor the reader were fitted on. At a tolerated risk
one unsafe sentence fewer is let through than would be allowed: a threshold that is just right on these is too high on
others. Writes `audience_weights.json` beside the reader.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import langchain_redis_memory
from benchmarks.quality.audience.sentences import CHOSEN_ON, HELD_OUT, by_hand
from langchain_redis_memory.language.audience import classify_audience
from langchain_redis_memory.language.audience.verdict import MAX_UNSAFE
from langchain_redis_memory.language.logistic import odds, probability
from langchain_redis_memory.language.reader import LocalReader
from langchain_redis_memory.language.reader.reading_audience import in_doubt

OUT = Path(langchain_redis_memory.__file__).parent / "language/reader/audience_weights.json"
SHARES = (0.3, 0.4, 0.5, 0.6, 0.7)
RISKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def main() -> None:
    """Chooses and writes them."""
    rows = [row for domain in (*CHOSEN_ON, *HELD_OUT) for row in by_hand(domain) if not row.howto_my]
    verdicts = [classify_audience(row.text) for row in rows]
    unsafe = np.array([row.unsafe for row in rows])
    words = np.array([odds(verdict.p_unsafe) for verdict in verdicts])
    asked = LocalReader().audience([row.text for row in rows])
    read = np.array([odds(one["unsafe"]) for one in asked])
    doubt = np.array([in_doubt(verdict) for verdict in verdicts])
    never = np.array([verdict.here or verdict.own_procedure for verdict in verdicts])
    best: tuple[float, dict[str, object]] = (0.0, {})
    for share in SHARES:
        joint = np.where(doubt, words + share * (read - words), words)
        joint[never] = np.inf
        ranked = np.sort(joint[unsafe])
        cuts = {risk: float(ranked[max(0, int(risk * len(ranked)) - 1)]) for risk in RISKS}
        found = {risk: float((joint[~unsafe] < cut).mean()) for risk, cut in cuts.items()}
        print(f"share {share}, {len(ranked)} unsafe, {(~unsafe).sum()} public:", found)
        if found[MAX_UNSAFE] > best[0]:
            thresholds = {str(risk): round(probability(cut), 5) for risk, cut in cuts.items()}
            best = found[MAX_UNSAFE], {"share": share, "thresholds": thresholds}
    about = "Chosen by benchmarks/training/reader/fit_audience.py on domains that neither words nor reader had seen."
    OUT.write_text(json.dumps({"about": about, **best[1]}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
