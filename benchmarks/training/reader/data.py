"""Makes the examples that the reader is trained on, from data whose licence allows to ship weights.

    python -m benchmarks.training.reader.data --data DIR --out examples.jsonl [--vectors FILE]

Each line is {"head", "a", "b", "y", "w", "held", "from"}: `same` is a pair of questions, `dependent` a turn and the
head of its conversation, the other heads a turn alone. Held examples are never trained on; the weight of the reader as
a term of the verifier is fitted on them. Quora, SICK, CANARD, TREC CAsT 2020, the test halves of PAWS and of the
GPTCache data, the held domains of the written questions and the untouched domains of the audience are in neither part.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, HumanMessage

from benchmarks.quality.audience.sentences import HELD_OUT, load
from benchmarks.quality.conversations import cases, foreign, turns
from benchmarks.training import audience, equivalence_pairs
from benchmarks.training.generated import generated
from benchmarks.training.train_equivalence import is_test, nearest, question_pairs, vectors_of
from benchmarks.training.written import written_pairs
from langchain_redis_memory.language.audience.verdict import QUESTIONS
from langchain_redis_memory.language.reader.inputs import context_of

HERE = Path(__file__).parent
HELD_DOMAINS = frozenset("hr kitchen telecom culture museum finance".split())
"""Domains of the paraphrases that are not trained on."""
_OF_A_PLACE = frozenset("hotel restaurant shop museum photo".split())
"""Domains whose questions are of one place: behind another conversation it is not sure that they stand alone."""
CAPS = {
    "paws": 800, "gptcache": 420, "clusters": 5500, "made": 2200, "frames": 700, "banking": 500, "banking-same": 400,
    "cast": 300, "home": 100,
}  # fmt: skip
"""Most examples of each source of pairs."""


class Example(NamedTuple):
    """One example of one head."""

    head: str
    a: str
    b: str
    y: float
    source: str
    held: bool = False
    w: float = 1.0


def is_held(text: str) -> bool:
    """Whether a sentence, and whatever is made of it, is kept out of the training."""
    return sha256(text.encode()).digest()[1] % 5 == 0


def clusters() -> Iterator[tuple[str, list[list[str]]]]:
    """Blocks of questions that look alike, by domain: those of one line ask the same, those of two lines do not."""
    for file in sorted((HERE / "paraphrases").glob("*.txt")):
        domain = ""
        for block in file.read_text("utf-8").split("\n\n"):
            rows = []
            for line in block.splitlines():
                if line.startswith("#"):
                    domain = line[1:].strip()
                elif line.strip():
                    rows.append([text.strip() for text in line.split(" | ")])
            if rows:
                yield domain, rows


def _noisy(text: str, chance: random.Random) -> str:
    """The text, or what people make of it: no capitals, no question mark, a slip, a frame of politeness."""
    if chance.random() < 0.45:
        return text
    change = chance.choices([one for one, _ in equivalence_pairs.KEEP[:3]], [1.0, 3.0, 0.7])[0]
    return change(text, chance) or text


def from_clusters(chance: random.Random) -> Iterator[Example]:
    """Pairs of the project's own paraphrases, each different one twice as often as it is drawn."""
    for domain, rows in clusters():
        held = domain in HELD_DOMAINS
        same = [pair for row in rows for pair in combinations(row, 2)]
        other = [(a, b) for one, two in combinations(rows, 2) for a in one for b in two]
        for times in range(1 if held else 3):
            for a, b in same:
                yield Example("same", _noisy(a, chance), _noisy(b, chance) if times else b, 1, "clusters", held)
        drawn = other if held else [*other[:: max(1, len(rows) - 2)], *chance.sample(other, len(other) // 4)]
        for a, b in drawn:
            yield Example("same", _noisy(a, chance), b if held else _noisy(b, chance), 0, "clusters", held)


def from_written(chance: random.Random) -> Iterator[Example]:
    """Pairs of the questions by domain, without the domains that figures are reported on."""
    for a, b, same, domain in written_pairs(held=False):
        yield Example("same", _noisy(a, chance), _noisy(b, chance), same, f"written {domain}")
        if same:
            yield Example("same", b, _noisy(a, chance), 1, f"written {domain}")


def pairs(data: Path, seed: int, cached: Path | None) -> list[Example]:
    """The pairs of questions."""
    chance = random.Random(seed)
    found = list(from_clusters(chance))
    asked = [pair for pair in question_pairs(data) if not is_test(pair.a, pair.b)]
    paws = [pair for pair in asked if pair.source == "paws"]
    mock = [pair for pair in asked if pair.source == "gptcache-mock"]
    for pair in paws:
        held = is_held(pair.a)
        a, b = (text.replace(" ,", ",").replace(" .", ".") for text in pair[:2])
        found += [
            Example("same", one, two, pair.same, "paws", held) for one, two in ((a, b), (pair.b, pair.a))[: 2 - held]
        ]
        if not held:
            found.append(Example("same", b.lower(), a.lower(), pair.same, "paws"))
    found += [Example("same", pair.a, pair.b, 1, "gptcache", is_held(pair.a)) for pair in mock]

    banking = [json.loads(line) for line in (data / "banking77_train.jsonl").open(encoding="utf-8")]
    home = [json.loads(line) for line in (data / "home_intents.jsonl").open(encoding="utf-8")]
    cast = sorted({row["rewrite"].strip() for row in turns(data) if row["source"] == "cast2019"})
    some = chance.sample(home, 1200)
    statements = sorted({pair.a for pair in mock})
    vectors = vectors_of([row["text"] for row in banking + some] + cast, cached)
    near = {
        "banking": nearest([row["category"] for row in banking], [row["text"] for row in banking], vectors, 0.6, 2),
        "home": nearest([row["intent"] for row in some], [row["text"] for row in some], vectors, 0.6, 1),
        "cast": nearest(cast, cast, vectors, 0.55, 4),
    }
    for source, close in near.items():
        for a, b in close:
            if is_held(a) == is_held(b):
                found.append(Example("same", a, b, 0, source, is_held(a)))
    by_intent: dict[str, list[str]] = {}
    for row in banking:
        by_intent.setdefault(row["category"], []).append(row["text"])
    for texts in by_intent.values():
        for a, b in combinations(texts, 2):
            if float(vectors[a].astype("f4") @ vectors[b].astype("f4")) > 0.88 and is_held(a) == is_held(b):
                found.append(Example("same", a, b, 0.9, "banking-same", is_held(a), 0.5))

    real = [
        *cast,
        *chance.sample([row["text"] for row in banking], 1000),
        *chance.sample(statements, min(200, len(statements))),
    ]
    real += [pair.a.replace(" ,", ",").replace(" .", ".") for pair in chance.sample(paws, min(200, len(paws)))]
    for source, sentences in (("made", real), ("frames", list(equivalence_pairs.frames(chance, 9)))):
        for held in (False, True):
            part = [text for text in sentences if is_held(text) == held]
            found += [Example("same", a, b, y, source, held) for a, b, y in equivalence_pairs.pairs(part, chance)]
    return [row for row in _capped(found, chance) if row.a.lower() != row.b.lower()]


def _capped(found: Sequence[Example], chance: random.Random) -> Iterator[Example]:
    for source, most in CAPS.items():
        for held in (False, True):
            part = [row for row in found if row.source == source and row.held == held]
            yield from chance.sample(part, min(len(part), most))


def dialogues() -> Iterator[tuple[str, bool, list[tuple[str, str]]]]:
    """Turns of the project's own conversations: the turn, whether it depends on them, what was said before."""
    for talk in (HERE / "dialogues.txt").read_text("utf-8").split("\n\n"):
        said: list[tuple[str, str]] = []
        for line in talk.splitlines():
            mark, text = line[:1], line[2:]
            if mark in {"+", "-"}:
                if said:
                    yield text, mark == "-", list(said)
                said.append(("user", text))
            elif mark == ">":
                said.append(("assistant", text))


def conversations(data: Path, seed: int) -> list[Example]:
    """Turns behind their conversation."""
    chance = random.Random(seed)
    recorded = [turn for turn in turns(data) if turn["source"] in {"cast2019", "gecor"}]
    found = []
    pool = []
    for case in (*cases(recorded), *foreign(data, recorded)):
        source = f"{case.source}-{case.kind}"
        found.append(Example("dependent", case.turn, context_of(case.history), float(case.dependent), source))
        pool.append(context_of(case.history))
    for turn, dependent, said in generated():
        behind = context_of((HumanMessage(said[0]), AIMessage(said[1]))) if said else chance.choice(pool)
        found.append(Example("dependent", turn, behind, float(dependent), f"own-{'pair' if said else 'splice'}"))
    talks = list(dialogues())
    behind_own = [context_of(_messages(said)) for _, _, said in talks]
    for turn, dependent, before in talks:
        found += [Example("dependent", turn, context_of(_messages(before)), float(dependent), "dialogues")] * 3
        if not dependent:
            found.append(Example("dependent", turn, chance.choice(behind_own), 0.0, "dialogues-splice"))
    for domain, rows in clusters():
        if domain in HELD_DOMAINS or domain in _OF_A_PLACE:
            continue
        for row in rows:
            behind = chance.choice(chance.choice((pool, behind_own)))
            found.append(Example("dependent", chance.choice(row), behind, 0.0, "clusters-splice"))
    caps = {
        "gecor-utterance": 900,
        "gecor-rewrite": 400,
        "gecor-splice": 500,
        "banking-splice": 700,
        "own-splice": 900,
        "own-pair": 1200,
    }
    kept = []
    for source in dict.fromkeys(row.source for row in found):
        part = [row for row in found if row.source == source]
        kept += chance.sample(part, min(len(part), caps.get(source, len(part))))
    return kept


def _messages(said: Sequence[tuple[str, str]]) -> list[HumanMessage | AIMessage]:
    return [(HumanMessage if role == "user" else AIMessage)(text) for role, text in said]


def audiences(data: Path, seed: int) -> list[Example]:
    """Turns with who may be served the answer: one example for each head."""
    chance = random.Random(seed)
    rows = [(row, frozenset(QUESTIONS)) for row in load() if row.domain not in HELD_OUT]
    rows += chance.sample(audience.intents(data), 1200)
    return [
        Example(head, row.text, "", float(getattr(row, head)), row.domain)
        for row, heads in rows
        for head in QUESTIONS
        if head in heads
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    parser.add_argument("--seed", type=int, default=17)
    given = parser.parse_args()
    rows = [
        *pairs(given.data, given.seed, given.vectors),
        *conversations(given.data, given.seed),
        *audiences(given.data, given.seed),
        *from_written(random.Random(given.seed)),
    ]
    with given.out.open("w", encoding="utf-8") as file:
        for row in rows:
            line: dict[str, Any] = row._asdict()
            file.write(json.dumps({"from": line.pop("source"), **line}) + "\n")
    for (head, source, held), count in sorted(Counter((row.head, row.source, row.held) for row in rows).items()):
        share = sum(row.y for row in rows if (row.head, row.source, row.held) == (head, source, held)) / count
        print(f"{head:10} {source:18} {'held' if held else 'trained':8} {count:6} {share:.2f}")


if __name__ == "__main__":
    main()
