"""One user turn as flows, a step each: load, plan, answer, store.

A turn costs at most three round trips: history and context together with the cache under the key that is expected, the
cache again where the history proves that key wrong, and one write of everything; where one process serves a
conversation, two. Nothing is stored when the model fails. While the server is away a turn goes on with what this
process remembers and without the cache, and its messages wait in the outbox.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately

from langchain_redis_memory.cache.admission import worth_keeping
from langchain_redis_memory.cache.answers.answer_cache import Answer, AnswerCache, CacheQuestion, SearchableAnswerCache
from langchain_redis_memory.conversation.context import TurnContext
from langchain_redis_memory.conversation.planner import Planner
from langchain_redis_memory.conversation.recent import RecentConversation, RecentConversations
from langchain_redis_memory.conversation.turn import (
    Chain,
    ModelInput,
    TurnInput,
    TurnReport,
    also_given,
    as_served,
    cost,
    with_id,
)
from langchain_redis_memory.conversation.turn_steps import (
    AnsweredTurn,
    LoadedTurn,
    PlannedTurn,
    StoredTurn,
    TurnRequest,
)
from langchain_redis_memory.errors import OutOfMemoryError, UnavailableError
from langchain_redis_memory.history.outbox import Outbox, attempts
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.ops import Background, Flow, Invoke, Now, Op, ask, counted, merge, pure
from langchain_redis_memory.redis.client.coroutines import run_coroutine
from langchain_redis_memory.redis.codec.messages import encode_message

if TYPE_CHECKING:
    from langchain_core.documents import Document

_log = logging.getLogger(__name__)

_CONVERSATIONS_A_TRIP = 16
_CONVERSATIONS_A_TURN = 8
"""Waiting conversations that are stored with one trip of `flush_flow`, or along with a turn."""


@dataclass
class TurnFlows:
    """The flows of a turn.

    Args:
        planner: Decides what is done with a question.
        context: Reads and keeps state, summary and the user's own database.
        cache: The cache of answers; None for none.
        max_messages: Most messages kept of a conversation; None for no bound.
    """

    planner: Planner
    context: TurnContext
    cache: AnswerCache | None
    max_messages: int | None
    outbox: Outbox = field(default_factory=Outbox)
    recent: RecentConversations = field(default_factory=RecentConversations)

    def turn_flow(
        self,
        transcript: Transcript,
        incoming: TurnInput,
        chain: Chain,
        on_turn: Callable[[TurnReport], object] | None,
        learning: Flow[object] | None = None,
    ) -> Flow[TurnReport]:
        """Runs a whole turn.

        Args:
            transcript: The conversation.
            incoming: The turn as it came in.
            chain: How to retrieve and generate.
            on_turn: Called with the report, before what follows the turn.
            learning: Learns of the user in the background.

        Returns:
            The report; it counts the round trips up to the storing of the turn.
        """
        started: float = yield Now()
        turn = self._request(transcript, incoming, chain)
        done, trips = yield from counted(self._steps_flow(turn))
        ended: float = yield Now()
        report = _report(turn, done, trips, ended - started)
        if on_turn is not None:
            yield from _tell_flow(on_turn, report)
        yield from self.context.follow_up_flow(transcript, done.planned.context, done.messages, stored=done.stored)
        if learning is not None:
            yield Background(learning)
        return report

    def _request(self, transcript: Transcript, incoming: TurnInput, chain: Chain) -> TurnRequest:
        question = incoming.question
        encode_message(question)  # what could not be stored is refused before anybody is asked
        asked = CacheQuestion(
            transcript.space, incoming.agent, chain.scope, question.content, incoming.lead, also_given(incoming)
        )
        return TurnRequest(incoming, chain, transcript, str(question.text), asked)

    def _steps_flow(self, turn: TurnRequest) -> Flow[StoredTurn]:
        loaded = yield from self.load_flow(turn)
        planned = yield from self.plan_flow(turn, loaded)
        answered = yield from self.answer_flow(turn, planned)
        return (yield from self.store_flow(turn, planned, answered))

    # --- load ---------------------------------------------------------------------------------------------------------

    def load_flow(self, turn: TurnRequest) -> Flow[LoadedTurn]:
        """Reads the conversation, and the cache under the key that the conversation as last seen here would give.

        Args:
            turn: The request.

        Returns:
            The loaded turn.

        **Keys:** `messages`, `meta`, `state`; `answer`.
        **Trips:** 1; 1 more to store what waits; those of the loader.
        """
        seen, plan = self.recent.get(turn.transcript), None
        if seen is not None:
            plan = yield from self.planner.plan(turn.text, seen.messages, turn.asked, seen.context, turn.chain.sharing)
        alone = self.planner.opening(turn.asked, turn.chain.sharing)
        looked_up = alone if plan is None else plan.reads
        loaded = yield from self._read_flow(turn.transcript, looked_up, seen or RecentConversation())
        unchanged = (
            seen is not None
            and loaded.history == seen.messages
            and loaded.context.turn_state(loaded.history) == seen.context.turn_state(seen.messages)
        )
        return replace(loaded, looked_up=looked_up, plan=plan if unchanged else None)

    def _read_flow(
        self, transcript: Transcript, looked_up: CacheQuestion | None, seen: RecentConversation
    ) -> Flow[LoadedTurn]:
        """Reads all in one trip, after the messages of this conversation that wait were stored."""
        reach = self.planner.reach
        history: Op[list[BaseMessage]] = transcript.tail(messages=reach) if reach else pure([])
        lookup = self._lookup(looked_up)
        context = self.context.read(transcript, alone=not (history.commands or lookup.commands))
        # The context says whether the conversation exists, so it is asked before the messages; see `read_flow`.
        wanted = merge(context, lookup, history).map(lambda read: (read[2], read[1], read[0]))
        waiting = left = self.outbox.take(transcript)
        try:
            if waiting:
                yield from ask(merge(self.context.write_late(transcript, waiting), transcript.add(waiting)))
                left = []
            messages, answer, known = yield from ask(wanted)
            if self.context.is_missing(known):
                yield from self.context.load_flow(transcript)
                messages, answer, known = yield from ask(wanted)
        except (UnavailableError, OutOfMemoryError) as error:
            _log.warning("the turn goes on with what this process remembers: %s", error)
            return LoadedTurn(seen.messages or waiting, seen.context, reachable=False)
        finally:
            self.outbox.put_back([(transcript, left)])
        return LoadedTurn(messages, known, answer=answer)

    def _lookup(self, asked: CacheQuestion | None) -> Op[Answer | None]:
        return pure(None) if self.cache is None or asked is None else self.cache.lookup(asked).optional(None)

    # --- plan ---------------------------------------------------------------------------------------------------------

    def plan_flow(self, turn: TurnRequest, loaded: LoadedTurn) -> Flow[PlannedTurn]:
        """Decides what is done with the question, and looks for a cached answer where the plan allows one.

        Args:
            turn: The request.
            loaded: What was loaded.

        Returns:
            The planned turn.

        **Keys:** `messages`; `answer`.
        **Trips:** none where the plan from before the first trip stands; 1 to load the whole conversation; 1 to ask the
            cache under another key; those of a search by meaning.
        """
        history, context, plan = loaded.history, loaded.context, loaded.plan
        if plan is None:
            plan = yield from self.planner.plan(turn.text, history, turn.asked, context, turn.chain.sharing)
        if self.planner.wants_all(plan):
            verdict = plan.verdict
            if loaded.reachable and len(history) >= self.planner.reach:
                history, verdict = yield from self._read_all_flow(turn.transcript, history, verdict)
            plan = yield from self.planner.plan(turn.text, history, turn.asked, context, turn.chain.sharing, verdict)
        if not loaded.reachable:
            plan = replace(plan, asked=None)
        answer = None if plan.reads is None else (yield from self._cached_flow(plan.reads, loaded))
        return PlannedTurn(history, context, loaded.reachable, plan, answer)

    def _read_all_flow(
        self, transcript: Transcript, newest: list[BaseMessage], verdict: Verdict
    ) -> Flow[tuple[list[BaseMessage], Verdict]]:
        """Reads the whole conversation, and shifts the verdict's places to where they are in it."""
        try:
            messages = yield from ask(transcript.read())
        except (UnavailableError, OutOfMemoryError) as error:
            _log.warning("recalled from the newest messages alone: %s", error)
            return newest, verdict
        before = len(messages) - len(newest)
        if messages[before:] != newest:
            return messages, replace(verdict, depends_on=())  # somebody wrote in between
        return messages, replace(verdict, depends_on=tuple(place + before for place in verdict.depends_on))

    def _cached_flow(self, asked: CacheQuestion, loaded: LoadedTurn) -> Flow[Answer | None]:
        """Returns the cached answer: from the first trip if its key was right, else by one more; then by meaning."""
        answer = loaded.answer
        if loaded.looked_up is None or asked.key() != loaded.looked_up.key():
            try:
                answer = yield from ask(self._lookup(asked))
            except UnavailableError as error:
                _log.warning("the cache is bypassed: %s", error)
                answer = None
        if answer is None and isinstance(self.cache, SearchableAnswerCache):
            answer = yield from self.cache.search(asked)
        return answer

    # --- answer -------------------------------------------------------------------------------------------------------

    def answer_flow(self, turn: TurnRequest, planned: PlannedTurn) -> Flow[AnsweredTurn]:
        """Serves the cached answer if its documents are still those of this asker, or retrieves and generates.

        Args:
            turn: The request.
            planned: The planned turn.

        Returns:
            The answered turn. What the retriever or the model raises passes through.

        **Keys:** none.
        **Trips:** none.
        """
        plan, chain, question = planned.plan, turn.chain, turn.incoming.question
        answer, documents = planned.answer, ()
        step = chain.retrieve(plan.query) if plan.rule.search else None
        if answer is not None and (step is None or chain.grounding != "check"):
            return _served(answer, answer.documents)
        if step is not None:
            documents = yield step
        if answer is not None and answer.grounded_in(documents):
            return _served(answer, documents, plan.query)
        value = chain.value((yield chain.generate(ModelInput(question, plan.shown, documents, plan.query))))
        tokens = cost(value, [*turn.incoming.lead, *plan.shown, question], documents)
        if isinstance(value, BaseMessage) and value.id in {message.id for message in planned.history}:
            # A model that repeats an id (LangChain's own cache does) would overwrite an earlier message.
            value = value.model_copy(update={"id": str(uuid4())})
        outcome = "miss" if plan.reads else "off" if self.cache is None or not planned.reachable else "bypass"
        return AnsweredTurn(value, tokens, outcome, documents, None if step is None else plan.query)

    # --- store --------------------------------------------------------------------------------------------------------

    def store_flow(self, turn: TurnRequest, planned: PlannedTurn, answered: AnsweredTurn) -> Flow[StoredTurn]:
        """Stores the turn's messages, its answer in the cache and its part of the state, in one trip.

        Args:
            turn: The request.
            planned: Its plan.
            answered: Its answer.

        Returns:
            The stored turn; where the server is away its messages wait in the outbox.

        **Keys:** `messages`, `ids`, `meta`, `state`; `sessions`, `expiries`; `answer`.
        **Trips:** 1; none while the server is away.
        """
        transcript, value = turn.transcript, answered.value
        cached = yield from self._cache_write_flow(turn, planned, answered)
        messages = [
            with_id(turn.incoming.question),
            with_id(value if isinstance(value, BaseMessage) else AIMessage(value)),
        ]
        delta = self.context.delta(planned.context, planned.plan, turn.text, messages, answered.documents)
        state = self.context.write(transcript, planned.context, delta)
        write = merge(
            transcript.add(messages), cached, state
        )  # refuses what cannot be stored, so it never waits either
        stored = planned.reachable and (yield from self._write_flow(write))
        if not stored:
            self.outbox.put(transcript, messages)
        reach = min(self.planner.reach, self.max_messages or self.planner.reach)
        self.recent.put(transcript, [*planned.history, *messages], reach, planned.context.after(delta))
        return StoredTurn(planned, answered, messages, stored)

    def _cache_write_flow(self, turn: TurnRequest, planned: PlannedTurn, answered: AnsweredTurn) -> Flow[Op[Any]]:
        """Returns the op that caches the answer, an empty one where it is not to be cached."""
        asked = planned.plan.asked if planned.plan.rule.write_cache else None
        if self.cache is None or asked is None or answered.outcome == "hit" or not worth_keeping(answered.value):
            return pure(None)
        whole, output = turn.chain.output_to_keep()
        if not whole:
            return pure(None)
        made = self.cache.store(asked, Answer(answered.value, answered.tokens, output, tuple(answered.documents)))
        return (made if isinstance(made, Op) else (yield from made)).optional(None)

    def _write_flow(self, write: Op[Any]) -> Flow[bool]:
        """Writes a turn and some of the messages that wait; returns whether it could."""
        left = self.outbox.take_some(_CONVERSATIONS_A_TURN)
        try:
            _, left = yield from ask(merge(write, attempts(left, self.context.write_late)))
        except (UnavailableError, OutOfMemoryError) as error:
            _log.warning("the turn is kept in this process until it can be stored: %s", error)
            return False
        finally:
            self.outbox.put_back(left)
        return True

    def flush_flow(self) -> Flow[int]:
        """Stores all messages that wait; returns how many still do.

        **Keys:** `messages`, `ids`, `meta`, `state`; `sessions`, `expiries`.
        **Trips:** 1 for each 16 conversations that wait.
        """
        left = self.outbox.take_some()
        size = _CONVERSATIONS_A_TRIP
        try:
            for _ in range(0, len(left), size):
                refused = yield from ask(attempts(left[:size], self.context.write_late))
                left = [*left[size:], *refused]
        except UnavailableError as error:
            _log.warning("messages are kept in this process until they can be stored: %s", error)
        finally:
            self.outbox.put_back(left)
        yield from self.context.flush_flow()
        return len(self.outbox)


def _tell_flow(on_turn: Callable[[TurnReport], object], report: TurnReport) -> Flow[None]:
    """Tells of a turn; what a metrics callback raises is logged, and is not the user's problem."""
    try:
        told = on_turn(report)
        if isinstance(told, Coroutine):
            yield Invoke(lambda: run_coroutine(told), lambda: told)
    except Exception:  # noqa: BLE001 - whatever a metrics callback raises is its own
        _log.exception("on_turn failed; the turn itself is done")


def _served(answer: Answer, documents: Sequence[Document], query: str | None = None) -> AnsweredTurn:
    return AnsweredTurn(as_served(answer.value), answer.tokens, "hit", documents, query, answer.output)


def _report(turn: TurnRequest, done: StoredTurn, trips: int, seconds: float) -> TurnReport:
    plan, answered = done.planned.plan, done.answered
    return TurnReport(
        question=turn.text,
        verdict=plan.verdict,
        cache=answered.outcome,
        value=answered.value,
        memory=plan.shown,
        memory_tokens=count_tokens_approximately(plan.shown) if plan.shown else 0,
        query=answered.query,
        documents=answered.documents,
        tokens=answered.tokens,
        trips=trips,
        seconds=seconds,
        stored=done.stored,
        output=answered.output,
    )
