"""Plans a turn: the question's type, the messages to show, the retriever's query, and the question for the cache.

The law (see `policy`): an answer is cached only under a key that covers everything the model was shown. A question that
stands alone is shown nothing where its answer is shared. A dependent one is cached together with the very messages that
the model is shown; or, with `share_rewrites` and a trusted rewrite, under the standalone question. An answer to an
opening question that points at something unsaid ("Where was he born?") is shared with no other conversation.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage

from langchain_redis_memory.cache.answers.answer_cache import CacheQuestion
from langchain_redis_memory.cache.sharing import SharingRule, instructs
from langchain_redis_memory.checks import check_method, check_type
from langchain_redis_memory.conversation.context import StoredContext
from langchain_redis_memory.conversation.options import AnswerOptions, QuestionOptions
from langchain_redis_memory.conversation.select.window import Selector
from langchain_redis_memory.conversation.turn import Plan
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.frozen import replace
from langchain_redis_memory.language.classify import Classifier, Verdict, points_outside
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.classify.standalone import continued, spoken
from langchain_redis_memory.ops import Flow, settled

if TYPE_CHECKING:
    from langchain_redis_memory.conversation.policy import Rule
    from langchain_redis_memory.language.contextualise.contextualiser import Contextualiser
    from langchain_redis_memory.language.turn_state import TurnState

_FIRST_LOOK = 30
"""Messages that the first trip loads for a selector that always wants all of them."""


class Planner:
    """Plans turns.

    Args:
        classifier: Decides the type of each question.
        selector: Chooses the messages that the model is shown.
        cached: Whether there is a cache of answers.
        questions: How questions are understood.
        answers: Which answers are kept and shared.

    Raises:
        ConfigError: One of them cannot do what it is for.
    """

    def __init__(
        self,
        classifier: Classifier,
        selector: Selector,
        cached: bool,
        questions: QuestionOptions,
        answers: AnswerOptions,
    ) -> None:
        check_method(classifier, "classify", "classifier", ConfigError)
        check_method(selector, "reach", "selector", ConfigError)
        check_type(questions, QuestionOptions, "questions", "QuestionOptions(...)", ConfigError)
        check_type(answers, AnswerOptions, "answers", "AnswerOptions(...)", ConfigError)
        self.classifier: Classifier = classifier
        self.selector: Selector = selector
        self.cached: bool = cached
        self.questions: QuestionOptions = questions
        self.answers: AnswerOptions = answers

    @cached_property
    def reach(self) -> int:
        """How many messages the first round trip loads."""
        reaches = [self.selector.reach(replace(rule, whole=False)) for rule in self.questions.policy.values()]
        return max(_FIRST_LOOK if reach is None else reach for reach in reaches)

    @cached_property
    def contextualiser(self) -> Contextualiser:
        """Rewrites dependent questions; the default one is loaded with the first of them."""
        if self.questions.contextualiser is not None:
            return self.questions.contextualiser
        from langchain_redis_memory.language.contextualise.local import LocalContextualiser

        return LocalContextualiser()

    @property
    def opens_with_cache(self) -> bool:
        """Whether the cache is asked before the conversation is loaded."""
        return self.cached and self.questions.policy[QuestionType.NEW_TOPIC].read_cache

    def opening(self, asked: CacheQuestion, sharing: SharingRule) -> CacheQuestion | None:
        """Returns how the cache is asked before anything is known of the conversation; None where it is not."""
        if not self.opens_with_cache:
            return None
        audience = sharing._replace(lifetimes=self.answers.lifetimes).audience_key(dependent=False)
        return None if audience is None else asked.asked_for(audience)

    def wants_all(self, plan: Plan) -> bool:
        """Returns whether a plan needs the whole conversation."""
        return self.selector.reach(plan.rule) is None

    @property
    def recalls_elsewhere(self) -> bool:
        """Whether the selector looks for what is recalled in the user's other conversations too."""
        return getattr(self.selector, "scope", "session") == "user"

    def plan(
        self,
        text: str,
        history: list[BaseMessage],
        asked: CacheQuestion,
        known: StoredContext,
        sharing: SharingRule,
        verdict: Verdict | None = None,
    ) -> Flow[Plan]:
        """Plans a turn.

        Without a verdict the classifier is asked, and the history is only the newest messages. Where the selector wants
        the whole conversation, the plan then selects nothing; with the whole history and that verdict it is made again.
        """
        only_newest = verdict is None
        state = known.turn_state(history)
        if verdict is None:
            verdict = yield from settled(self.classifier.classify(text, history, state))
        rule = self.questions.policy[verdict.type]
        if only_newest and self.selector.reach(rule) is None:
            return Plan(verdict, rule, [], text, None)
        if verdict.audience is None:
            words = sharing.words
            if verdict.said_of_audience is not None:
                from langchain_redis_memory.language.audience.correction import corrected

                words = corrected(words, verdict.said_of_audience)
            verdict = replace(verdict, audience=words)
        sharing = sharing._replace(words=verdict.audience or sharing.words, lifetimes=self.answers.lifetimes)
        shares = self.cached and (rule.read_cache or rule.write_cache)
        alone = verdict.type is QuestionType.NEW_TOPIC
        if shares and (why := sharing.bypass()):
            verdict = replace(verdict, reasons=(*verdict.reasons, why))
        audience = sharing.audience_key(dependent=not alone)
        if audience is None:
            shares = False
        else:
            bounds = (sharing.lifetime_s(), rule.answer_ttl_s)
            asked = asked.asked_for(audience, min(filter(None, bounds), default=None))
        if shares and alone and any(map(instructs, spoken(history))):
            verdict = replace(verdict, reasons=(*verdict.reasons, "the user said how to answer from then on"))
            shares = False
        has_context = history or asked.context or asked.given is not None or state.begun
        if shares and alone and not has_context and points_outside(text):
            why = "points at what was never told, so its answer is not shared"
            return Plan(replace(verdict, reasons=(*verdict.reasons, why)), rule, [], text, None)
        shown: list[BaseMessage] = []
        if not (shares and alone):
            shown = yield from settled(self.selector.select(text, verdict, history, rule, state))
        query, meant = text, None
        if not alone:
            query, meant = yield from self._query_flow(text, verdict, rule, shown, state)
        if shares and not alone:
            near, said = continued(shown), spoken(shown)
            earlier = said[: len(said) - len(near)]
            if why := sharing.bypass_after([*near, *([meant] if meant else [])], text, earlier=earlier):
                return Plan(replace(verdict, reasons=(*verdict.reasons, why)), rule, shown, query, None)
        if not shares or not (alone or shown or verdict.standalone):
            # The second case leans on something that the model will not see: its answer is good for nobody else.
            return Plan(verdict, rule, shown, query, None)
        if self.answers.share_rewrites and meant is not None and isinstance(asked.question, str):
            return Plan(verdict, rule, shown, query, replace(asked, question=meant))
        if shown or query != text:
            # What the model sees and what is searched for decide the answer, so they are part of the key.
            asked = replace(asked, memory=shown, query=query)
        elif alone and history:
            asked = replace(asked, later=True)
        return Plan(verdict, rule, shown, query, asked)

    def _query_flow(
        self, text: str, verdict: Verdict, rule: Rule, shown: list[BaseMessage], state: TurnState
    ) -> Flow[tuple[str, str | None]]:
        """Decides what the retriever is asked for a dependent question, and what that means where it is sure."""
        if verdict.standalone is not None:
            return verdict.standalone, verdict.standalone
        if not rule.search or _likely_alone(verdict):
            return text, None
        from langchain_redis_memory.language.contextualise.contextualiser import resolved, search_query

        # What the retriever is asked follows from what the model is shown, as the answer must.
        rewrite = yield from settled(self.contextualiser.contextualise(text, shown, state))
        return search_query(text, rewrite, shown), resolved(text, rewrite)


def _likely_alone(verdict: Verdict) -> bool:
    """Whether a question more likely than not stands alone, though it is not sure enough to share its answer.

    The retriever is then asked in its own words: words of another topic would find other documents.
    """
    return verdict.dependence is not None and verdict.dependence < 0.5
