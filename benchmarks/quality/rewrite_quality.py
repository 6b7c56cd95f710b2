"""How good are the rewrites? Against people's rewrites of the same turns, for the turns that it trusts.

    python -m benchmarks.quality.rewrite_quality --data DIR [--show 20] [--state]

DIR holds `conversation_turns.jsonl` with `source`, `turn`, `history` (pairs of role and text), `question`, `rewrite`.
The numbers in docs/state.md are of TREC CAsT 2019 and 2020 (Dalton et al., MIT; the history has the user's turns
only) and of CANARD's development set (Elgohary et al., 2019, CC BY-SA 4.0; people saw a title that the history lacks).
`--state` gives the state as well that `ConversationMemory(state=True)` would have kept of the turns before.

Of the turns that are to be rewritten and trusted: `same` is a token F1 of at least 0.8, `all words` that no
content word of the person's rewrite is missing, `exact` the same words; `wrong` that a content word is there that the
person's lacks, or the other way round; `foreign` only the first of these: another thing was put in.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from rich.console import Console
from rich.table import Table

from langchain_redis_memory.conversation.context import StoredContext
from langchain_redis_memory.language.classify import LinguisticClassifier, content_words, dependence
from langchain_redis_memory.language.contextualise.local import LocalContextualiser
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.language.words import stem
from langchain_redis_memory.state.model import ConversationState, advance


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", re.sub("['\u2019]s\\b", "", text.lower()))


def f1(one: str, other: str) -> float:
    a, b = Counter(words(one)), Counter(words(other))
    shared = sum((a & b).values())
    return 2 * shared / (a.total() + b.total()) if shared else 0.0


def content(text: str) -> set[str]:
    return {stem(word) for whole in content_words(text.replace("\u2019", "'")) for word in words(whole)}


def judge(said: str, meant: str) -> dict[str, bool]:
    mine, theirs = content(said), content(meant)
    return {
        "same": f1(said, meant) >= 0.8,
        "all words": theirs <= mine,
        "exact": words(said) == words(meant),
        "wrong": mine != theirs,
        "foreign": not mine <= theirs,
    }


def state_of(history: Sequence[BaseMessage]) -> TurnState:
    """Returns the state after the turns of a history."""
    state = ConversationState()
    classifier = LinguisticClassifier()
    turns = [at for at, message in enumerate(history) if isinstance(message, HumanMessage)]
    for at, end in zip(turns, [*turns[1:], len(history)], strict=True):
        text = str(history[at].text)
        answer = next((str(said.text) for said in reversed(history[at + 1 : end])), "")
        state = advance(state, text, answer, classifier.classify(text, history[:at]))
    return StoredContext(state).turn_state(history)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--show", type=int, default=0, help="wrong ones to print for each source")
    parser.add_argument("--source", default="")
    parser.add_argument("--state", action="store_true", help="give the conversation's state as well")
    options = parser.parse_args()
    contextualiser = LocalContextualiser()
    tallies: dict[str, Counter[str]] = defaultdict(Counter)
    shown: Counter[str] = Counter()
    seconds = 0.0
    for line in (options.data / "conversation_turns.jsonl").open(encoding="utf-8"):
        row: dict[str, Any] = json.loads(line)
        source = str(row["source"])
        if row["turn"] < 2 or not source.startswith(options.source):
            continue
        history = [(HumanMessage if role == "user" else AIMessage)(text) for role, text in row["history"]]
        state = state_of(history) if options.state else NO_STATE
        started = perf_counter()
        rewrite = contextualiser.contextualise(row["question"], history, state)
        seconds += perf_counter() - started
        tally = tallies[source]
        tally["turns"] += 1
        tally["dependent"] += row["dep_content"]
        if not dependence(row["question"]):
            tally["left alone"] += 1
            tally["left alone wrongly"] += row["dep_content"]
            continue
        tally["to rewrite"] += 1
        if not rewrite.trusted:
            continue
        tally["trusted"] += 1
        verdict = judge(rewrite.question, row["rewrite"])
        for name, holds in verdict.items():
            tally[name] += holds
        if verdict["wrong"] and shown[source] < options.show:
            shown[source] += 1
            print(
                f"{source} | {row['question']} -> {rewrite.question} | a person: {row['rewrite']} | {rewrite.reasons}"
            )
    table = Table("source", "turns", "to rewrite", "trusted", "same", "all words", "exact", "wrong", "foreign")
    for source, tally in tallies.items():
        shares = [
            f"{tally[name] / max(1, tally['trusted']):.2f}"
            for name in ("same", "all words", "exact", "wrong", "foreign")
        ]
        share = f"{tally['trusted']} ({tally['trusted'] / max(1, tally['to rewrite']):.2f})"
        table.add_row(source, str(tally["turns"]), str(tally["to rewrite"]), share, *shares)
    console = Console(width=120)
    console.print(table)
    console.print(f"{seconds / max(1, sum(t['turns'] for t in tallies.values())) * 1e3:.2f} ms a turn")


if __name__ == "__main__":
    main()
