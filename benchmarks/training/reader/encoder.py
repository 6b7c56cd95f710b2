"""The encoder in PyTorch: BERT with six layers, read from the weights of all-MiniLM-L6-v2, and its heads.

A vocabulary of whole English words and pieces is kept, the frequent ones first as BERT numbers them; a word that is
left out is read by its pieces. Each head sees the first token, the mean of the first text, and how the means of the
two texts differ and agree.
"""

from __future__ import annotations

import string
from typing import Any

import torch
from torch import nn
from torch.nn import functional

WIDTH, LAYERS, HEADS, PLACES = 384, 6, 12, 96
HIDDEN = 32
READ_AT, NARROW = 4, 96
"""Behind which layer the audience is read, and how wide its own layer is."""


def kept_vocabulary(vocabulary: list[str], used: set[str], size: int) -> list[str]:
    """Returns the tokens that are kept, in their old order: special ones, letters, those used, frequent ones."""
    letters = set(string.ascii_lowercase + string.digits + string.punctuation)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    kept = dict.fromkeys(special)
    kept |= dict.fromkeys(token for token in vocabulary if token.removeprefix("##") in letters)
    kept |= dict.fromkeys(token for token in vocabulary if token in used)
    plain = [token for token in vocabulary if token.isascii() and not token.startswith("[")]
    for token in plain:
        if len(kept) >= size:
            break
        kept.setdefault(token)
    return [*special, *(token for token in vocabulary if token in kept and token not in special)]


class Layer(nn.Module):
    """One layer of BERT."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.norm, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-12), nn.LayerNorm(WIDTH, eps=1e-12)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        rows, length, _ = x.shape
        q, k, v = (
            part(x).view(rows, length, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        x = self.norm(x + self.drop(self.out(seen.transpose(1, 2).reshape(rows, length, WIDTH))))
        return self.norm2(x + self.drop(self.down(functional.gelu(self.up(x)))))


class Reader(nn.Module):
    """The encoder with `heads` outputs: log-odds each."""

    def __init__(self, words: int, heads: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, WIDTH, padding_idx=0)
        self.places, self.parts = nn.Embedding(PLACES, WIDTH), nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.drop = nn.Dropout(0.1)
        self.hidden = nn.Linear(4 * WIDTH, HIDDEN * heads)
        self.last = nn.Parameter(torch.randn(heads, HIDDEN) * 0.02)
        self.bias = nn.Parameter(torch.zeros(heads))
        self.frozen = 0

    def states(
        self, ids: torch.Tensor, parts: torch.Tensor, mask: torch.Tensor, layers: int = LAYERS
    ) -> list[torch.Tensor]:
        """What the tokens are behind each of so many layers."""
        x = self.norm(self.words(ids) + self.places.weight[: ids.shape[1]] + self.parts(parts))
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -1e4
        found = []
        for number, layer in enumerate(self.layers[:layers]):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= self.frozen):
                x = layer(x, bias)
            found.append(x)
        return found

    def judged(self, x: torch.Tensor, parts: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The log-odds of the states behind the last layer."""
        second = (parts * mask).to(x.dtype)[..., None]
        first = mask.to(x.dtype)[..., None] - second
        u = (x * first).sum(1) / first.sum(1).clamp(min=1)
        v = (x * second).sum(1) / second.sum(1).clamp(min=1)
        seen = self.drop(torch.cat([x[:, 0], u, (u - v).abs(), u * v], 1))
        hidden = functional.gelu(self.hidden(seen)).view(x.shape[0], -1, HIDDEN)
        return (self.drop(hidden) * self.last).sum(-1) + self.bias

    def forward(self, ids: torch.Tensor, parts: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.judged(self.states(ids, parts, mask)[-1], parts, mask)

    def load(self, found: dict[str, Any], rows: list[int]) -> None:
        """Takes the weights of all-MiniLM-L6-v2 for the kept rows of its vocabulary."""
        tensors = {name.removeprefix("bert."): value for name, value in found.items()}
        names = {
            "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
            "out": "attention.output.dense", "norm": "attention.output.LayerNorm", "up": "intermediate.dense",
            "down": "output.dense", "norm2": "output.LayerNorm",
        }  # fmt: skip
        with torch.no_grad():
            self.words.weight.copy_(tensors["embeddings.word_embeddings.weight"][rows])
            self.places.weight.copy_(tensors["embeddings.position_embeddings.weight"][:PLACES])
            self.parts.weight.copy_(tensors["embeddings.token_type_embeddings.weight"])
            for end in ("weight", "bias"):
                getattr(self.norm, end).copy_(tensors[f"embeddings.LayerNorm.{end}"])
                for number, layer in enumerate(self.layers):
                    for own, theirs in names.items():
                        value = tensors[f"encoder.layer.{number}.{theirs}.{end}"]
                        getattr(getattr(layer, own), end).copy_(value)


class AudienceHead(nn.Module):
    """Reads the states behind layer `READ_AT` with a narrow layer: log-odds of the kinds, and of any of them."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.narrow, self.norm = nn.Linear(WIDTH, NARROW), nn.LayerNorm(NARROW)
        self.places = nn.Parameter(torch.randn(PLACES, NARROW) * 0.02)
        self.seek, self.out = nn.Linear(NARROW, 3 * NARROW), nn.Linear(NARROW, NARROW)
        self.up, self.down = nn.Linear(NARROW, 2 * NARROW), nn.Linear(2 * NARROW, NARROW)
        self.norm1, self.norm2 = nn.LayerNorm(NARROW), nn.LayerNorm(NARROW)
        self.hidden, self.last = nn.Linear(3 * NARROW, 48), nn.Linear(48, outputs)
        self.drop = nn.Dropout(0.2)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        rows, length, _ = states.shape
        x = self.norm(self.narrow(self.drop(states)) + self.places[:length])
        seen = mask.to(x.dtype)
        q, k, v = (part.view(rows, length, 4, NARROW // 4).transpose(1, 2) for part in self.seek(x).chunk(3, -1))
        met = functional.scaled_dot_product_attention(q, k, v, attn_mask=(1 - seen[:, None, None, :]) * -1e4)
        x = self.norm1(x + self.drop(self.out(met.transpose(1, 2).reshape(rows, length, NARROW))))
        x = self.norm2(x + self.drop(self.down(functional.gelu(self.up(x)))))
        real = seen[..., None]
        mean, most = (x * real).sum(1) / real.sum(1), (x - (1 - real) * 1e4).amax(1)
        return self.last(self.drop(functional.gelu(self.hidden(self.drop(torch.cat([x[:, 0], mean, most], 1))))))


class Shipped(nn.Module):
    """What is shipped: the first heads of a reader, and the audience's head beside it."""

    def __init__(self, reader: Reader, audience: AudienceHead, heads: int) -> None:
        super().__init__()
        self.reader, self.audience = reader, audience
        with torch.no_grad():
            cut = nn.Linear(4 * WIDTH, HIDDEN * heads)
            cut.weight.copy_(reader.hidden.weight[: HIDDEN * heads])
            cut.bias.copy_(reader.hidden.bias[: HIDDEN * heads])
        reader.hidden, reader.last = cut, nn.Parameter(reader.last[:heads].detach())
        reader.bias = nn.Parameter(reader.bias[:heads].detach())

    def forward(self, ids: torch.Tensor, parts: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = self.reader.states(ids, parts, mask)
        return self.reader.judged(states[-1], parts, mask), self.audience(states[READ_AT - 1], mask)
