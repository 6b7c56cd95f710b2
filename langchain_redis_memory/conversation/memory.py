"""One user turn as one flow: classify -> cache or memory -> retrieve -> generate -> store.

`ConversationMemory` joins the parts; `wrap` (see `wrap.py`) makes a runnable of it and a chain. A turn costs at most
three round trips: the history together with the cache under the key that is expected, the cache again where the
history proves that key wrong, and one write of everything; where one process serves a conversation, two. A question
that recalls something of a long conversation reads all of it, with one trip in the place of the cache's second. Nothing
is stored when the model fails.

When the server is away the turn goes on with what this process remembers and without the cache, and what was said
waits until the server is back (see `client/seen.py` and `client/outbox.py`).

Long because a turn is read in one place, from its first trip to its last.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately

from langchain_redis_memory.cache.admission import worth_keeping
from langchain_redis_memory.cache.answers.answer_cache import (
    Answer,
    AnswerCache,
    CacheQuestion,
    SearchableAnswerCache,
)
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache
from langchain_redis_memory.conversation.context import Knowledge, TurnContext
from langchain_redis_memory.conversation.parts import Conversations
from langchain_redis_memory.conversation.planner import Planner
from langchain_redis_memory.conversation.policy import DEFAULT_POLICY, Policy, check_policy
from langchain_redis_memory.conversation.recent import RecentConversations
from langchain_redis_memory.conversation.select.memory import MemorySelector
from langchain_redis_memory.conversation.select.window import Selector
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
from langchain_redis_memory.errors import OutOfMemoryError, UnavailableError
from langchain_redis_memory.history.outbox import Outbox, attempts
from langchain_redis_memory.history.read_through import tells_apart
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.language.classify import Classifier, RulesClassifier, Verdict
from langchain_redis_memory.language.contextualise.contextualiser import Contextualiser
from langchain_redis_memory.language.contextualise.local import LocalContextualiser
from langchain_redis_memory.ops import Background, Flow, Now, Op, ask, counted, merge, pure
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.messages import encode_message
from langchain_redis_memory.redis.ttl import WEEK_S, milliseconds
from langchain_redis_memory.state.profile_extractors import Extractor
from langchain_redis_memory.state.summary import RollingSummary

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.runnables import Runnable

    from langchain_redis_memory.conversation.runnable import RememberingRunnable

_log = logging.getLogger(__name__)


class ConversationMemory(Conversations):
    """Decides for every user turn between memory and cache, and keeps the conversation.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), or None for `REDIS_URL`, else `redis://localhost:6379/0`.
        embeddings: An embedding model: the default cache then also finds answers to questions that mean the same.
        classifier: Decides the type of each question; `RulesClassifier` by default.
        selector: Chooses the messages that the model is shown; `MemorySelector()` by default.
        contextualiser: Rewrites what leans on the conversation for the retriever; `LocalContextualiser()` by default.
        cache: The cache of answers; None for none. By default `SemanticAnswerCache` with embeddings, else
            `ExactAnswerCache`.
        share_rewrites: Whether the answer to a question that leans on its conversation is cached under the question
            that it means, where the contextualiser (or the classifier) is sure of it; by default it is only served
            after the very same exchange.
        policy: What to do with each type; types left out keep their default rule.
        ttl_s: Lifetime of a conversation in seconds from its last turn; None for no expiry.
        answer_ttl_s: Lifetime of a cached answer in seconds, for the default cache.
        max_messages: Most messages kept of a conversation; None for no bound.
        state: Whether the state of each conversation is kept (see `RedisConversationState`) and given to the classifier
            and the selector. It is read and written in the turn's own trips.
        summary: Keeps a summary of each conversation; it is shown in front of a window that does not reach its start.
        loader: Where a conversation comes from that Redis does not have; see `RedisChatMessageHistory`.
        writer: Where turns are mirrored to after they are stored; see `RedisChatMessageHistory`.
        learn: Whether profiles are learned (see `UserProfile`) of the users that turns name in their config:
            `{"metadata": {"user_id": ...}}`; an extractor says how. It happens beside the turn.
        tenant: Whose data it is, unless a turn's config names another.
        on_turn: Called with the `TurnReport` of every turn; for metrics. It must be fast.

    Raises:
        ConfigError: The URL or the policy cannot work.
        InvalidInputError: A number is not positive.

    Example:
        ```python
        memory = ConversationMemory("redis://localhost:6379/0")
        chat = memory.wrap(model, retriever=retriever)
        chat.invoke("What is throat cancer?", config={"configurable": {"session_id": "user-42"}})
        ```

    **Keys:** `messages`, `ids`, `meta`, `state` of the conversation; `sessions`, `expiries` of the agent; `answer`;
        `lease`.
    **Trips:** at most 3 a turn; 2 where this process saw the conversation's last turn, or where a question that stands
        alone hits the cache; 3 where something is recalled from a long conversation. One more when the server comes
        back; 1 to 2 more where the cache is searched by meaning, 4 more where a conversation is loaded; 2 after a turn
        that is followed by a summary.
    """

    def __init__(
        self,
        client: Client | str | None = None,
        *,
        embeddings: Embeddings | None = None,
        classifier: Classifier | None = None,
        selector: Selector | None = None,
        contextualiser: Contextualiser | None = None,
        cache: AnswerCache | bool | None = True,
        share_rewrites: bool = False,
        policy: Policy = DEFAULT_POLICY,
        ttl_s: float | None = WEEK_S,
        answer_ttl_s: float | None = 43_200,
        max_messages: int | None = None,
        state: bool = True,
        summary: RollingSummary | None = None,
        loader: Any = None,
        writer: Any = None,
        learn: bool | Extractor = False,
        tenant: str = "",
        on_turn: Callable[[TurnReport], None] | None = None,
    ) -> None:
        super().__init__(client, ttl_s, max_messages, tenant, loader, writer, learn)
        milliseconds(answer_ttl_s, "answer_ttl_s")
        self._cache: AnswerCache | None = None if isinstance(cache, bool) else cache
        if cache is True and embeddings is not None:
            self._cache = SemanticAnswerCache(self.client, embeddings, ttl_s=answer_ttl_s)
        elif cache is True:
            self._cache = ExactAnswerCache(answer_ttl_s)
        self._planner = Planner(
            classifier or RulesClassifier(),
            selector or MemorySelector(),
            contextualiser or LocalContextualiser(),
            check_policy(policy),
            self._cache is not None,
            share_rewrites,
        )
        self._ttl_ms = milliseconds(ttl_s)
        self.on_turn = on_turn
        self._outbox = Outbox()
        self._seen = RecentConversations()
        self._beyond = TurnContext(state=state, rolling=summary, loader=self._loader, writer=self._writer)

    def __repr__(self) -> str:
        return f"ConversationMemory({self.client!r})"

    def wrap(
        self,
        chain: Runnable[Any, Any],
        retriever: Runnable[str, Any] | Callable[[str], Any] | None = None,
        *,
        scope: str | None = None,
        input_key: str = "question",
        output_key: str | None = None,
    ) -> RememberingRunnable:
        """A runnable that remembers: this memory around a chain or a model.

        Args:
            chain: A chat model, which gets messages, or any runnable, which gets a dict with `input_key`, `history`
                (messages), `context` (text) and `documents`.
            retriever: A LangChain retriever, or any runnable or function from a query to documents.
            scope: Names the chain and its documents; answers are shared between all that use the same name. By
                default it is derived from the chain's own description; where that is impossible (functions in the
                chain, or any retriever) answers are shared only within this runnable, and a log line says so.
            input_key: Where the question is in a dict input, and how the chain gets it.
            output_key: Where the answer is in a dict output.

        Returns:
            A runnable from a question (text, a message, a list that ends with one, or a dict) to what the chain
            returns. Its config names the conversation: `{"configurable": {"session_id": ...}}`, and may name an
            `agent` and a `tenant`.

        **Keys:** none.
        **Trips:** none.
        """
        from langchain_redis_memory.conversation.runnable import RememberingRunnable

        return RememberingRunnable(self, chain, retriever, scope, input_key, output_key)

    @property
    def unstored(self) -> int:
        """How many messages wait in this process because the server was away."""
        return len(self._outbox)

    def flush(self) -> int:
        """Stores what was said while the server was away. Turns do so by themselves; this is for shutting down.

        Returns:
            How many messages still wait: 0 where all is stored.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1 for each 16 conversations that wait.
        """
        return self.client.drive(self._flush())

    async def aflush(self) -> int:
        """Stores what was said while the server was away; see `flush`."""
        return await self.client.adrive(self._flush())

    def _flush(self) -> Flow[int]:
        left = self._outbox.take_some()
        try:
            for _ in range(0, len(left), 16):
                refused = yield from ask(attempts(left[:16], self._beyond.late))
                left = [*left[16:], *refused]
        except UnavailableError as error:
            _log.warning("what was said is kept in this process until it can be stored: %s", error)
        finally:
            self._outbox.put_back(left)
        yield from self._beyond.flush()
        return len(self._outbox)

    # --- a turn -------------------------------------------------------------------------------------------------------

    def turn(self, incoming: TurnInput, chain: Chain) -> Flow[TurnReport]:
        """One turn as a flow, for a driver of `Client`.

        Args:
            incoming: The turn.
            chain: How to retrieve and generate.

        Returns:
            A flow that gives the report. What the retriever or the model raises passes through it, and nothing is
            stored then.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`; `answer`.
        **Trips:** at most 3.
        """
        started: float = yield Now()
        tells_apart(incoming.tenant, incoming.agent, self._loader, self._writer)
        transcript = Transcript(
            self.client.keys(incoming.tenant or self._tenant),
            incoming.session_id,
            incoming.agent,
            self._ttl_ms,
            self._max_messages or 0,
        )
        learner = self.profile(incoming.user, incoming.tenant) if self._learn and incoming.user else None
        text = str(incoming.question.text)
        encode_message(incoming.question)  # what could not be stored is refused before anybody is asked
        asked = CacheQuestion(
            transcript.space,
            incoming.agent,
            chain.scope,
            incoming.question.content,
            incoming.lead,
            also_given(incoming),
        )

        # The first trip asks the cache already, under the key that the conversation as last seen here would give.
        expected = self._seen.get(transcript)
        guessed: Knowledge = self._seen.beyond(transcript) or Knowledge()
        plan = None if expected is None else (yield from self._planner.plan(text, expected, asked, guessed))
        first = asked if plan is None and self._planner.opens_with_cache else plan.reads if plan is not None else None
        history, guess, known, reachable, trips = yield from self._load(transcript, first, expected, guessed)
        if plan is None or history != expected or known.told() != guessed.told():
            plan = yield from self._planner.plan(text, history, asked, known)
        if self._planner.wants_all(plan):
            verdict = plan.verdict
            if reachable and len(history) >= self._planner.reach:
                history, verdict = yield from self._load_all(transcript, history, verdict)
                trips += 1
            plan = yield from self._planner.plan(text, history, asked, known, verdict)
        if not reachable:
            plan = replace(plan, asked=None)
        if plan.reads is None:
            guess = None
        elif first is None or plan.reads.key() != first.key():
            guess = yield from self._look_again(self._lookup(plan.reads))
            trips += 1
        if guess is None and plan.reads is not None and isinstance(self._cache, SearchableAnswerCache):
            guess, more = yield from counted(self._cache.search(plan.reads))
            trips += more

        documents: Sequence[Document] = ()
        searched = False
        if guess is not None:
            value, tokens, outcome = as_served(guess.value), guess.tokens, "hit"
        else:
            step = chain.retrieve(plan.query) if plan.rule.search else None
            if step is not None:
                documents, searched = (yield step), True
            shown = ModelInput(incoming.question, plan.shown, documents, plan.query)
            value = chain.value((yield chain.generate(shown)))
            tokens = cost(value, [*incoming.lead, *plan.shown, incoming.question], documents)
            if isinstance(value, BaseMessage) and value.id in {message.id for message in history}:
                # A model that repeats an id (LangChain's own cache does) would overwrite what was said before.
                value = value.model_copy(update={"id": str(uuid4())})
            outcome = "miss" if plan.reads else "off" if self._cache is None or not reachable else "bypass"

        keep: Op[None] = pure(None)
        if self._cache and plan.asked and plan.rule.write_cache and outcome != "hit" and worth_keeping(value):
            made = self._cache.store(plan.asked, Answer(value, tokens))
            keep = (made if isinstance(made, Op) else (yield from made)).optional(None)
        said = [
            with_id(incoming.question),
            with_id(value if isinstance(value, BaseMessage) else AIMessage(value)),
        ]
        move = self._beyond.move(known, plan, text, said, documents)
        keep = merge(keep, self._beyond.write(transcript, known, move)).map(lambda _both: None)
        stored = yield from self._store(transcript, said, keep, reachable=reachable)
        reach = min(self._planner.reach, self._max_messages or self._planner.reach)
        self._seen.put(transcript, [*history, *said], reach, self._beyond.then(known, move))
        ended: float = yield Now()
        report = TurnReport(
            question=text,
            verdict=plan.verdict,
            cache=outcome,
            value=value,
            memory=plan.shown,
            memory_tokens=count_tokens_approximately(plan.shown) if plan.shown else 0,
            query=plan.query if searched else None,
            documents=documents,
            tokens=tokens,
            trips=trips + int(reachable),
            seconds=ended - started,
            stored=stored,
        )
        if self.on_turn is not None:
            self.on_turn(report)
        yield from self._beyond.after(transcript, known, said, stored=stored)
        if learner is not None:
            yield Background(learner.learning(text))
        return report

    def _lookup(self, asked: CacheQuestion | None) -> Op[Answer | None]:
        return pure(None) if self._cache is None or asked is None else self._cache.lookup(asked).optional(None)

    def _look_again(self, lookup: Op[Answer | None]) -> Flow[Answer | None]:
        """The cache under another key; a server that goes away just now has no answer."""
        try:
            return (yield from ask(lookup))
        except UnavailableError as error:
            _log.warning("the cache is passed over: %s", error)
            return None

    def _load(
        self,
        transcript: Transcript,
        asked: CacheQuestion | None,
        expected: list[BaseMessage] | None,
        guessed: Knowledge,
    ) -> Flow[tuple[list[BaseMessage], Answer | None, Knowledge, bool, int]]:
        """The history and a guess at the cache in one trip; what waits for this conversation is stored first.

        Gives the messages, the answer, what is known beyond, whether the server could be reached, and the number of
        trips.
        """
        reach = self._planner.reach
        history = transcript.tail(messages=reach) if reach else pure([])
        looked = self._lookup(asked)
        beyond = self._beyond.read(transcript, alone=not (history.commands or looked.commands))
        wanted = merge(history, looked, beyond)
        waiting = left = self._outbox.take(transcript)
        try:
            if waiting:
                yield from ask(merge(self._beyond.late(transcript, waiting), transcript.add(waiting)))
                left = []
            messages, answer, known = yield from ask(wanted)
            trips = bool(wanted.commands) + bool(waiting)
            if self._beyond.missing(known):
                yield from self._beyond.load(transcript)
                messages, answer, known = yield from ask(wanted)
                trips += 4
        except (UnavailableError, OutOfMemoryError) as error:
            _log.warning("the turn goes on with what this process remembers: %s", error)
            return expected or waiting, None, guessed, False, 1
        finally:
            self._outbox.put_back([(transcript, left)])
        return messages, answer, known, True, trips

    def _load_all(
        self, transcript: Transcript, newest: list[BaseMessage], verdict: Verdict
    ) -> Flow[tuple[list[BaseMessage], Verdict]]:
        """The whole conversation, and the verdict on its newest part with its places moved to where they are in it."""
        try:
            messages = yield from ask(transcript.read())
        except (UnavailableError, OutOfMemoryError) as error:
            _log.warning("recalled from the newest messages alone: %s", error)
            return newest, verdict
        before = len(messages) - len(newest)
        if messages[before:] != newest:
            return messages, replace(verdict, depends_on=())  # somebody wrote in between
        return messages, replace(verdict, depends_on=tuple(place + before for place in verdict.depends_on))

    def _store(self, transcript: Transcript, said: list[BaseMessage], keep: Op[None], *, reachable: bool) -> Flow[bool]:
        """The turn, the answer and some of what waits, in one trip; where that fails the turn waits."""
        write = transcript.add(said)
        if not reachable:
            self._outbox.put(transcript, said)
            return False
        left = self._outbox.take_some(8)
        try:
            _, _, left = yield from ask(merge(write, keep, attempts(left, self._beyond.late)))
        except (UnavailableError, OutOfMemoryError) as error:
            _log.warning("the turn is kept in this process until it can be stored: %s", error)
            self._outbox.put(transcript, said)
            return False
        finally:
            self._outbox.put_back(left)
        return True
