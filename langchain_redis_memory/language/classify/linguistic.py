"""A classifier without a language model: linguistic signs weighed by logistic regression.

In order: what nobody can read is dependent; a question for what was said is a recall; the first turn is a new topic;
then the signs are weighed, and the threshold that `max_unsafe` stands for decides. Some signs are not weighed because
no weight fitted on English questions speaks for them: another language, no function word, code, a mere comment, a turn
that speaks of how it is to be handled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from langchain_core.messages import BaseMessage

from langchain_redis_memory.language.classify.dependencies import asks_for, leans_on
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.classify.signs import signs
from langchain_redis_memory.language.classify.standalone import COMMENT, LEANS, dependence
from langchain_redis_memory.language.classify.tokens import HistoryWords, known, past
from langchain_redis_memory.language.classify.verdict import Verdict
from langchain_redis_memory.language.classify.weights import weights
from langchain_redis_memory.language.english import straight
from langchain_redis_memory.language.lexicon import Lexicon, lexicon
from langchain_redis_memory.language.logistic import probability
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.language.turn_tokens import HEAD, TAIL, TurnTokens, read
from langchain_redis_memory.language.words import stem

MAX_UNSAFE = 0.1
"""The share of dependent turns that may be called self-contained, unless a classifier is told another."""
_CERTAIN = 4.0
"""The log-odds of what is not weighed: dependent."""
_RECALLS = 0.6
"""The probability above which a turn asks for what was said. A false alarm costs a search as well as a cache hit."""
_MEANING = frozenset("mean means meant meaning".split())
"""Words of questions for what was said, not for more."""
_POINTING = frozenset("pronoun demonstrative there opening_phrase bare_question no_content".split())


class Assessment(NamedTuple):
    """The assessment of a turn, before a threshold decides.

    Args:
        verdict: The verdict, where the signs need no weighing (recall, first turn, unreadable); else None.
        log_odds: Of dependence.
        reading: The turn's words and signs.
        kind: What it is if it depends on its conversation.
        reasons: Why, for people.
        changes: It says that it changes the topic.
        fixed: The log-odds were not weighed but set, and nothing softer should overrule them.
    """

    verdict: Verdict | None
    log_odds: float
    reading: TurnTokens
    kind: QuestionType
    reasons: tuple[str, ...] = ()
    changes: bool = False
    fixed: bool = False


class LinguisticClassifier:
    """Classifies by linguistic signs: no model, no network, a fraction of a millisecond.

    Args:
        language: The language of the turns: one that has a lexicon ("en"), or the path of a lexicon's file. A turn in
            another language counts as dependent.
        max_unsafe: The share of dependent turns that may be called self-contained. Smaller is safer and hits the
            cache less often. It was measured on people's conversations in English; yours may differ.

    Raises:
        ConfigError: There is no lexicon of the language.
        InvalidInputError: `max_unsafe` is not a share.

    Example:
        ```python
        LinguisticClassifier().classify("Is it treatable?", [HumanMessage("What is throat cancer?")]).type
        # QuestionType.CONTEXTUAL_WITH_SEARCH
        ```
    """

    def __init__(self, language: str = "en", *, max_unsafe: float = MAX_UNSAFE) -> None:
        self.lexicon: Lexicon = lexicon(language)
        self._weights = weights("linguistic")
        self._recall = weights("recall")
        self.threshold: float = self._weights.threshold(max_unsafe)

    def classify(self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE) -> Verdict:
        """Classifies one turn.

        Args:
            turn: What the user said.
            history: The conversation before it, oldest first.
            state: What is known of the conversation beyond its messages; where there is any, an empty history does
                not make the turn the first one.

        Returns:
            The verdict, with the words that decided as reasons.
        """
        judged = self.judge(turn, history, state)
        return judged.verdict or self.decide(judged, history, judged.log_odds, self.threshold)

    def judge(self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE) -> Assessment:
        """Assesses the signs for and against dependence, before a threshold decides.

        Returns:
            The signs and their weight.
        """
        text = straight(" ".join(_read_part(turn).split()))
        before = past(history, self.lexicon)
        reading = read(turn)
        if recall := self._recalls(turn, text, reading, history):
            return Assessment(recall, _CERTAIN, reading, recall.type)
        if not before.started and not state.begun and reading.words:
            first = Verdict(QuestionType.NEW_TOPIC, 0.99, ("the conversation starts here",), dependence=0.01)
            return Assessment(first, -_CERTAIN, reading, first.type)
        if not reading.words or not any(letter.isalpha() for letter in text):
            wordless = Verdict(
                QuestionType.CONTEXTUAL_FOLLOW_UP,
                0.95,
                ("no words of its own",),
                dependence=0.99,
                spans=((0, len(turn)),) if turn else (),
                depends_on=leans_on(reading, history, self.lexicon, self._alone),
            )
            return Assessment(wordless, _CERTAIN, reading, wordless.type)
        return self._weighed(turn, text, reading, before)

    def _recalls(self, turn: str, text: str, reading: TurnTokens, history: Sequence[BaseMessage]) -> Verdict | None:
        """The verdict on a question for what was said before; None where it is none."""
        language = self.lexicon
        # The phrasings of recall take the longest to search, and all of them hold one of a few words.
        if not any(word.partition("'")[0] in language.recall_needs for word in reading.low):
            return None
        from langchain_redis_memory.language.classify.recall_signs import asking_part, recall_signs

        asked = asking_part(text, language)
        if not asked or language.not_recall.search(asked):
            return None
        found = language.recall.search(asked)
        phrase = found[0] if found else ""
        share = 0.9
        if not phrase:
            part = reading if asked == text else read(asked)
            share = probability(self._recall.log_odds(recall_signs(part, language)))
            if share <= _RECALLS:
                return None
        return Verdict(
            QuestionType.HISTORY_RECALL,
            share,
            (f"asks for what was said: {(phrase or text).strip()[:80]!r}",),
            dependence=0.99,
            spans=((phrase and _place(turn, phrase)) or (0, len(turn)),),
            depends_on=asks_for(reading, history, language),
        )

    def _weighed(self, turn: str, text: str, reading: TurnTokens, before: HistoryWords) -> Assessment:
        """The assessment of a turn by its signs; what no weight speaks for is set."""
        language = self.lexicon
        before = before._replace(started=True)
        if change := language.change.search(text):
            reading = _signs_without(turn, change[0], before, language)
        else:
            signs(reading, before, language)
        weighed = log_odds = self._weights.log_odds(reading.features)
        reasons = [why for why, _, _ in reading.evidence]
        meddles = language.meddling.search(text)
        unweighed = f"speaks of its own handling: {meddles[0][:80]!r}" if meddles else language.unreadable(reading)
        pointing = any(reading.features.get(name) for name in _POINTING)
        if change and not pointing and not unweighed and reading.words:
            log_odds -= _CERTAIN
            reasons = [f"changes the topic: {change[0].strip()[:80]!r}"]
        if unweighed:
            log_odds, reasons = max(log_odds, _CERTAIN), [unweighed, *reasons]
        if not LEANS.isdisjoint(reading.features):
            log_odds = max(log_odds, _CERTAIN)
        named = "relation_filled" in reading.features  # "summarise the plot of Macbeth"
        rephrase = language.rephrase.search(text)
        content = known(" ".join(reading.low[:80]), language).content
        kind = QuestionType.CONTEXTUAL_FOLLOW_UP
        if rephrase and not (change and log_odds < 0) and (reasons or (len(content) <= 3 and not named)):
            log_odds = max(log_odds, _CERTAIN)
            reasons = [f"about the last answer: {rephrase[0].strip()[:80]!r}", *reasons]
        elif COMMENT.isdisjoint(reading.features):
            if new := content - before.last:
                kind = QuestionType.CONTEXTUAL_WITH_SEARCH
                words = dict.fromkeys(word for word in reading.low if stem(word) in new)
                reasons.append(f"asks for something new: {', '.join([*words][:3])}")
            elif not content and not language.wh.isdisjoint(reading.low) and _MEANING.isdisjoint(reading.low):
                kind = QuestionType.CONTEXTUAL_WITH_SEARCH  # "why do they do that?"
                reasons.append("asks for something new of what was said")
            else:
                reasons.append("brings nothing new")
        return Assessment(None, log_odds, reading, kind, tuple(reasons), bool(change), log_odds != weighed)

    def decide(self, judged: Assessment, history: Sequence[BaseMessage], log_odds: float, threshold: float) -> Verdict:
        """Applies a threshold to an assessment whose log-odds may have been corrected since.

        Returns:
            The verdict.
        """
        share = probability(log_odds)
        if share < threshold:
            why = judged.reasons[:1] if judged.changes else ()
            return Verdict(QuestionType.NEW_TOPIC, 1 - share, (*why, "stands alone"), dependence=share)
        reading = judged.reading
        return Verdict(
            judged.kind,
            max(share, 0.5),
            judged.reasons if reading.evidence or share >= 0.5 else ("may depend on the conversation", *judged.reasons),
            dependence=share,
            spans=tuple(sorted({(start, end) for _, start, end in reading.evidence})),
            depends_on=leans_on(reading, history, self.lexicon, self._alone),
        )

    def _alone(self, text: str) -> bool:
        return not dependence(text[:HEAD], self.lexicon)


def _read_part(turn: str) -> str:
    return turn if len(turn) <= HEAD + TAIL else f"{turn[:HEAD]} {turn[-TAIL:]}"


def _place(turn: str, words: str) -> tuple[int, int] | None:
    """Where words that were found in the normalised text are in the turn; None where spaces differ."""
    start = straight(turn).find(words)
    return (start, start + len(words)) if start >= 0 else None


def _signs_without(turn: str, words: str, before: HistoryWords, language: Lexicon) -> TurnTokens:
    """The signs of a turn that words are taken out of, with the evidence at the places of the whole turn."""
    start, end = _place(turn, words) or (0, 0)
    tokens = signs(read(turn[:start] + turn[end:]), before, language)
    cut = end - start
    tokens.evidence = [
        (why, first + cut * (first >= start), last + cut * (last >= start)) for why, first, last in tokens.evidence
    ]
    return tokens
