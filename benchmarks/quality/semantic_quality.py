"""Wrong hits and true hits of a plain cosine cut and of `VerifiedPolicy`, on the same embeddings (MiniLM, int8).

python -m benchmarks.quality.semantic_quality --data DIR [--vectors FILE]

DIR holds question_pairs.jsonl: lines {"source", "a", "b", "same"} with sources qqp, paws, sick, gptcache-mock. The
public data is to be had at: Quora Question Pairs, quoradata.quora.com (First Quora Dataset Release); PAWS,
github.com/google-research-datasets/paws; SICK, zenodo.org/record/2787612; the GPTCache mock data,
github.com/zilliztech/GPTCache (examples/benchmark). Only the test half of each set is read (see
`train_equivalence.is_test`). Quora is weighed to be balanced. Nothing was fitted on Quora or SICK. Two sets of this
project need no --data: the self-made one, whose templates are used nowhere else, and the held-out domains of
`benchmarks.training.written`, free rewordings and look-alikes of the same question.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from benchmarks.training.train_equivalence import Pair, is_test, question_pairs, vectors_of
from benchmarks.training.written import written_pairs
from langchain_redis_memory.language.equivalence import Judgement, VerifiedPolicy
from langchain_redis_memory.language.equivalence.normalise import key_of
from langchain_redis_memory.language.equivalence.parse import parse
from langchain_redis_memory.language.equivalence.weights import shipped

COSINES = (0.80, 0.85, 0.90, 0.95, 0.97, 0.99)
ERRORS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8)

DIFFERENT = """
Book me a seat on the {day} train | Book me a seat on the {day2} train
Remind me {n} minutes before the match starts | Remind me {n} minutes after the match starts
Which ferries leave {city} for {city2}? | Which ferries leave {city2} for {city}?
Did {name} outlive {name2}? | Did {name2} outlive {name}?
Who hired {name}? | Who did {name} hire?
Translate this letter from {city} dialect to Latin | Translate this letter from Latin to {city} dialect
Can pregnant women eat {food}? | Can't pregnant women eat {food}?
Are {food} imports taxed in {city}? | Are {food} exports taxed in {city}?
The dose for a child of {n} kg | The dose for a child of {n2} kg
Convert {n} miles to feet | Convert {n} feet to miles
How do I mute {name} in the group chat? | How do I unmute {name} in the group chat?
Is {food} allowed on the {city} metro? | Is {food} forbidden on the {city} metro?
When did {name} arrive in {city}? | When did {name} leave {city}?
When did {name} arrive in {city}? | Why did {name} arrive in {city}?
What is the smallest lake near {city}? | What is the largest lake near {city}?
Show only the unpaid invoices of {name} | Show the unpaid invoices of {name}
Show all orders placed in {year} | Show all orders placed in {year2}
How do I pause the backup? | How do I resume the backup?
Is my flight to {city} delayed? | Is your flight to {city} delayed?
Where does {name} keep his passport? | Where does {name} keep her passport?
How many bridges does {city} have? | Which bridges does {city} have?
Does `retry_on_error` default to True? | Does `retry_on_timeout` default to True?
Why is the left headphone silent? | Why is the right headphone silent?
What should I cook with {food} tonight? | What should I cook without {food} tonight?
Is {food} cheaper than meat? | Is meat cheaper than {food}?
Did the {city} marathon start on time yesterday? | Will the {city} marathon start on time tomorrow?
List hotels in {city} under {n} euros | List hotels in {city} over {n} euros
Upgrade from version {n} to version {n2} | Upgrade from version {n2} to version {n}
How does {name} feel about {name2}? | How does {name2} feel about {name}?
Which museums in {city} are open? | Which museums in {city} are closed?
Which museums in {city} are free for children? | Which museums in {city} are free?
Best {food} recipes | Best vegan {food} recipes
"""
SAME = """
Which ferries leave {city} for {city2}? | Could you tell me which ferries leave {city} for {city2}?
How do I mute {name} in the group chat? | How can I mute {name} in the group chat?
How do I mute {name} in the group chat? | What's the best way to mute {name} in the group chat?
What is the smallest lake near {city}? | What's the smallest lake near {city}
Is {food} allowed on the {city} metro? | is {food} permitted on the {city} metro?
Who hired {name}? | Do you know who hired {name}?
Who hired {name}? | {name} was hired by whom?
How many bridges does {city} have? | How many bridges are there in {city}?
How many bridges does {city} have? | What is the number of bridges in {city}?
Show all orders placed in {year} | Please show me all orders placed in {year}
How do I pause the backup? | how to pause the backup
Why is the left headphone silent? | Hi, why is the left headphone silent? Thanks!
What is {food}? | Define {food}
What is {food}? | Tell me about {food}
Can I freeze {food}? | Is it possible to freeze {food}?
What should I cook with {food} tonight? | Tonight, what should I cook with {food}?
When did {name} arrive in {city}? | In what year did {name} arrive in {city}?
Convert {n} miles to feet | convert {n} miles into feet
Is {food} cheaper than meat? | Is {food} less expensive than meat?
What is the difference between {food} and rice? | What is the difference between rice and {food}?
"""
FILLERS = {
    "city": ("Lisbon", "Prague", "Warsaw", "Helsinki"),
    "name": ("Galileo", "Cleopatra", "Marie Curie", "Nelson"),
    "food": ("hummus", "tofu", "mango", "lentils"),
    "day": ("Tuesday", "Thursday", "Saturday", "Friday"),
    "n": ("7", "14", "35", "80"),
    "year": ("1987", "1996", "2011", "2022"),
}


def own_pairs() -> list[Pair]:
    """The self-made set: blindness of all kinds, and paraphrases, of other surface forms than the training's."""
    found = {}
    for same, block in ((0, DIFFERENT), (1, SAME)):
        for line in filter(None, map(str.strip, block.splitlines())):
            for first, second in list(permutations(range(4), 2))[::3]:
                values = {name: some[first] for name, some in FILLERS.items()}
                values |= {f"{name}2": some[second] for name, some in FILLERS.items()}
                a, _, b = line.format(**values).partition(" | ")
                found[a, b] = Pair(a, b, same, "self-made")
    return list(found.values())


def shares(hit: np.ndarray, same: np.ndarray, balanced: bool) -> tuple[float, float]:
    """True-hit rate, and the share of hits that are wrong."""
    weight = same.sum() / max((1 - same).sum(), 1) if balanced else 1.0
    right, wrong = (hit & (same == 1)).sum(), (hit & (same == 0)).sum() * weight
    return float(right / max(same.sum(), 1)), float(wrong / max(right + wrong, 1e-9))


def curve(score: np.ndarray, same: np.ndarray, balanced: bool) -> tuple[np.ndarray, np.ndarray]:
    """True-hit rates and wrong shares, as the cut falls; equal scores fall together."""
    weight = np.where(same == 1, 1.0, same.sum() / max((1 - same).sum(), 1) if balanced else 1.0)
    order = np.argsort(-score, kind="stable")
    right, wrong = np.cumsum((weight * same)[order]), np.cumsum((weight * (1 - same))[order])
    ends = np.append(np.diff(score[order]) != 0, True)
    return (right / right[-1])[ends], (wrong / np.maximum(right + wrong, 1e-9))[ends]


def at_rate(score: np.ndarray, same: np.ndarray, rate: float, balanced: bool) -> float:
    """The wrong share at the first cut with a true-hit rate."""
    rates, wrong = curve(score, same, balanced)
    return float(wrong[min(int(np.searchsorted(rates, rate)), len(wrong) - 1)])


def rate_at(score: np.ndarray, same: np.ndarray, error: float, balanced: bool) -> float:
    """The highest true-hit rate whose wrong share is at most a bound."""
    rates, wrong = curve(score, same, balanced)
    kept = np.where(wrong <= error)[0]
    return float(rates[kept[-1]]) if len(kept) else 0.0


def report(name: str, pairs: Sequence[Pair], cosine: np.ndarray, judged: Sequence[Judgement]) -> None:
    """Prints one set."""
    same = np.array([pair.same for pair in pairs])
    balanced = name == "qqp"
    chance = np.array([one.probability for one in judged])
    vetoed = np.array([bool(one.vetoes) for one in judged])
    score = np.where(vetoed, 0.001 * cosine, 1 + chance)
    print(
        f"\n## {name}: {len(pairs)} pairs, {same.mean():.0%} equivalent{', weighed to be balanced' if balanced else ''}"
    )
    print("cut                    true hits  wrong share")
    for least in COSINES:
        print(
            f"cosine {least:.2f}              {{:.3f}}      {{:.3f}}".format(*shares(cosine >= least, same, balanced))
        )
    for error in ERRORS:
        hit = ~vetoed & (chance >= shipped().cut(error))
        print(f"verified, max_error {error:<5} {{:.3f}}      {{:.3f}}".format(*shares(hit, same, balanced)))
    if 0 < same.mean() < 1:
        print(
            f"true hits at a wrong share of 0.08: cosine {rate_at(cosine, same, 0.08, balanced):.3f} / "
            f"verified {rate_at(score, same, 0.08, balanced):.3f}"
        )
        print("at the same true-hit rate, wrong share: cosine / verified")
        print(
            "  "
            + "  ".join(
                f"{r}: {at_rate(cosine, same, r, balanced):.3f}/{at_rate(score, same, r, balanced):.3f}" for r in RATES
            )
        )
        base, error = shares(cosine >= 0.95, same, balanced)
        print(
            f"at the wrong share of cosine 0.95 ({error:.3f}), true hits: cosine {base:.3f} / "
            f"verified {rate_at(score, same, error, balanced):.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    given = parser.parse_args()
    pairs = own_pairs() + [Pair(a, b, same, "held-out domains") for a, b, same, _ in written_pairs(held=True)]
    if given.data is None:
        print(__doc__)
    else:
        pairs += [pair for pair in question_pairs(given.data) if is_test(pair.a, pair.b)]
    vectors = vectors_of([text for pair in pairs for text in pair[:2]], given.vectors)
    cosine = np.array([float(vectors[a].astype(np.float32) @ vectors[b].astype(np.float32)) for a, b, *_ in pairs])
    policy = VerifiedPolicy()
    for pair in pairs[:500]:
        policy.judge(pair.a, pair.b, 0.9)
    for warm in (False, True):
        if not warm:
            parse.cache_clear()
            key_of.cache_clear()
        some = pairs[:1500]
        started = time.process_time()
        for pair in some:
            policy.judge(pair.a, pair.b, 0.9)
        spent = (time.process_time() - started) / len(some)
        print(
            f"{1000 * spent:.3f} ms of CPU for a verification, {'both texts' if warm else 'neither text'} read before"
        )
    judged = [policy.judge(pair.a, pair.b, one) for pair, one in zip(pairs, cosine, strict=True)]
    for name in dict.fromkeys(pair.source for pair in pairs):
        at = [n for n, pair in enumerate(pairs) if pair.source == name]
        report(name, [pairs[n] for n in at], cosine[at], [judged[n] for n in at])


if __name__ == "__main__":
    main()
