"""Counts what the classifier makes of the four types in twelve domains that nothing was fitted on.

python -m benchmarks.quality.turns [--max-unsafe 0.1] [--errors]

`types.txt` was written before any result on it was seen. `##` begins a domain, `#` a conversation, `>` an answer; N is
a new topic, F a follow-up, S one that needs a search, R a recall, X small talk that may be anything. Faults were looked
for in the first six domains; the last six were scored once, after that.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory import LinguisticClassifier, QuestionType

HERE = Path(__file__).parent
TYPES = {
    "N": QuestionType.NEW_TOPIC,
    "F": QuestionType.CONTEXTUAL_FOLLOW_UP,
    "S": QuestionType.CONTEXTUAL_WITH_SEARCH,
    "R": QuestionType.HISTORY_RECALL,
}
LOOKED_AT = ("beekeeping", "pottery", "genealogy", "tattoo", "locksmith", "recycling")


def labelled() -> Iterator[tuple[str, str, str, list[BaseMessage]]]:
    """The turns: the domain, the letter of the type, the turn, and what was said before."""
    domain, history = "", list[BaseMessage]()
    for line in (HERE / "types.txt").read_text("utf-8").splitlines():
        mark, _, text = line.partition(" ")
        if mark == "##":
            domain = text
        elif mark == "#":
            history = []
        elif mark == ">":
            history.append(AIMessage(text))
        else:
            yield domain, mark, text, [*history]
            history.append(HumanMessage(text))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--max-unsafe", type=float, default=0.1)
    options.add_argument("--errors", action="store_true", help="print the turns as well")
    given = options.parse_args()
    classify = LinguisticClassifier(max_unsafe=given.max_unsafe).classify
    letters = {kind: letter for letter, kind in TYPES.items()}
    found = {title: Counter[tuple[str, str]]() for title in ("looked at", "scored once")}
    for domain, meant, turn, history in labelled():
        told = letters[classify(turn, history).type]
        found["looked at" if domain in LOOKED_AT else "scored once"][meant, told] += 1
        if given.errors and meant != told and meant in TYPES:
            print(f"{domain:12} {meant} taken for {told}: {turn}")
    for title, counts in found.items():
        every = {letter: sum(counts[letter, told] for told in TYPES) for letter in TYPES}
        leans = [letter for letter in TYPES if letter != "N"]
        unsafe, right = sum(counts[letter, "N"] for letter in leans), sum(counts[letter, letter] for letter in TYPES)
        print(
            f"{title}: {unsafe} of {sum(every[letter] for letter in leans)} dependent turns called self-contained, ",
            end="",
        )
        print(f"{counts['N', 'N']} of {every['N']} self-contained ones found, ", end="")
        print(f"{right} of {sum(every.values())} types right")
        for letter in TYPES:
            print(f"  {letter}: " + " ".join(f"{told} {counts[letter, told]:3}" for told in TYPES))


if __name__ == "__main__":
    main()
