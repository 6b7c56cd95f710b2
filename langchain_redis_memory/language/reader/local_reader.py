"""A small encoder that reads: pairs of questions, and a turn together with its conversation. It runs in this process.

It is a second opinion, never the only one: alone it judges worse than the signs. It needs the extra `local`
(onnxruntime, tokenizers); the model is a file of this package, checked by its SHA-256 when it is loaded, and English
only. How it was made, from what, and what it is worth is in `MODEL_CARD.md` beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.util import find_spec
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checks import check_whole
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import missing, np, npt
from langchain_redis_memory.language.audience.verdict import QUESTIONS
from langchain_redis_memory.language.equivalence.weights import EquivalenceModel, parse_weights
from langchain_redis_memory.language.logistic import odds, probability
from langchain_redis_memory.language.need.policy import NeedWeights, parse_need_weights
from langchain_redis_memory.language.reader.inputs import HEADS, LONGEST, context_of

_FILES = {
    "reader.onnx": "fe0ca039557977f47f1a53a2962a9cc9f9fbc94851190d3e9e17df05009b7656",
    "tokenizer.json": "cf658d3190b995798cf7823e22da9717be5ccb112c65d0efc453ddb80fe0248e",
}
"""The SHA-256 of each file."""
_OUTPUTS = (HEADS, (*QUESTIONS, "unsafe"))
"""What each output of the model says, in order."""
_MODULES = ("numpy", "onnxruntime", "tokenizers")


def _checked(name: str) -> bytes:
    """Returns the content of a file of the model.

    Raises:
        ConfigError: It is not there, or not the file that was shipped.
    """
    try:
        found = resources.files(__package__).joinpath(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"the reader's {name} is not there: install langchain-redis-memory again") from error
    if sha256(found).hexdigest() != _FILES[name]:
        raise ConfigError(f"the reader's {name} is not the one that was shipped: install langchain-redis-memory again")
    return found


@cache
def _model(threads: int) -> tuple[Any, Any]:
    """Loads the tokenizer and the session, once per process (about 0.2 s)."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(_checked("tokenizer.json").decode("utf-8"))
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(_checked("reader.onnx"), options, providers=["CPUExecutionProvider"])
    return tokenizer, session


@cache
def _verifier_weights() -> EquivalenceModel:
    return parse_weights(resources.files(__package__).joinpath("pair_weights.json").read_text("utf-8"))


@cache
def _need_weights() -> NeedWeights:
    return parse_need_weights(resources.files(__package__).joinpath("need_weights.json").read_text("utf-8"))


class LocalReader:
    """Reads pairs of questions, and turns behind their conversation, with a small encoder in this process.

    Args:
        batch: Texts of one run of the model.
        threads: Threads of one run; one is enough for a pair.

    Raises:
        ConfigError: The extra `local` is not installed.
        InvalidInputError: A number is not positive.

    Example:
        ```python
        memory = ConversationMemory(url, classifier=ReadingClassifier(LinguisticClassifier(), LocalReader()))
        ```
    """

    def __init__(self, batch: int = 32, threads: int = 1) -> None:
        check_whole(batch, "batch")
        check_whole(threads, "threads")
        if absent := [name for name in _MODULES if find_spec(name) is None]:
            msg = f"the local reader is not installed ({', '.join(absent)} missing)"
            raise missing(msg, "local")
        self._batch, self._threads = batch, threads

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Scores pairs of questions; see `PairScorer`.

        `VerifiedPolicy` and `NeedPolicy` take it as their `scorer`, with the weights that it brings.

        Args:
            pairs: Two questions each. The order within a pair makes no difference.

        Returns:
            For each pair the probability that one answer serves both; 0.5 for a pair too long to be read whole.

        Raises:
            ConfigError: The model's files are not those that were shipped (noticed at the first use).
        """
        ordered = [(min(pair), max(pair)) for pair in pairs]
        return [float(value) for value in self._read(ordered, whole=True)[:, HEADS.index("same")]]

    @property
    def verifier_weights(self) -> EquivalenceModel:
        """The verifier's weights with this reader as a term (`benchmarks/training/reader/fit_term.py`)."""
        return _verifier_weights()

    @property
    def need_weights(self) -> NeedWeights:
        """The weights of `NeedPolicy` with this reader as a term (`benchmarks/training/train_need.py --reader`)."""
        return _need_weights()

    def dependence(self, turns: Sequence[tuple[str, Sequence[BaseMessage]]]) -> list[float]:
        """Reads turns behind their conversations.

        Args:
            turns: What the user said, and the conversation before it, oldest first.

        Returns:
            For each turn the probability that what it means depends on its conversation.

        Raises:
            ConfigError: See `score`.
        """
        read = [(turn, context_of(history)) for turn, history in turns]
        return [float(value) for value in self._read(read)[:, HEADS.index("dependent")]]

    def audience(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Reads who may be served the answers to questions.

        Args:
            texts: What users said, each without its conversation.

        Returns:
            For each a probability of "personal", "volatile", "effect" and "vary", as `Verdict.said_of_audience` has
            them, and of "unsafe": that it must not be served to others, for any reason.

        Raises:
            ConfigError: See `score`.
        """
        read = self._read([(text, "") for text in texts], output=1)
        return [_audience_of(row) for row in read]

    def _read(
        self, inputs: Sequence[tuple[str, str]], *, whole: bool = False, output: int = 0
    ) -> npt.NDArray[np.float64]:
        """Returns the probabilities of one output of the model; with `whole` 0.5 for what is cut off."""
        tokenizer, session = _model(self._threads)
        found = np.full((len(inputs), len(_OUTPUTS[output])), 0.5)
        by_length = sorted(range(len(inputs)), key=lambda place: sum(map(len, inputs[place])))
        for start in range(0, len(by_length), self._batch):
            places = by_length[start : start + self._batch]
            texts = [(a, b) if b else a for a, b in (inputs[place] for place in places)]
            encoded = tokenizer.encode_batch(texts)
            fields = {
                name: np.array([getattr(one, part)[:LONGEST] for one in encoded], np.int64)
                for name, part in (
                    ("input_ids", "ids"), ("token_type_ids", "type_ids"), ("attention_mask", "attention_mask"),
                )
            }  # fmt: skip
            read = 1 / (1 + np.exp(-session.run(None, fields)[output].astype(np.float64)))
            for place, one, row in zip(places, encoded, read, strict=True):
                if not (whole and sum(one.attention_mask) > LONGEST):
                    found[place] = row
        return found


def _audience_of(read: npt.NDArray[np.float64]) -> dict[str, float]:
    """What was read of one text: that it is of any kind counts half by the kinds, half by itself."""
    *kinds, whole = map(float, read)
    of_any = 1 - math.prod(1 - kind for kind in kinds)
    return {**dict(zip(QUESTIONS, kinds, strict=True)), "unsafe": probability((odds(of_any) + odds(whole)) / 2)}
