"""Makes the sentences that the reader's audience head is trained on, and those that its share is chosen by.

    python -m benchmarks.training.reader.audience_rows --data DIR --out rows.jsonl

Each line has the text, its labels, the heads that they speak of, its weight, and its part: `train`; `left`, the domains
`LEFT`, which are trained on only after share and thresholds were chosen; `choose`, the domains `CHOSEN_ON`, never. The
last two have what the words say of them, by weights that had no part in either.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.quality.audience.sentences import CHOSEN_ON, Sentence, by_hand, load
from benchmarks.training import audience as training
from langchain_redis_memory.language.audience.linguistic import HEADS, WHOLE, AudienceWeights, weigh
from langchain_redis_memory.language.reader.reading_audience import in_doubt

LEFT = "driving festival optician builder charity bikes police facts".split()
OF_A_TEMPLATE, OF_INTENTS, INTENT_WEIGHT = 4, 1200, 0.5
"""Most sentences of one template, of the intent sets together, and what one of those counts."""


def rows(data: Path) -> Iterator[dict[str, Any]]:
    """The lines."""
    chance = random.Random(5)
    sentences, extra = load(), training.intents(data)
    known = training.train([row for row in sentences if row.domain not in LEFT], extra)
    weights = AudienceWeights.parse(known)
    times: Counter[tuple[str, str]] = Counter()
    for row in chance.sample(sentences, len(sentences)):
        times[row.domain, row.template] += 1
        if row.template != "hand" and times[row.domain, row.template] > OF_A_TEMPLATE:
            continue
        left = row.domain in LEFT
        yield _line(row, frozenset(HEADS), "left" if left else "train", weights if left else None)
    for row, heads in chance.sample(extra, min(OF_INTENTS, len(extra))):
        yield _line(row, heads, "train") | {"weight": INTENT_WEIGHT}
    for domain in CHOSEN_ON:
        for row in by_hand(domain):
            yield _line(row, frozenset(HEADS), "choose", weights)


def _line(row: Sentence, heads: frozenset[str], part: str, weights: AudienceWeights | None = None) -> dict[str, Any]:
    whole = not row.howto_my and (row.unsafe or "personal" in heads)
    told = {
        "text": row.text,
        "domain": row.domain,
        "part": part,
        "y": [*(getattr(row, head) for head in HEADS), int(row.unsafe)],
        "told": [*(int(head in heads) for head in HEADS), int(whole)],
        "own_how_to": row.howto_my,
        "weight": 1.0,
    }
    if weights is None:
        return told
    verdict = weigh(training.read(row.text), weights, opaque=True)
    return told | {"words": verdict.p_unsafe, "doubt": in_doubt(verdict), "own": verdict.own_procedure}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    lines = list(rows(given.data))
    given.out.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    print(Counter(line["part"] for line in lines), "outputs", (*HEADS, WHOLE))


if __name__ == "__main__":
    main()
