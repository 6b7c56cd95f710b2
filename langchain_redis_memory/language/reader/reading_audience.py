"""A second opinion on who may be served an answer: where the words leave a doubt, the question is read.

Only a doubt is read. What the words say plainly stays: what is the asker's own, depends on where he is, asks for
something to be done or cannot be read; and so does what they find as good as certainly everybody's. Of a chain that
knows nobody the words decide alone. A reader that fails costs nothing but the second opinion.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple, Protocol

from langchain_redis_memory.checks import check_method
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.audience.linguistic import audience_weights, classify_audience
from langchain_redis_memory.language.audience.verdict import (
    MAX_UNSAFE,
    AudienceThresholds,
    AudienceVerdict,
    check_risk,
)

_log = logging.getLogger(__name__)

DOUBT = (0.002, 0.7)
"""The bounds of the probability of being unsafe between which a question is read, bounds included."""
_PLAIN, _PLAIN_VOLATILE = 0.5, 0.8
"""From which probability on the words are plain: of being personal, an effect or a wish to vary; of being volatile."""


class AudienceReader(Protocol):
    """Reads for whom answers are, such as `LocalReader` does."""

    def audience(self, texts: Sequence[str]) -> Sequence[Mapping[str, float]]:
        """Returns for each text the probability that its answer must not be served to others, as "unsafe"."""
        ...


class _Weights(NamedTuple):
    share: float
    thresholds: AudienceThresholds


@cache
def _weights() -> _Weights:
    """Reads what a reading counts, and its thresholds (`benchmarks/training/reader/fit_audience.py`)."""
    found = json.loads(resources.files(__package__).joinpath("audience_weights.json").read_text("utf-8"))
    own = {"unsafe": {float(risk): value for risk, value in found["thresholds"].items()}}
    return _Weights(found["share"], AudienceThresholds({**audience_weights().thresholds.by_risk, **own}))


class ReadingAudience:
    """Says for whom an answer is: by the words, and where they leave a doubt by a model that reads the question.

    It shares more public questions than the words alone at about the same risk, and reads one turn of three for that.

    Args:
        reader: Reads questions; a `LocalReader`.
        max_unsafe: The largest share of turns that must not be shared and are.

    Raises:
        ConfigError: The reader lacks its method.
        InvalidInputError: `max_unsafe` is not a share.

    Example:
        ```python
        ConversationMemory(url, questions=QuestionOptions(audience=ReadingAudience(LocalReader())))
        ```

    **Keys:** none.
    **Trips:** none.
    """

    def __init__(self, reader: AudienceReader, *, max_unsafe: float = MAX_UNSAFE) -> None:
        check_method(reader, "audience", "reader", ConfigError)
        check_risk(max_unsafe)
        self._max_unsafe = max_unsafe
        self._read = lru_cache(2048)(lambda turn: float(reader.audience([turn])[0]["unsafe"]))

    def __call__(self, turn: str, /, *, opaque: bool = True) -> AudienceVerdict:
        """Classifies who may be served the answer to a turn; see `classify_audience`.

        Args:
            turn: What the user said.
            opaque: Whether the chain can know who asks. Where it cannot, nothing is read.

        Returns:
            The verdict, with what was read as `p_read`. It never raises on a text.
        """
        words = classify_audience(turn, opaque=opaque, max_unsafe=self._max_unsafe)
        if not (opaque and in_doubt(words)):
            return words
        try:
            read = self._read(turn)
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the words remain
            _log.warning("the reader failed, the words decide: %s", type(error).__name__)
            return words
        share, thresholds = _weights()
        evidence = (*words.evidence, f"read: not for everybody with probability {read:.2f}")
        verdict = words._replace(p_read=read, read_share=share, thresholds=thresholds, evidence=evidence)
        return verdict.at(self._max_unsafe)


def in_doubt(words: AudienceVerdict) -> bool:
    """Checks whether the words leave a doubt that reading may settle."""
    low, high = DOUBT
    plain = max(words.p_personal, words.p_effect, words.p_vary) >= _PLAIN or words.p_volatile >= _PLAIN_VOLATILE
    return low <= words.p_unsafe <= high and not (plain or words.here or words.own_procedure)
