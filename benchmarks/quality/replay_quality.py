"""The end-to-end quality of a conversation's cache: people's conversations replayed, and every serve judged.

    python -m benchmarks.quality.replay_quality --data DIR [--risk 0.01,0.05] [--canard 100] [--redis URL]
        [--show 9] [--html F]

DIR holds `conversation_turns.jsonl`: TREC CAsT 2019 and 2020 (Dalton et al., MIT) and half of CANARD's development set
(Elgohary et al., 2019, CC BY-SA 4.0), with people's rewrites. CAsT has no answers; CANARD's come from the histories of
the turns after them. Without a URL a server of the test extra is started.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.progress import Progress

from langchain_redis_memory.cli.replay import RISKS, CacheOutcome, RecordedTurn, ReplayReport, Settings, measure
from langchain_redis_memory.cli.replay.html import page
from langchain_redis_memory.cli.replay.table import table
from langchain_redis_memory.redis.client.client import Client

SOURCES = ("cast2019", "cast2020", "canard-dev")


def conversations(data: Path, canard: int | None, sources: tuple[str, ...] = SOURCES) -> list[list[RecordedTurn]]:
    """The conversations, with answers where the history of the next turn tells them."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in (data / "conversation_turns.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        if row["source"] in sources:
            found[row["source"], row["conv"]].append(row)
    some = sorted(name for name in found if name[0] == "canard-dev")
    for name in random.Random(1).sample(some, len(some) - min(canard, len(some)) if canard is not None else 0):
        del found[name]
    return [list(_turns(rows)) for rows in found.values()]


def _turns(rows: list[dict[str, Any]]) -> Iterator[RecordedTurn]:
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        answer = None
        if after and after["history"] and after["history"][-1][0] == "assistant":
            answer = after["history"][-1][1]
        yield RecordedTurn(f"{row['source']}/{row['conv']}", row["turn"], row["question"], row["rewrite"], answer)


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """The URL that was given, or that of a server of the test extra."""
    if url:
        yield url
        return
    from tests.support import servers

    farm = servers.Farm()
    try:
        yield farm.url(servers.NEWEST)
    finally:
        farm.stop()


def by_source(outcome: CacheOutcome) -> str:
    """Wrong serves of dependent turns, for each source."""
    wrong = Counter(
        serve.asked.turn.conversation.split("/")[0] for serve in outcome.wrong if serve.asked.kind == "dependent"
    )
    return f"{outcome.name}: " + (", ".join(f"{source} {count}" for source, count in sorted(wrong.items())) or "none")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--risk", default=",".join(map(str, RISKS)))
    options.add_argument("--max-unsafe", type=float, help="the classifier's at every level; 0.1 is its default")
    options.add_argument("--cache", choices=["semantic", "exact"], default="semantic")
    options.add_argument("--classifier", choices=["linguistic", "embedding"], default="linguistic")
    options.add_argument("--share-rewrites", action="store_true")
    options.add_argument("--canard", type=int, help="only so many conversations of CANARD, drawn at random")
    options.add_argument("--users", type=int, default=3)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--redis", help="a server's URL; one is started without")
    options.add_argument("--show", type=int, default=0, help="wrong serves to print for each level")
    options.add_argument("--json", type=Path)
    options.add_argument("--html", type=Path)
    given = options.parse_args()
    console = Console(width=170, highlight=False)
    settings = Settings(
        given.users,
        given.seed,
        tuple(float(risk) for risk in given.risk.split(",")),
        given.cache,
        given.classifier,
        given.share_rewrites,
        max_unsafe=given.max_unsafe,
    )
    with (
        server(given.redis) as url,
        Client.from_url(url, prefix=f"lrm-replay-{uuid4()}") as client,
        Progress(console=Console(stderr=True)) as bar,
    ):

        def begin(stage: str, steps: int) -> Any:
            task = bar.add_task(stage, total=steps)
            return lambda: bar.advance(task)

        report: ReplayReport = measure(client, conversations(given.data, given.canard), settings, begin=begin)
    console.print(table(report))
    for outcome in report.outcomes:
        console.print("wrong serves of dependent turns, " + by_source(outcome))
    for outcome in report.levels:
        for serve in outcome.wrong[: given.show]:
            one, other = serve.asked, serve.made_for
            console.print(
                f"{outcome.name} | {one.kind} {one.session} {one.before[-1:]} {one.text!r} = {one.meaning!r} | "
                f"{other.session} {other.before[-1:]} {other.text!r} = {other.meaning!r} | {serve.verdict}",
                markup=False,
            )
    if given.json:
        given.json.write_text(json.dumps(report.as_dict(), indent=1, ensure_ascii=False), "utf-8")
    if given.html:
        given.html.write_text(page(report), "utf-8")


if __name__ == "__main__":
    main()
