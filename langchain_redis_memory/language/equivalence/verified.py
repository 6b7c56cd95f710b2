"""The verifier: a hit policy that compares the two questions before an answer is served.

Both questions are parsed and compared; a veto (numbers, names, negation, opposites, roles, question type, literals)
forbids the hit, else a calibrated model gives the probability from the cosine and the differences. `max_error` is the
tolerated share of wrong hits among all hits. Its cut is the strictest that any of four families of pairs needs (word
order, look-alikes, bank questions, free paraphrases; scores out of fold, three in ten candidates equivalent), so that
it holds for each and not only on the mean. Where fewer candidates are equivalent, say so by `base_rate`. What public
labels get wrong (about 0.05 of the nearest pairs of Quora) no cut undoes. `benchmarks.quality.semantic_quality` prints
true hits and wrong shares by family.
"""

from __future__ import annotations

from types import NoneType

from langchain_redis_memory.checks import check_method, check_number, check_type
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.equivalence.compare import compare
from langchain_redis_memory.language.equivalence.cosine_scales import MINILM, from_minilm, scale_of, to_minilm
from langchain_redis_memory.language.equivalence.hit_policy import Judgement
from langchain_redis_memory.language.equivalence.normalise import LONGEST, deciding_marks, key_of
from langchain_redis_memory.language.equivalence.pair_scorer import SCORED, PairScorer, weighed
from langchain_redis_memory.language.equivalence.parse import parse
from langchain_redis_memory.language.equivalence.weights import COSINE_CAP, EquivalenceModel, shipped
from langchain_redis_memory.language.logistic import odds

_SAME = 0.999
_FLOOR = 0.65
"""MiniLM's cosine below which equivalent questions are too rare to be looked for."""


class VerifiedPolicy:
    """Serves a stored answer only where what a cosine does not show agrees as well, such as numbers and negation.

    Args:
        max_error: The tolerated share of wrong hits, above 0 and below 0.5.
        model: The embedding model of the cosines, one of `cosine_scales.SCALES`; MiniLM's scale where not given.
        base_rate: The share of equivalent ones among candidates without a veto, where known; lower is stricter.
        floor: The least cosine worth judging; MiniLM's 0.65 on the model's scale where not given.
        scorer: A model that reads both questions, `LocalReader()` for one; it is asked only where its score can change
            the decision, and not about statements: on those it was measured to do harm.
        weights: The weights of the features; where not given those of the scorer (`verifier_weights`, which
            `LocalReader` has) or of the package. A scorer needs its own.

    Raises:
        ConfigError: A number is out of range, the model is not known, or the weights have none for the scorer.
    """

    def __init__(
        self,
        max_error: float = 0.02,
        *,
        model: str | None = None,
        base_rate: float | None = None,
        floor: float | None = None,
        scorer: PairScorer | None = None,
        weights: EquivalenceModel | None = None,
    ) -> None:
        check_number(max_error, "max_error (a share of wrong hits)", 0, 0.5, without=(0, 0.5), error=ConfigError)
        if base_rate is not None:
            check_number(base_rate, "base_rate", without=(0, 1), error=ConfigError)
        if floor is not None:
            check_number(floor, "floor (a cosine)", -1, error=ConfigError)
        if scorer is not None:
            check_method(scorer, "score", "scorer", ConfigError)
        check_type(weights, (EquivalenceModel, NoneType), "weights", "an EquivalenceModel or None", ConfigError)
        self._scale = MINILM if model is None else scale_of(model)
        self._floor = from_minilm(_FLOOR, self._scale) if floor is None else float(floor)
        self.max_error = max_error
        self._weights = weights or getattr(scorer, "verifier_weights", None) or shipped()
        if scorer is not None and not self._weights.weights.get(SCORED, 0.0) > 0:
            msg = f"these weights have none for a scorer ({SCORED!r}): give weights that were fitted with this scorer"
            raise ConfigError(msg)
        self._scorer = scorer
        self._prior = 0.0
        if base_rate is not None:
            self._prior = odds(base_rate) - odds(self._weights.base_rate)

    @property
    def floor(self) -> float:
        """The least cosine worth judging."""
        return self._floor

    def judge(self, asked: str, stored: str, similarity: float) -> Judgement:
        """Judges one candidate; symmetric in the two texts.

        Args:
            asked: The question that was asked.
            stored: The question whose answer is stored.
            similarity: The cosine of their vectors, on the scale of the policy's model.

        Returns:
            The judgement. Texts that differ only in case of prose, white space, Unicode form or final punctuation are
            a hit whatever the cosine; of texts longer than 2,000 characters only the same ones are.
        """
        if asked == stored:
            return Judgement(True, 1.0, (), {"cosine": similarity})
        if len(asked) > LONGEST or len(stored) > LONGEST:
            return Judgement(
                False, 0.0, ("longer than what is compared: only the same text may hit",), {"cosine": similarity}
            )
        marks, others = deciding_marks(asked), deciding_marks(stored)
        key = key_of(asked)
        if marks == others and key and key == key_of(stored):
            return Judgement(True, _SAME, (), {"cosine": similarity})
        cosine = to_minilm(similarity, self._scale)
        one, two = (asked, stored) if asked <= stored else (stored, asked)
        difference = compare(parse(one), parse(two))
        features = {**difference.features, "cosine": min(cosine, COSINE_CAP)}
        vetoes = list(difference.vetoes)
        if marks != others:
            vetoes.append(f"signs differ: {' / '.join(sorted((' '.join(marks), ' '.join(others))))}")
        if not one.strip() or not two.strip():
            vetoes.append("one is empty")
        return weighed(
            self._weights,
            features,
            vetoes,
            max_error=self.max_error,
            near=similarity >= self._floor,
            scorer=None if features["told"] else self._scorer,
            pair=(one, two),
            prior=self._prior,
        )
