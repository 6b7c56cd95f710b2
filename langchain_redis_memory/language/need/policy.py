"""`NeedPolicy`: serves an answer given in one conversation in another where both need the same; `same_need` says why.

A question by itself is judged by a policy for questions. One asked within a conversation is compared together with what
was said before it (`compare`), and a calibrated model gives the probability that one answer serves both. A `max_error`
has two cuts: for questions with what was said before them, and for those that stand alone within their conversation
(`benchmarks/training/train_need.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import NamedTuple

from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage

from langchain_redis_memory.checks import check_method, check_number, check_type
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.extras import np
from langchain_redis_memory.language.equivalence.cosine_scales import MINILM, scale_of, to_minilm
from langchain_redis_memory.language.equivalence.hit_policy import HitPolicy, Judgement
from langchain_redis_memory.language.equivalence.pair_scorer import PairScorer, weighed
from langchain_redis_memory.language.equivalence.verified import VerifiedPolicy
from langchain_redis_memory.language.equivalence.weights import COSINE_CAP, EquivalenceModel, parse_weights
from langchain_redis_memory.language.need.compare import compare_needs
from langchain_redis_memory.language.need.need import Need, need_of, read_need


@dataclass(frozen=True)
class SameNeed:
    """Holds the estimate whether an answer given in one conversation serves another; see `same_need`.

    Args:
        probability: That it does.
        evidence: What speaks against it, and what of the conversations was compared, for people.
    """

    probability: float
    evidence: tuple[str, ...]


class NeedPolicy:
    """Serves an answer where the question and the part of the conversation that bears on it are the same.

    Args:
        max_error: The tolerated share of wrong hits, above 0 and below 0.5.
        model: The embedding model of the cosines; see `VerifiedPolicy`.
        questions: Judges questions by themselves; `VerifiedPolicy(max_error, model=model, scorer=scorer)` where not
            given.
        scorer: A model that reads what was said on both sides, `LocalReader()` for one; it is asked only where its
            score can change the decision. It brings the weights that it was calibrated with (`need_weights`).

    Raises:
        ConfigError: A number is out of range, the model is not known, or the scorer brings no weights.
    """

    def __init__(
        self,
        max_error: float,
        *,
        model: str | None = None,
        questions: HitPolicy | None = None,
        scorer: PairScorer | None = None,
    ) -> None:
        check_number(max_error, "max_error (a share of wrong hits)", 0, 0.5, without=(0, 0.5), error=ConfigError)
        if questions is not None:
            check_method(questions, "judge", "questions", ConfigError)
        self.questions: HitPolicy = questions or VerifiedPolicy(max_error, model=model, scorer=scorer)
        self.max_error = max_error
        self._scorer = scorer
        weights: NeedWeights | None = need_weights() if scorer is None else getattr(scorer, "need_weights", None)
        if weights is None:
            msg = "this scorer has no weights for conversations (`need_weights`): give it to the policy of `questions`"
            raise ConfigError(msg)
        self._weights = weights
        self._scale = MINILM if model is None else scale_of(model)

    @property
    def floor(self) -> float:
        """The least cosine worth judging."""
        return self.questions.floor

    def judge(self, asked: str, stored: str, similarity: float) -> Judgement:
        """Judges one candidate.

        Args:
            asked: The text of the need that is asked for, or a question.
            stored: The text of the need that has an answer, or a question.
            similarity: The cosine of the vectors of their gists, on the scale of the policy's model.

        Returns:
            The judgement. An answer that was made within a conversation is not served to a question by itself.
        """
        if asked == stored:
            return Judgement(True, 1.0, (), {"cosine": similarity})
        mine, theirs = read_need(asked), read_need(stored)
        judgement = None
        if not mine.facts and not theirs.facts:
            judgement = self.questions.judge(mine.question, theirs.question, similarity)
            if not mine.alone or judgement.hit:
                return judgement
        cosine = to_minilm(similarity, self._scale)
        difference = compare_needs(mine, theirs)
        if judgement is not None and not _rephrased(difference.features):
            return judgement
        features = {**difference.features, "cosine": min(cosine, COSINE_CAP)}
        return weighed(
            self._weights.alone if mine.alone else self._weights.leaning,
            features,
            difference.vetoes,
            max_error=self.max_error,
            near=similarity >= self.floor,
            scorer=self._scorer,
            pair=(mine.words, theirs.words) if self._scorer else ("", ""),
            also=judgement.vetoes if judgement is not None else (),
        )


def _rephrased(features: Mapping[str, float]) -> bool:
    """Whether two questions ask for the same kind of thing, and neither says what the other does not."""
    return features["question_alone_more"] < 0.1 and features["question_question"] < 0.3


class NeedWeights(NamedTuple):
    """The weights with two lists of cuts.

    Args:
        leaning: For questions that are compared together with what was said before them.
        alone: For those that stand alone within their conversation.
    """

    leaning: EquivalenceModel
    alone: EquivalenceModel


def parse_need_weights(text: str) -> NeedWeights:
    """Parses the text of a weights file.

    Raises:
        CorruptDataError: The text is not such a file.
    """
    weights = parse_weights(text)
    return NeedWeights(weights, replace(weights, cuts=tuple(map(tuple, json.loads(text)["cuts_alone"]))))


@cache
def need_weights() -> NeedWeights:
    """Loads the weights of the package, once per process."""
    return parse_need_weights(resources.files(__package__).joinpath("weights.json").read_text("utf-8"))


def same_need(
    conversation: Sequence[BaseMessage], other: Sequence[BaseMessage], embeddings: Embeddings, model: str | None = None
) -> SameNeed:
    """Estimates whether an answer given at the end of one conversation serves the other.

    Args:
        conversation: Messages, oldest first, the question last.
        other: The other's.
        embeddings: Embeds what users said, such as `MiniLMEmbeddings()`.
        model: The embedding model's name, for the scale of its cosines; MiniLM's where not given.

    Returns:
        The probability, with the evidence.

    Raises:
        InvalidInputError: A conversation does not end with a question of words, or says who its user is.

    **Keys:** none.
    **Trips:** none; one call of the embedding model.
    """
    check_type(embeddings, Embeddings, "embeddings", "a LangChain embedding model")
    mine, theirs = (_need(messages) for messages in (conversation, other))
    vectors = np.array(embeddings.embed_documents([mine.gist, theirs.gist]))
    cosine = float(vectors[0] @ vectors[1] / (np.linalg.norm(vectors[0]) * np.linalg.norm(vectors[1]) or 1.0))
    judgement = NeedPolicy(0.05, model=model).judge(mine.text, theirs.text, cosine)
    compared = tuple(f"{who}: {' | '.join(need.lines)}" for who, need in (("one", mine), ("other", theirs)))
    return SameNeed(judgement.probability, (*judgement.vetoes, f"cosine {cosine:.2f}", *compared))


def _need(conversation: Sequence[BaseMessage]) -> Need:
    need = need_of(conversation)
    if need is None:
        msg = "a conversation must end with a question of words, be text of user and assistant only, and name nobody"
        raise InvalidInputError(msg)
    return need
