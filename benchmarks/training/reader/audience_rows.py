"""Makes the sentences that the reader's audience head is trained on.

    python -m benchmarks.training.reader.audience_rows --data DIR --out rows.jsonl

Each line has the text, its labels, the heads that they speak of, and its weight.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.quality.audience.sentences import Sentence, load
from benchmarks.training import audience as training
from langchain_redis_memory.language.audience.linguistic import WHOLE
from langchain_redis_memory.language.audience.verdict import QUESTIONS

OF_A_TEMPLATE, OF_INTENTS, INTENT_WEIGHT = 4, 1200, 0.5
"""Most sentences of one template, of the intent sets together, and what one of those counts."""


def rows(data: Path) -> Iterator[dict[str, Any]]:
    """The lines."""
    chance = random.Random(5)
    sentences, extra = load(), training.intents(data)
    times: Counter[tuple[str, str]] = Counter()
    for row in chance.sample(sentences, len(sentences)):
        times[row.domain, row.template] += 1
        if row.template == "hand" or times[row.domain, row.template] <= OF_A_TEMPLATE:
            yield _line(row, frozenset(QUESTIONS))
    for row, heads in chance.sample(extra, min(OF_INTENTS, len(extra))):
        yield _line(row, heads) | {"weight": INTENT_WEIGHT}


def _line(row: Sentence, heads: frozenset[str]) -> dict[str, Any]:
    whole = not row.howto_my and (row.unsafe or "personal" in heads)
    return {
        "text": row.text,
        "domain": row.domain,
        "y": [*(getattr(row, head) for head in QUESTIONS), int(row.unsafe)],
        "told": [*(int(head in heads) for head in QUESTIONS), int(whole)],
        "weight": 1.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    lines = list(rows(given.data))
    given.out.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    print(len(lines), "lines, outputs", (*QUESTIONS, WHOLE))


if __name__ == "__main__":
    main()
