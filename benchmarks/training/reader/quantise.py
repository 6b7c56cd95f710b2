"""Writes the trained reader as the file that is shipped: int8 ONNX and its tokenizer.

    python -m benchmarks.training.reader.quantise --trained DIR --audience FILE --out DIR

Needs what `train` needs, and onnx and onnxruntime. Matrices become int8 with a scale for each output; activations are
quantised as they come.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer

from benchmarks.training.reader.encoder import AudienceHead, Reader, Shipped
from benchmarks.training.reader.train import HEADS, tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--audience", type=Path, required=True, help="the `audience.pt` of `audience_head`")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(given.trained / "tokenizer.json"))
    reader = Reader(tokenizer.get_vocab_size(), len(HEADS))
    reader.load_state_dict(torch.load(given.trained / "reader.pt"))
    audience = AudienceHead(len(HEADS[2:]) + 1)
    audience.load_state_dict(torch.load(given.audience))
    model = Shipped(reader, audience, 2).eval()
    encoded = [tokenizer.encode("What is a loan?", "Define a loan."), tokenizer.encode("How are you today, my friend?")]
    example = tensors([{"ids": one.ids, "parts": one.type_ids} for one in encoded])
    names, outputs = ["input_ids", "token_type_ids", "attention_mask"], ["log_odds", "audience"]
    with tempfile.TemporaryDirectory() as folder:
        plain = str(Path(folder) / "plain.onnx")
        torch.onnx.export(
            model, example, plain, input_names=names, output_names=outputs, opset_version=17, dynamo=False,
            dynamic_axes={name: {0: "rows", 1: "tokens"} for name in names} | {name: {0: "rows"} for name in outputs},
        )  # fmt: skip
        out = given.out / "reader.onnx"
        quantize_dynamic(plain, str(out), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    shutil.copy(given.trained / "tokenizer.json", given.out / "tokenizer.json")
    for file in (out, given.out / "tokenizer.json"):
        print(file.name, file.stat().st_size, sha256(file.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
