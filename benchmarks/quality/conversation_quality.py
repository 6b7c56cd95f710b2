"""How well the classifiers tell what a turn depends on, on people's conversations.

    python -m benchmarks.quality.conversation_quality --data DIR [--fold N] [--embed] [--limit N]

Conversations are split by a hash of their id. CANARD is never fitted on; of the sources that the weights were fitted
on, `train_classifier --check` gives the figures without the source. Every figure is balanced: dependent and
self-contained turns count alike however many of each there are. What it comes to end to end, in answers that are served
rightly and wrongly, is measured by `replay_quality`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from langchain_core.messages import AIMessage, HumanMessage
from rich.console import Console
from rich.table import Table

from benchmarks.quality.conversations import Case, cases, fold, foreign, tiage, turns
from benchmarks.quality.recall import held
from langchain_redis_memory.language.classify import Classifier, EmbeddingClassifier, LinguisticClassifier
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.ops import settled
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings


def judged(client: Client, classifier: Classifier, found: Sequence[Case]) -> tuple[np.ndarray, np.ndarray, float]:
    """Whether each case is called self-contained, its probability of dependence, and milliseconds for each."""
    alone, share = np.zeros(len(found), bool), np.zeros(len(found))
    started = time.perf_counter()
    for place, case in enumerate(found):
        verdict = client.drive(settled(classifier.classify(case.turn, case.history)))
        alone[place] = verdict.type is QuestionType.NEW_TOPIC
        share[place] = 0.5 if verdict.dependence is None else verdict.dependence
    return alone, share, (time.perf_counter() - started) * 1000 / max(len(found), 1)


def figures(found: Sequence[Case], alone: np.ndarray, share: np.ndarray) -> dict[str, float]:
    """The figures of one source."""
    kind = np.array([case.kind for case in found])
    leans = np.array([case.dependent for case in found]) & (kind == "utterance")
    stands = ~leans & (kind == "utterance")
    rewrites, new = kind == "rewrite", kind == "splice"
    bound = np.quantile(share[leans], 0.05)
    return {
        "unsafe": float(alone[leans].mean()),
        "self-contained found": float(alone[stands].mean()) if stands.any() else float("nan"),
        "found at unsafe 5%": float((share[stands] < bound).mean()) if stands.any() else float("nan"),
        "utterance v. rewrite at 0.5": float((share[leans] > 0.5).mean() + (share[rewrites] <= 0.5).mean()) / 2,
        "rewrites found": float(alone[rewrites].mean()),
        "new topics called dependent": float(1 - alone[new].mean()),
        "new topics dependent at 0.5": float((share[new] > 0.5).mean()),
        "unsure (0.05 to 0.6)": float(((share >= 0.05) & (share <= 0.6))[kind == "utterance"].mean()),
    }


def recalls(data: Path) -> dict[str, float]:
    """The share of questions for what was said that are found, and of other sets that are taken for one."""
    classifier = LinguisticClassifier()
    asked, other = held()
    sets: dict[str, list[str]] = {
        "questions of recall, written to judge by (found)": asked,
        "their look-alikes": other,
        "banking77": [json.loads(line)["text"] for line in (data / "banking77_train.jsonl").open(encoding="utf-8")],
        "tiage": [text for _, said in tiage(data) for text, _ in said],
    }
    for turn in turns(data):
        sets.setdefault(turn["source"], []).append(turn["question"])
    history = [HumanMessage("What is throat cancer?"), AIMessage("A tumour of the larynx or pharynx.")]
    return {
        name: float(
            np.mean([classifier.classify(text, history).type is QuestionType.HISTORY_RECALL for text in texts if text])
        )
        for name, texts in sets.items()
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--fold", type=int, help="only the conversations of this fold, 0 to 4")
    options.add_argument("--embed", action="store_true", help="also the embedding classifier, with the local MiniLM")
    options.add_argument("--limit", type=int, default=1500, help="most cases of a source and a classifier")
    given = options.parse_args()
    client, console = Client.from_url("memory://quality"), Console(width=200, highlight=False)
    classifiers: dict[str, Classifier] = {"linguistic": LinguisticClassifier()}
    if given.embed:
        classifiers["embedding"] = EmbeddingClassifier(MiniLMEmbeddings())
    table = Table(title="What a turn depends on", title_justify="left")
    found = [case for case in cases(turns(given.data)) if given.fold is None or fold(case.conversation) == given.fold]
    rows: dict[str, dict[str, float]] = {}
    for name, classifier in classifiers.items():
        for source in ("cast2019", "cast2020", "canard", "gecor"):
            here = [case for case in found if case.source == source]
            here = random.Random(1).sample(here, min(given.limit, len(here)))
            alone, share, taken = judged(client, classifier, here)
            rows[f"{name} {source}"] = {**figures(here, alone, share), "ms a turn": taken}
    table.add_column("figure")
    for name in rows:
        table.add_column(name, justify="right")
    for figure in next(iter(rows.values())):
        table.add_row(figure, *(f"{row[figure]:.3f}" for row in rows.values()))
    console.print(table)
    for name, classifier in classifiers.items():
        strange = random.Random(1).sample(list(foreign(given.data, turns(given.data))), min(given.limit, 1000))
        alone, share, _ = judged(client, classifier, strange)
        console.print(
            f"{name}: a bank's customers and first turns of CAsT behind chats and bookings: called dependent "
            f"{1 - alone.mean():.3f}, at 0.5 {(share > 0.5).mean():.3f}"
        )
    for name, value in recalls(given.data).items():
        console.print(f"taken for a question of recall: {name} {value:.4f}")
    client.close()
    asyncio.run(client.aclose())


if __name__ == "__main__":
    main()
