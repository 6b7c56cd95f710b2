"""Trains the reader's audience head on what the frozen layers see, and chooses what it counts beside the words.

    python -m benchmarks.training.reader.audience_head --rows rows.jsonl --trained DIR --out DIR

Needs what `train` needs. First without the domains of `audience_rows.LEFT`: on them and on `CHOSEN_ON` the share of its
log-odds and the thresholds are chosen (`audience_weights.json`). Then with them: `audience.pt`, which `quantise` adds.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from benchmarks.training.reader.encoder import READ_AT, AudienceHead, Reader
from benchmarks.training.reader.train import HEADS, LONGEST, tensors

EPOCHS, RATE, BATCH = 7, 1.5e-3, 96
SHARES = (0.3, 0.4, 0.5, 0.6, 0.7)
RISKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
Array = npt.NDArray[np.float64]


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


def unsafe_odds(head: AudienceHead, states: list[torch.Tensor]) -> Array:
    """The log-odds of being unsafe: the mean of those of any kind and of the whole, as in `LocalReader`."""
    found = np.zeros(len(states))
    with torch.no_grad():
        for start in range(0, len(states), 128):
            places = list(range(start, min(start + 128, len(states))))
            read = head(*batch_of(states, places)).double().numpy()
            free = np.logaddexp(0, read[:, :-1]).sum(1)  # minus the logarithm of being of no kind
            found[places] = (np.log(np.expm1(free)) + read[:, -1]) / 2
    return found


def chosen(rows: list[dict[str, Any]], read: Array) -> dict[str, Any]:
    """The share of the reading, and the thresholds by risk."""
    rows_ = [(row, value) for row, value in zip(rows, read, strict=True) if not row["own_how_to"]]
    words = np.clip([row["words"] for row, _ in rows_], 1e-6, 1 - 1e-6)
    words = np.log(words / (1 - words))
    doubt = np.array([row["doubt"] for row, _ in rows_])
    own = np.array([row["own"] for row, _ in rows_])
    unsafe = np.array([bool(row["y"][-1]) for row, _ in rows_])
    best: tuple[float, dict[str, Any]] = (0.0, {})
    for share in (0.0, *SHARES):
        joint = np.where(doubt, words + share * (np.array([value for _, value in rows_]) - words), words)
        joint[own] = 15
        odds = np.sort(joint[unsafe])
        cuts = {risk: 1 / (1 + np.exp(-odds[int(risk * len(odds))])) for risk in RISKS}
        found = {risk: float((joint[~unsafe] < odds[int(risk * len(odds))]).mean()) for risk in RISKS}
        told = " ".join(f"{risk}: {cuts[risk]:.4f} {found[risk]:.3f}" for risk in RISKS[:5])
        print(
            f"share {share}: {len(odds)} unsafe, {(~unsafe).sum()} public; cut, public found at risk {told}", flush=True
        )
        worth = sum(found[risk] for risk in RISKS[:4])
        if share and worth > best[0]:
            thresholds = {str(risk): round(float(cut), 5) for risk, cut in cuts.items()}
            best = worth, {"share": share, "thresholds": thresholds}
    about = "Chosen by benchmarks/training/reader/audience_head.py on domains that neither words nor reader had seen."
    return {"about": about, **best[1]}


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

    def parts(*names: str) -> tuple[list[dict[str, Any]], list[torch.Tensor]]:
        kept = [(row, state) for row, state in zip(rows, states, strict=True) if row["part"] in names]
        return [row for row, _ in kept], [state for _, state in kept]

    judging, seen = parts("left", "choose")
    found = chosen(judging, unsafe_odds(trained_on(*parts("train"), given.seed), seen))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "audience_weights.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    torch.save(trained_on(*parts("train", "left"), given.seed).state_dict(), given.out / "audience.pt")


if __name__ == "__main__":
    main()
