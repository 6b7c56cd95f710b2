"""Trains the reader's audience head on what the frozen layers see.

    python -m benchmarks.training.reader.audience_head --rows rows.jsonl --trained DIR --out DIR

Needs what `train` needs. Writes `audience.pt`, which `quantise` adds; then `fit_audience` says what a reading counts.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn import functional

from benchmarks.training.reader.encoder import READ_AT, AudienceHead, Reader
from benchmarks.training.reader.train import HEADS, LONGEST, tensors

EPOCHS, RATE, BATCH = 7, 1.5e-3, 96


def states_of(rows: list[dict[str, Any]], reader: Reader, tokenizer: Tokenizer) -> list[torch.Tensor]:
    """What the frozen layers see of each sentence."""
    found: list[torch.Tensor] = [torch.empty(0)] * len(rows)
    encoded = [tokenizer.encode(row["text"]) for row in rows]
    order = sorted(range(len(rows)), key=lambda at: len(encoded[at].ids))
    with torch.no_grad():
        for start in range(0, len(order), 64):
            places = order[start : start + 64]
            read = tensors([{"ids": encoded[at].ids, "parts": encoded[at].type_ids} for at in places])
            for at, one in zip(places, reader.states(*read, READ_AT)[-1], strict=True):
                found[at] = one[: len(encoded[at].ids)].half()
    return found


def batch_of(states: list[torch.Tensor], places: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(states[at]) for at in places)
    x, mask = torch.zeros(len(places), longest, states[0].shape[1]), torch.zeros(len(places), longest)
    for row, at in enumerate(places):
        x[row, : len(states[at])] = states[at].float()
        mask[row, : len(states[at])] = 1
    return x, mask


def trained_on(rows: list[dict[str, Any]], states: list[torch.Tensor], seed: int) -> AudienceHead:
    """A head that was trained on sentences."""
    torch.manual_seed(seed)
    chance = random.Random(seed)
    y, told = (torch.tensor([row[name] for row in rows], dtype=torch.float32) for name in ("y", "told"))
    told *= torch.tensor([row["weight"] for row in rows])[:, None]
    head = AudienceHead(y.shape[1])
    optimiser = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.05)
    steps, done = EPOCHS * -(-len(rows) // BATCH), 0
    for _ in range(EPOCHS):
        order = sorted(range(len(rows)), key=lambda at: len(states[at]) + 3 * chance.random())
        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        chance.shuffle(batches)
        for places in batches:
            done += 1
            for group in optimiser.param_groups:
                group["lr"] = RATE * min(1, done / 40) * max(0.02, 1 - done / steps)
            log_odds = head(*batch_of(states, places))
            loss = functional.binary_cross_entropy_with_logits(log_odds, y[places] * 0.98 + 0.01, reduction="none")
            ((loss * told[places]).sum() / told[places].sum()).backward()
            optimiser.step()
            optimiser.zero_grad()
    return head.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=17)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in given.rows.open(encoding="utf-8")]
    tokenizer = Tokenizer.from_file(str(given.trained / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    reader = Reader(tokenizer.get_vocab_size(), len(HEADS))
    reader.load_state_dict(torch.load(given.trained / "reader.pt"))
    states = states_of(rows, reader.eval(), tokenizer)
    print("states read", flush=True)

    given.out.mkdir(parents=True, exist_ok=True)
    torch.save(trained_on(rows, states, given.seed).state_dict(), given.out / "audience.pt")


if __name__ == "__main__":
    main()
