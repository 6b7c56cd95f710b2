"""The flows of `AnswerCacheMiddleware`: a model call is planned as a turn of `ConversationMemory.wrap` is.

Whatever may be shared is shown to the model as its key says: a self-contained question by itself, one that depends on
its conversation together with all of it. So an answer is never served where the model would have seen something else.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

from langchain.agents.middleware import ModelRequest
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.config import get_config

from langchain_redis_memory.agents.request import SEPARATED, AgentTurn, as_given, asker_of, basis_of, turn_of
from langchain_redis_memory.cache.admission import worth_keeping
from langchain_redis_memory.cache.answers.answer_cache import CANDIDATES, Answer, CacheQuestion
from langchain_redis_memory.cache.answers.records import ManagedAnswerCache
from langchain_redis_memory.cache.answers.switch import was_off
from langchain_redis_memory.cache.best_effort import BestEffort, CacheUnavailable
from langchain_redis_memory.cache.candidate import logged
from langchain_redis_memory.cache.decision_log import Decision
from langchain_redis_memory.cache.sharing import Share, SharingRule
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.cache.switchable import WHY
from langchain_redis_memory.conversation.context import StoredContext
from langchain_redis_memory.conversation.planner import Planner
from langchain_redis_memory.conversation.policy import Rule
from langchain_redis_memory.conversation.tool_watch import note_cache
from langchain_redis_memory.conversation.turn import Plan, cost, words_of
from langchain_redis_memory.conversation.turn_cache import Flight, TurnCache, TurnLookup, leave
from langchain_redis_memory.conversation.turn_record import count_saved
from langchain_redis_memory.frozen import replace
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Background, Flow, Now, Op, ask, leave_behind, merge, pure
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.fingerprint import deciding_settings, describable
from langchain_redis_memory.run_config import rights_of

_log = logging.getLogger(__name__)


class WholeThread:
    """Selects all messages of the thread: what a dependent question is answered from, and keyed by."""

    def reach(self, rule: Rule) -> int:
        """Returns that nothing more has to be loaded: an agent's thread is there."""
        return 0

    def select(
        self,
        turn: str,
        verdict: Verdict,
        history: Sequence[BaseMessage],
        rule: Rule,
        state: TurnState = NO_STATE,
    ) -> list[BaseMessage]:
        """Selects all messages."""
        return list(history)


class ModelLookup(NamedTuple):
    """The result of looking up the answer to a model call.

    Args:
        asked: How the cache sees the call; None where its answer is not shared.
        why: Why it is served, or was not.
        outcome: "hit", "miss" or "bypass".
        messages: What the model is shown; None for all of the request's.
        answer: The cached answer; None to ask the model.
        decision: The line for the log.
        began: When it was looked up.
        flight: The call's part in a single flight.
        place: The conversation, the question's id and how much followed it.
    """

    asked: CacheQuestion | None
    why: str
    outcome: str
    messages: list[BaseMessage] | None
    answer: Answer | None
    decision: Decision
    began: float
    flight: Flight | None = None
    place: tuple[str, str, int] | None = None


_MOST_PLACES = 1_024


@dataclass
class AnswerFlows:
    """The flows of a cache of answers around the model calls of agents.

    Args:
        client: The server's client.
        cache: The cache of answers.
        planner: Decides what is done with a question.
        pure: Tools that only look things up.
        scope: The name that the user gave to the agent; None for none.
        share: With whom answers are shared.
        tenant: The tenant, where a config names none.
        lease_ms: How long a call waits for an equal one, 0 for not at all.
    """

    client: Client
    cache: TurnCache
    planner: Planner
    pure: Set[str]
    scope: str | None
    share: Share
    tenant: str
    lease_ms: int = 0
    private: str = field(default_factory=lambda: f"private:{uuid4()}")
    warned: set[str] = field(default_factory=set)
    _behind: str = ""
    _answered: OrderedDict[tuple[str, str, int], None] = field(default_factory=OrderedDict)

    # --- looking up ---------------------------------------------------------------------------------------------------

    def lookup_flow(self, request: ModelRequest[Any]) -> Flow[ModelLookup]:
        """Plans a model call and looks for its answer. Returns what is done with it.

        Nothing that the server fails with is raised.
        """
        began: float = yield Now()
        turn = turn_of(request.messages)
        if turn is None:
            return ModelLookup(None, "the user has said nothing", "bypass", None, None, Decision("bypass"), began)
        by_itself, _, looked = yield from self.planned_flow(request, turn, began)
        asked, decision, place = looked.asked, looked.decision, looked.place
        if asked is None:
            if not turn.since:
                yield from self._note_flow(by_itself, decision)
            return looked
        if place in self._answered:  # such as by middleware that looks at answers: the same one would come back
            why = "its first answer was taken back"
            return looked._replace(why=why, decision=decision._replace(outcome="miss", why=why))
        answer, flight = yield from self.find_flow(asked, self.lease_ms)
        decision = decision._replace(candidates=logged(asked.notes.get(CANDIDATES, [])))
        if answer is None or not isinstance(answer.value, AIMessage):
            why = WHY if was_off(asked) else asked.unanswered
            return looked._replace(why=why, decision=decision._replace(outcome="miss", why=why), flight=flight)
        hit = decision._replace(outcome="hit", kind=answer.kind, why=answer.why, entry=answer.entry)
        yield from self._note_flow(asked, hit._replace(tokens=answer.tokens), answer, flight)
        self._answer(place)
        return ModelLookup(asked, answer.why, "hit", looked.messages, answer, hit, began)

    def planned_flow(
        self, request: ModelRequest[Any], turn: AgentTurn, began: float
    ) -> Flow[tuple[CacheQuestion, Plan | None, ModelLookup]]:
        """Plans a model call, without looking for its answer or counting anything.

        Returns how the cache would see the question by itself, the plan if there is one, and the look-up as a miss, or
        as a bypass with the reason.
        """
        asked, sharing = self._asked(request, turn)
        why = self._behind or turn.forbidden(self.pure)
        plan = None if why else (yield from self._plan_flow(turn, asked, sharing))
        if plan is not None:
            why = _why(plan, sharing)
        decision = Decision("bypass", str(turn.question.text), why=why, marks=asked.marks)
        if plan is not None:
            verdict = plan.verdict
            decision = decision._replace(type=str(verdict.type), dependence=verdict.dependence)
        if why or plan is None or plan.asked is None:
            return asked, plan, ModelLookup(None, why, "bypass", None, None, decision, began)
        asked_there = replace(plan.asked, memory=[*plan.asked.memory, *turn.since])
        messages = [*(plan.shown or turn.instructions), turn.question, *turn.since]
        place = (asked.session, str(turn.question.id), len(turn.since))
        return asked, plan, ModelLookup(asked_there, "", "miss", messages, None, decision, began, None, place)

    def _answer(self, place: tuple[str, str, int] | None) -> None:
        """Remembers that a question was answered here."""
        if place is not None:
            self._answered[place] = None
            while len(self._answered) > _MOST_PLACES:
                self._answered.popitem(last=False)

    def misplaced(self, changed: Set[str]) -> None:
        """Stops caching, as middleware behind the cache makes other requests than its keys hold."""
        if not self._behind:
            self._behind = f"middleware behind the cache changes {', '.join(sorted(changed))}"
            _log.warning("nothing is cached: %s; put AnswerCacheMiddleware last", self._behind)

    def _asked(self, request: ModelRequest[Any], turn: AgentTurn) -> tuple[CacheQuestion, SharingRule]:
        """Builds how the cache would see the question, and with whom its answer may be shared."""
        config = get_config()
        note_cache(config)
        configurable = config.get("configurable") or {}
        asker, opaque = asker_of(config), bool(request.tools)
        judge = partial(self.planner.questions.audience, opaque=opaque)
        sharing = SharingRule(asker, judge(words_of(turn.question)), opaque, self.share, judge)
        basis = basis_of(request)
        given = [deciding_settings(configurable, *SEPARATED), rights_of(config) if opaque else []]
        if not describable(given):  # nobody else's call can be known to be equal
            sharing = sharing._replace(share="none")
        asked = CacheQuestion(
            self.client.keys(configurable.get("tenant") or self.tenant),
            str(configurable.get("agent") or ""),
            self._scope(basis.digest, basis.opaque),
            turn.question.content,
            [*([request.system_message] if request.system_message else []), *turn.instructions],
            as_given(turn.question, given) if describable(given) else None,
            session=asker.session,
        )
        return asked, sharing

    def _scope(self, digest: str, opaque: Sequence[str]) -> str:
        if self.scope is None and opaque:
            if unknown := set(opaque) - self.warned:
                self.warned |= unknown
                _log.warning(
                    "%s cannot be described, so cached answers serve only this one agent and end with its process; "
                    "share them across processes with AnswerCacheMiddleware(..., scope='a-name-and-version')",
                    " and ".join(sorted(unknown)),
                )
            return f"{self.private}:{digest}"
        return f"{self.scope or ''}:{digest}"

    def _plan_flow(self, turn: AgentTurn, asked: CacheQuestion, sharing: SharingRule) -> Flow[Plan | None]:
        """Plans the turn; None where a user's classifier fails."""
        text = str(turn.question.text)
        try:
            return (yield from self.planner.plan(text, turn.before, asked, StoredContext(), sharing))
        except Exception as error:  # noqa: BLE001 - a user's classifier or contextualiser
            _log.warning("a question is not understood and bypasses the cache: %s: %s", type(error).__name__, error)
            return None

    def find_flow(self, asked: CacheQuestion, lease_ms: int) -> Flow[tuple[Answer | None, Flight | None]]:
        """Looks for an answer, and waits so long for one that an equal call is just asking for."""
        look, flight = self.cache.lookup(asked, lease_ms)
        found = TurnLookup(flight=flight)  # without a reply it may have the lead all the same
        try:
            with suppress(CacheUnavailable):
                found = yield from self._best_effort(asked)(ask(look))
            return (yield from self.cache.find_flow(asked, found, lease_ms)), found.flight
        except GeneratorExit:
            if (given_back := leave(found.flight)).commands:
                leave_behind(ask(given_back))
            raise

    # --- storing ------------------------------------------------------------------------------------------------------

    def store_flow(self, looked: ModelLookup, value: AIMessage, *, structured: bool) -> Flow[None]:
        """Stores the model's answer, if it is a final one and worth keeping."""
        asked = looked.asked
        if asked is None:
            return
        self._answer(looked.place)
        op, tokens = yield from self.kept_flow(asked, looked, value, structured=structured)
        decision = looked.decision._replace(tokens=tokens)
        with suppress(CacheUnavailable):
            yield from self._best_effort(asked)(self._record_flow(asked, decision, None, op, looked.flight), write=True)

    def kept_flow(
        self, asked: CacheQuestion, looked: ModelLookup, value: AIMessage, *, structured: bool
    ) -> Flow[tuple[Op[Any], int]]:
        """Builds what stores an answer, nothing where it is not worth keeping, and counts its tokens."""
        ended: float = yield Now()
        tokens = cost(value, looked.messages or (), ())
        kept = value.model_copy(update={"id": None, "name": None})
        op: Op[Any] = pure(None)
        if structured and value.tool_calls:
            if not (value.invalid_tool_calls or self.cache.cache is None or was_off(asked)):
                made = self.cache.cache.store(asked, Answer(kept, tokens, None, (), ended - looked.began))
                op = made if isinstance(made, Op) else (yield from made)
        elif worth_keeping(value):
            op = yield from self.cache.store_flow(asked, Answer(kept, tokens, None, (), ended - looked.began))
        return op, tokens

    def leave_flow(self, looked: ModelLookup) -> Flow[None]:
        """Lets equal calls that wait ask the model, as this one's answer is not to be shared."""
        if looked.asked is not None and (given_back := leave(looked.flight)).commands:
            with suppress(CacheUnavailable):
                yield from self._best_effort(looked.asked)(ask(given_back), write=True)

    # --- counting and logging -----------------------------------------------------------------------------------------

    def _note_flow(
        self, asked: CacheQuestion, decision: Decision, answer: Answer | None = None, flight: Flight | None = None
    ) -> Flow[None]:
        """Counts and logs beside the call: nobody waits for it."""
        yield Background(self._best_effort(asked)(self._record_flow(asked, decision, answer, pure(None), flight)))

    def _record_flow(
        self, asked: CacheQuestion, decision: Decision, answer: Answer | None, stored: Op[Any], flight: Flight | None
    ) -> Flow[None]:
        """Stores the answer, counts, logs and gives the lease back, in one trip."""
        cache = self.cache.cache
        if not isinstance(cache, ManagedAnswerCache):
            yield from ask(merge(stored, leave(flight)).map(lambda _done: None))
            return
        tally, kind = cache.records.tally(asked.space), decision.type
        bypassed = decision.outcome == "bypass"
        tally.add(_COUNTED[decision.outcome], kind=decision.why if bypassed else kind)
        if answer is not None:
            count_saved(tally, answer, kind)
        if stored.commands:
            tally.add("updates", kind=kind)
        now: float = yield Now()
        counts = tally.take(now)
        line: Op[None] = pure(None)
        if (log := self.planner.answers.log) is not None:
            line = log.append(asked.space.decisions(), decision._replace(cache=cache.records.name))
        yield from ask(merge(stored, tally.sends(counts), line, leave(flight)).map(lambda _done: None))

    def _best_effort(self, asked: CacheQuestion) -> BestEffort:
        return BestEffort("the cache of answers of agents", Tally(asked.space.tally("agents", "")), self.client.breaker)


_COUNTED = {"hit": "hits", "miss": "misses", "bypass": "bypasses"}


def _why(plan: Plan, sharing: SharingRule) -> str:
    """Names the reason why a planned question bypasses the cache, "" where it does not."""
    if plan.reads is None or not plan.rule.write_cache:
        shared = sharing._replace(words=plan.verdict.audience or sharing.words)
        last_reason = plan.verdict.reasons[-1:] if plan.rule.read_cache and plan.rule.write_cache else ()
        return shared.bypass() or "".join(last_reason) or f"{plan.verdict.type} by policy"
    return ""
