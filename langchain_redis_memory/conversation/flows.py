"""One user turn as flows, a step each: load, plan, answer, store.

A turn costs at most three round trips: history and context together with the cache under the key that is expected, the
cache again where the history proves that key wrong, and one write of everything; where one process serves a
conversation, two. Nothing is stored when the model fails, unless what was said until then is wanted. While the server
is away a turn goes on with what this process remembers and without the cache, and its messages wait in the outbox.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.answers.switch import was_off
from langchain_redis_memory.conversation.answer_flow import answer_flow
from langchain_redis_memory.conversation.context import TurnContext
from langchain_redis_memory.conversation.guarded_step import Driver, guarded
from langchain_redis_memory.conversation.planner import Planner
from langchain_redis_memory.conversation.recent import NOTHING_SEEN, RecentConversation, RecentConversations
from langchain_redis_memory.conversation.turn import Chain, TurnInput, TurnReport, also_given, with_id, words_of
from langchain_redis_memory.conversation.turn_cache import NOTHING, TurnCache, TurnLookup, leave
from langchain_redis_memory.conversation.turn_cost import measured_flow
from langchain_redis_memory.conversation.turn_record import TurnRecorder
from langchain_redis_memory.conversation.turn_report import report_of, tell_flow
from langchain_redis_memory.conversation.turn_steps import (
    AnsweredTurn,
    LoadedTurn,
    PlannedTurn,
    StoredTurn,
    TurnProgress,
    TurnRequest,
)
from langchain_redis_memory.errors import DurabilityError, RedisMemoryError, ServerError, UnavailableError
from langchain_redis_memory.frozen import replace
from langchain_redis_memory.history.outbox import AWAY, Outbox
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.history.waiting_writes import outage_level
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.turn_state import PastTurn
from langchain_redis_memory.ops import Background, Flow, Invoke, Now, Op, ask, leave_behind, merge, pure
from langchain_redis_memory.redis.codec.fingerprint import describable
from langchain_redis_memory.redis.codec.tokens import count_tokens

_log = logging.getLogger(__name__)


class TurnFlows:
    """The flows of a turn.

    Args:
        planner: Decides what is done with a question.
        context: Reads and keeps state, summary and the user's own database.
        cache: The cache of answers, as a turn uses it.
        driver: Runs what is left to do when a turn is interrupted.
        max_messages: Most messages kept of a conversation; None for no bound.
        recorder: Counts and logs turns; None for a cache that keeps no statistics.
        outbox: Keeps the turns that could not be stored.
        recent: Remembers the conversations that this process took part in.
    """

    def __init__(
        self,
        planner: Planner,
        context: TurnContext,
        cache: TurnCache,
        driver: Driver,
        max_messages: int | None,
        recorder: TurnRecorder | None = None,
        outbox: Outbox | None = None,
        recent: RecentConversations | None = None,
    ) -> None:
        self.planner: Planner = planner
        self.context: TurnContext = context
        self.cache: TurnCache = cache
        self.driver: Driver = driver
        self.max_messages: int | None = max_messages
        self.recorder: TurnRecorder | None = recorder
        self.outbox: Outbox = Outbox() if outbox is None else outbox
        self.recent: RecentConversations = RecentConversations() if recent is None else recent

    def turn_flow(
        self,
        transcript: Transcript,
        incoming: TurnInput,
        chain: Chain,
        on_turn: Callable[[TurnReport], object] | None,
        learning: Flow[object] | None = None,
    ) -> Flow[TurnReport]:
        """Runs a whole turn, and the flow that learns of the user in the background.

        `on_turn` gets the report before what follows the turn, also that of a turn that fails or is interrupted. The
        report counts the round trips up to the storing of the turn.
        """
        started: float = yield Now()
        turn = self._request(transcript, incoming, chain)

        def lost_flow(error: BaseException) -> Flow[None]:
            yield from measured_flow(self._broken_off_flow(turn), turn.progress.spent)
            ended: float = yield Now()
            yield from tell_flow(on_turn, report_of(turn, None, ended - started, error))

        turn.progress.interrupted = lost_flow
        try:
            done = yield from measured_flow(self._steps_flow(turn, started), turn.progress.spent)
        except Exception as error:
            yield from lost_flow(error)
            raise
        except GeneratorExit:  # cancelled, which a guarded step has seen to already
            if (given_back := leave(turn.progress.flight)).commands:
                leave_behind(ask(given_back))
            raise
        ended: float = yield Now()
        report = report_of(turn, done, ended - started)
        yield from tell_flow(on_turn, report)
        yield from self.context.follow_up_flow(transcript, done.planned.context, done.messages, stored=done.stored)
        if learning is not None:
            yield Background(learning)
        return report

    def _request(self, transcript: Transcript, incoming: TurnInput, chain: Chain) -> TurnRequest:
        question = incoming.question
        said = with_id(question)
        encoded = transcript.pairs([said])  # what could not be stored is refused before anybody is asked
        asked = CacheQuestion(
            transcript.space,
            incoming.agent,
            chain.scope,
            question.content,
            incoming.lead,
            also_given(incoming),
            session=str(incoming.session_id),
        )
        return TurnRequest(incoming, chain, transcript, words_of(question), asked, said, encoded, TurnProgress())

    def _steps_flow(self, turn: TurnRequest, started: float) -> Flow[StoredTurn]:
        loaded = yield from self.load_flow(turn)
        if loaded.reachable:  # if not, it may have the lead all the same
            turn.progress.flight = loaded.found.flight
        planned = yield from self.plan_flow(turn, loaded)
        turn.progress.planned = planned
        answered = yield from self.answer_flow(turn, planned, started)
        return (yield from self.store_flow(turn, planned, answered))

    def _broken_off_flow(self, turn: TurnRequest) -> Flow[None]:
        """Keeps what was said of an answer that broke off, if that is wanted, and lets others ask the model.

        Raises nothing that a server that is away would raise.
        """
        progress, chain = turn.progress, turn.chain
        said = chain.said_so_far(progress.chunks) if chain.keep_partial and progress.chunks else ""
        try:
            if said and progress.planned is not None:
                value = AIMessage(said, response_metadata={"partial": True})
                planned = progress.planned._replace(plan=progress.planned.plan._replace(asked=None))
                done = yield from self.store_flow(turn, planned, AnsweredTurn(value, 0, "off"))
                yield from self.context.follow_up_flow(
                    turn.transcript, planned.context, done.messages, stored=done.stored
                )
            elif (given_back := leave(progress.flight)).commands:
                progress.flight = None
                yield from ask(given_back)
        except RedisMemoryError as error:
            _log.warning("what was left of a turn that broke off is not stored: %s", error)

    # --- load ---------------------------------------------------------------------------------------------------------

    def load_flow(self, turn: TurnRequest) -> Flow[LoadedTurn]:
        """Reads the conversation, and the cache under the key that the conversation as last seen here would give.

        **Keys:** `messages`, `meta`, `state`; `answer`.
        **Trips:** 1; 1 more to store what waits; those of the loader.
        """
        seen, plan = self.recent.get(turn.transcript), None
        if seen is not None:
            plan = yield from self.planner.plan(turn.text, seen.messages, turn.asked, seen.context, turn.chain.sharing)
        alone = self.planner.opening(turn.asked, turn.chain.sharing)
        looked_up = alone if plan is None else plan.reads
        lookup, turn.progress.flight = self.cache.lookup(looked_up, turn.chain.single_flight_ms)
        loaded = yield from self._read_flow(turn.transcript, lookup, seen or NOTHING_SEEN)
        unchanged = (
            seen is not None
            and loaded.history == seen.messages
            and loaded.context.tells_as(seen.context, seen.messages)
        )
        return loaded._replace(looked_up=looked_up, plan=plan if unchanged else None)

    def _read_flow(self, transcript: Transcript, lookup: Op[TurnLookup], seen: RecentConversation) -> Flow[LoadedTurn]:
        """Reads all in one trip, after the messages of this conversation that wait were stored."""
        reach = self.planner.reach
        history: Op[list[BaseMessage]] = transcript.tail(messages=reach) if reach else pure([])
        context = self.context.read(transcript, alone=not (history.commands or lookup.commands))
        # The context says whether the conversation exists, so it is asked before the messages; see `read_flow`.
        wanted = merge(context, lookup, history).map(lambda read: (read[2], read[1], read[0]))
        waiting = self.outbox.messages(transcript)
        try:
            yield from self.outbox.store_flow(transcript)
            messages, looked_up, known = yield from ask(wanted)
            if self.context.is_missing(known):
                yield from self.context.load_flow(transcript)
                messages, looked_up, known = yield from ask(wanted)
        except AWAY as error:
            _log.log(outage_level(self.outbox), "the turn goes on with what this process remembers: %s", error)
            return LoadedTurn(seen.messages or waiting, seen.context, reachable=False)
        return LoadedTurn(messages, known, found=looked_up)

    # --- plan ---------------------------------------------------------------------------------------------------------

    def plan_flow(self, turn: TurnRequest, loaded: LoadedTurn) -> Flow[PlannedTurn]:
        """Decides what is done with the question, and looks for a cached answer where the plan allows one.

        **Keys:** `messages`; `answer`.
        **Trips:** none where the plan from before the first trip stands; 1 to load the whole conversation; 1 to
            read the user's other ones; 1 to ask the cache under another key; those of a search by meaning.
        """
        history, context, plan = loaded.history, loaded.context, loaded.plan
        if plan is None:
            plan = yield from self.planner.plan(turn.text, history, turn.asked, context, turn.chain.sharing)
        if self.planner.wants_all(plan):
            verdict = plan.verdict
            past: tuple[PastTurn, ...] = ()
            if loaded.reachable:
                history, verdict, past = yield from self._read_all_flow(turn.transcript, history, verdict)
            known = context._replace(elsewhere=past)
            plan = yield from self.planner.plan(turn.text, history, turn.asked, known, turn.chain.sharing, verdict)
        if not loaded.reachable:
            plan = plan._replace(asked=None)
        answer = None if plan.reads is None else (yield from self._cached_flow(turn, plan.reads, loaded))
        if was_off(turn.asked):
            plan = plan._replace(asked=None)
        tokens = count_tokens(plan.shown) if plan.shown else 0
        return PlannedTurn(history, context, loaded.reachable, plan, tokens, answer, self.cache.cache is not None)

    def _read_all_flow(
        self, transcript: Transcript, newest: list[BaseMessage], verdict: Verdict
    ) -> Flow[tuple[list[BaseMessage], Verdict, tuple[PastTurn, ...]]]:
        """Reads the whole conversation, where the newest are not all of it, and the user's others where they count.

        The verdict's places are shifted to where they are in the whole.
        """
        from langchain_redis_memory.conversation.select import user_recall

        wanted = transcript.read() if len(newest) >= self.planner.reach else pure(newest)
        index = user_recall.noted(transcript.space, transcript.user if self.planner.recalls_elsewhere else "")
        try:
            messages, others = yield from ask(merge(wanted, index))
            past = yield from user_recall.read_flow(transcript.space, others, str(transcript.session_id))
        except AWAY as error:
            _log.warning("recalled from the newest messages alone: %s", error)
            return newest, verdict, ()
        before = len(messages) - len(newest)
        if messages[before:] != newest:
            return messages, replace(verdict, depends_on=()), past  # somebody wrote in between
        return messages, replace(verdict, depends_on=tuple(place + before for place in verdict.depends_on)), past

    def _cached_flow(self, turn: TurnRequest, asked: CacheQuestion, loaded: LoadedTurn) -> Flow[Answer | None]:
        """Returns the cached answer: of the first trip if its key was right, else by one more; then by other ways."""
        lookup, lease_ms = loaded.found, turn.chain.single_flight_ms
        if loaded.looked_up is None or not asked.is_named_as(loaded.looked_up):
            try:
                look, turn.progress.flight = self.cache.lookup(asked, lease_ms, lookup.flight)
                lookup = yield from ask(look)
                turn.progress.flight = lookup.flight
            except UnavailableError as error:
                _log.warning("the cache is bypassed: %s", error)
                lookup = NOTHING
        return (yield from self.cache.find_flow(asked, lookup, lease_ms))

    # --- answer -------------------------------------------------------------------------------------------------------

    def answer_flow(self, turn: TurnRequest, planned: PlannedTurn, started: float = 0.0) -> Flow[AnsweredTurn]:
        """Serves the cached answer, or retrieves and generates; see `answer_flow`. Returns the answered turn.

        What the retriever or the model raises passes through.
        """
        return answer_flow(turn, planned, started, lambda step: self._guarded(turn, step))

    def _guarded(self, turn: TurnRequest, step: Invoke) -> Invoke:
        """Guards a step: an interruption is the end of a turn that nobody else would notice."""
        lost = turn.progress.interrupted or (lambda _error: self._broken_off_flow(turn))
        made = guarded(step, lost, self.driver)
        turn.progress.chunks = made.chunks
        return made.step

    # --- store --------------------------------------------------------------------------------------------------------

    def store_flow(self, turn: TurnRequest, planned: PlannedTurn, answered: AnsweredTurn) -> Flow[StoredTurn]:
        """Stores the turn's messages, its answer in the cache and its part of the state, in one trip.

        Returns the stored turn; where the server is away its messages wait in the outbox.
        **Keys:** `messages`, `ids`, `meta`, `state`; `sessions`, `expiries`; `answer`; `tally`, `decisions`.
        **Trips:** 1; none while the server is away.
        """
        transcript, value = turn.transcript, answered.value
        cached = yield from self._cache_write_flow(turn, planned, answered)
        messages = [turn.said, with_id(value if isinstance(value, BaseMessage) else AIMessage(value))]
        delta = self.context.delta(planned.context, planned.plan, turn.text, messages, answered.documents)
        changed = None if delta is None else planned.context.changed_by(delta)
        state = self.context.write(transcript, planned.context, delta, changed)
        record = pure(None)
        if self.recorder is not None:
            record = yield from self.recorder.write_flow(turn, planned, answered, cached=bool(cached.commands))
        # It refuses what cannot be stored, so that never waits either. The lead is given up once the answer is there.
        added = transcript.write([*turn.encoded, *transcript.pairs(messages[1:])])
        given_up = leave(turn.progress.flight)
        write = merge(added, cached, state, merge(record, given_up))
        turn.progress.flight = None
        stored = planned.reachable and (yield from self._write_flow(transcript, write))
        if not stored:
            late = self.context.write_late(transcript, messages) if delta is None else state
            self.outbox.put(transcript, messages, merge(added, late, given_up), self.context.loader)
        reach = min(self.planner.reach, self.max_messages or self.planner.reach)
        self.recent.put(transcript, [*planned.history, *messages], reach, planned.context.after(changed))
        return StoredTurn(planned, answered, messages, stored)

    def _cache_write_flow(self, turn: TurnRequest, planned: PlannedTurn, answered: AnsweredTurn) -> Flow[Op[Any]]:
        """Returns the op that caches the answer, an empty one where it is not to be cached."""
        asked = planned.plan.asked if planned.plan.rule.write_cache else None
        if asked is None or answered.served is not None:
            return pure(None)
        whole, output = turn.chain.output_to_keep()
        spent, documents = turn.progress.spent, tuple(answered.documents)
        if whole and not describable(list(documents)):
            _log.warning("an answer is not cached: its documents hold values that would not come back as they are")
            whole = False
        made = Answer(answered.value, answered.tokens, output, documents, spent.retrieval_s + spent.model_s)
        return (yield from self.cache.store_flow(asked if whole else None, made))

    def _write_flow(self, transcript: Transcript, write: Op[Any]) -> Flow[bool]:
        """Writes a turn, after what waits of its conversation; returns whether it could."""
        try:
            yield from self.outbox.store_flow(transcript)
        except (*AWAY, ServerError) as error:
            _log.debug("the turn is kept in this process, behind what waits already: %s", error)
            return False
        try:
            yield from ask(write)
        except AWAY as error:
            _log.log(outage_level(self.outbox), "the turn is kept in this process until it can be stored: %s", error)
            return False
        except DurabilityError as error:
            _log.warning("the turn is stored, and goes on: %s", error)
        if len(self.outbox):
            self.outbox.wake()
        return True

    def flush_flow(self) -> Flow[int]:
        """Stores all messages that wait; returns how many still do.

        **Keys:** `messages`, `ids`, `meta`, `state`; `sessions`, `expiries`.
        **Trips:** see `Outbox.flush_flow`.
        """
        left = yield from self.outbox.flush_flow()
        yield from self.context.flush_flow()
        return left
