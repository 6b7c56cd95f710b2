"""`ConversationMemory`: decides for every user turn between memory and cache, and keeps the conversation.

It joins the parts and opens the doors; the turn itself is in `flows.py`, a step each. `wrap` makes a runnable of it and
a chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from langchain_redis_memory.cache.answers.answer_cache import AnswerCache
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.cache.answers.records import ManagedAnswerCache
from langchain_redis_memory.cache.sharing import AudienceClassifier, Grounding, Share, check_share
from langchain_redis_memory.checks import check_method, check_several, check_whole
from langchain_redis_memory.conversation.context import TurnContext
from langchain_redis_memory.conversation.flows import TurnFlows
from langchain_redis_memory.conversation.options import AnswerOptions, HistoryOptions, QuestionOptions
from langchain_redis_memory.conversation.parts import Conversations
from langchain_redis_memory.conversation.planner import Planner
from langchain_redis_memory.conversation.runnable import RememberingRunnable, WrapOptions
from langchain_redis_memory.conversation.select.memory import MemorySelector
from langchain_redis_memory.conversation.select.window import Selector
from langchain_redis_memory.conversation.turn import Chain, TurnInput, TurnReport, words_of
from langchain_redis_memory.conversation.turn_cache import TurnCache
from langchain_redis_memory.conversation.turn_record import TurnRecorder
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.history.outbox import Outbox
from langchain_redis_memory.history.read_through import check_scope
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.language.classify import Classifier, LinguisticClassifier
from langchain_redis_memory.language.turn_state import PastTurn
from langchain_redis_memory.ops import Flow, ask
from langchain_redis_memory.redis.client.connect import ClientLike, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.ttl import FromSettings, lifetime, milliseconds

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.runnables import Runnable
    from langchain_core.runnables.utils import Output
    from typing_extensions import Unpack

    from langchain_redis_memory.conversation.answers import MemoryAnswers
    from langchain_redis_memory.state.profile_extractors import Extractor
    from langchain_redis_memory.state.summary import RollingSummary


class ConversationMemory(Conversations):
    """Decides for every user turn between memory and cache, and keeps the conversation.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        embeddings: An embedding model: the default cache then also finds answers to questions that mean the same.
        classifier: Decides the type of each question; `LinguisticClassifier` by default.
        selector: Chooses the messages that the model is shown; `MemorySelector()` by default.
        cache: The cache of answers; None for none. By default `SemanticAnswerCache` with embeddings, else
            `ExactAnswerCache`.
        ttl_s: Lifetime of a conversation in seconds from its last turn; None for no expiry. By default the settings'
            `history_ttl_s`: a week, unless `REDIS_MEMORY_HISTORY_TTL_S` says otherwise.
        answer_ttl_s: Lifetime of a cached answer in seconds, for the default cache; None for no expiry. By default the
            settings' `answer_ttl_s`: 12 hours, unless `REDIS_MEMORY_ANSWER_TTL_S` says otherwise.
        state: Whether the state of each conversation is kept (see `RedisConversationState`) and given to classifier,
            selector and contextualiser (see `TurnState`). It is read and written in the turn's own round trips. Off by
            default: on public conversations the built-in ones decide no better with it.
        summary: Keeps a rolling summary of each conversation; the selector shows it before a window that does not reach
            the conversation's start.
        learn: Whether profiles are learned (see `UserProfile`) of the users that turns name in their config:
            `{"metadata": {"user_id": ...}}`; an extractor says how. It happens in the background.
        tenant: The tenant, unless a turn's config names another.
        on_turn: Called with the `TurnReport` of every turn, also of one that fails or is interrupted; a coroutine
            function is awaited.
            For metrics: it must be fast, and what it raises is logged.
        questions: How questions are understood: rewriter, policy, audience.
        answers: Which answers are kept and shared: trusted rewrites, lifetimes, the log.
        history: How conversations are kept: a bound, your own database, the outbox.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: The URL or the policy cannot work, or one of the others cannot do what it is for.
        InvalidInputError: A number is not positive.

    Example:
        ```python
        memory = ConversationMemory("redis://localhost:6379/0")
        chat = memory.wrap(model, retriever=retriever)
        chat.invoke("What is throat cancer?", config={"configurable": {"session_id": "user-42"}})
        ```

    **Keys:** `messages`, `ids`, `meta`, `state` of the conversation; `sessions`, `expiries` of the agent; `answer`,
        `entries`, `entry_expiries`; `tally`, `decisions`; `lease`.
    **Trips:** at most 3 a turn; 2 where this process saw the conversation's last turn, or where a question that stands
        alone hits the cache; 3 where something is recalled from a long conversation; 4 where it is from a user's other
        ones as well (`MemorySelector(scope="user")`). One more when the server comes back; 1 to 2 more where the cache
        is searched by meaning, 4 more where a conversation is loaded; 2 after a turn that is followed by a summary; 1
        for each look of a turn that waits for the answer to an equal question, and 1 where a turn fails that others may
        wait for.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        embeddings: Embeddings | None = None,
        classifier: Classifier | None = None,
        selector: Selector | None = None,
        cache: AnswerCache | bool | None = True,
        ttl_s: float | FromSettings | None = "settings",
        answer_ttl_s: float | FromSettings | None = "settings",
        state: bool = False,
        summary: RollingSummary | None = None,
        learn: bool | Extractor = False,
        tenant: str = "",
        on_turn: Callable[[TurnReport], object] | None = None,
        questions: QuestionOptions | None = None,
        answers: AnswerOptions | None = None,
        history: HistoryOptions | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        connected = connect(client, owner=type(self), **server)
        ttl_s = lifetime(ttl_s, connected.settings.history_ttl_s)
        answer_ttl_s = lifetime(answer_ttl_s, connected.settings.answer_ttl_s)
        questions, answers = questions or QuestionOptions(), answers or AnswerOptions()
        history = history or HistoryOptions()
        if on_turn is not None:
            check_method(on_turn, "__call__", "on_turn", ConfigError)
        super().__init__(connected, ttl_s, history, tenant, learn)
        milliseconds(answer_ttl_s, "answer_ttl_s")
        kept: AnswerCache | None = None if isinstance(cache, bool) else cache
        if cache is True and embeddings is not None:
            # Only here: it takes what compares two questions along.
            from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache

            kept = SemanticAnswerCache(self.client, embeddings, ttl_s=answer_ttl_s)
        elif cache is True:
            kept = ExactAnswerCache(answer_ttl_s)
        planner = Planner(
            classifier or LinguisticClassifier(),
            selector or MemorySelector(),
            kept is not None,
            questions,
            answers,
        )
        context = TurnContext(state=state, rolling=summary, loader=self._loader, writer=self._writer)
        self._log = answers.log
        recorder = TurnRecorder(kept.records, answers.log) if isinstance(kept, ManagedAnswerCache) else None
        outbox = history.outbox
        self._outbox: Outbox = Outbox.shared(self.client) if outbox is None else outbox.attach(self.client)
        turns = TurnCache(kept)
        self._flows = TurnFlows(planner, context, turns, self.client, history.max_messages, recorder, self._outbox)
        self.client.outboxes.remember(self._flows.recent)
        self._ttl_ms = milliseconds(ttl_s)
        self.on_turn = on_turn
        self.audience: AudienceClassifier = questions.audience

    def wrap(
        self,
        chain: Runnable[Any, Output],
        retriever: Runnable[str, Any] | Callable[..., Any] | None = None,
        *,
        scope: str | None = None,
        input_key: str | None = None,
        output_key: str | None = None,
        share: Share = "auto",
        grounding: Grounding = "check",
        pure_tools: Sequence[str] = (),
        single_flight_s: float | None = 30.0,
        keep_partial: bool = False,
    ) -> RememberingRunnable[Output]:
        """Wraps a chain or a model in this memory.

        Args:
            chain: A chat model, which gets messages; a LangGraph graph, an agent of `create_agent` or any runnable on a
                state with `messages`, which gets those (and gives its answer as the last of them); or any other
                runnable, which gets a dict with `input_key`, `history` (messages; `chat_history` where its schema asks
                for that), `context` (text) and `documents`.
            retriever: A LangChain retriever, or any runnable or function from a query to documents; a function with a
                second argument `config` is given the turn's, which says who asks.
            scope: Names the chain and its documents, and is added to all that LangChain can describe of them; equal
                chains of equal names share answers. Without a name, a chain with parts that cannot be described (a
                function, most retrievers) shares answers only within this runnable, and a warning names the parts.
            input_key: Where the question is in a dict input, and how the chain gets it. By default it is looked for
                under `question`, LangChain's `input` and a graph's `messages`, and the chain gets it as its own schema
                says, else as its caller wrote it. `"messages"` says that the chain takes a state, where it does not
                say so itself.
            output_key: Where the answer is in a dict output; a hit gives back the other keys as well. Without it a dict
                of plain data is a structured answer, and one with `messages` a graph's state.
            share: With whom answers are shared: "auto" (as the question's words and the chain tell), "user", "tenant"
                or "none"; see `docs/law-of-sharing.md`.
            grounding: "check" runs the retriever on a candidate hit and serves the answer only if it finds the
                documents that the answer was made from; an answer for which a retriever ran inside of the chain
                cannot be checked and is not cached. "epoch" serves it without a search until the corpus's epoch ends,
                and needs a cache that has one (`RagCache.responses`); "trust" serves either without a search.
            pure_tools: Names of tools that only look things up, the same for everybody. The answer of a run in which
                another tool ran is never cached.
            single_flight_s: How long a turn waits for the answer to the very same question that another turn is just
                asking the model, in whatever process; then, or where that answer may not be shared, it asks the model
                itself. A stream is answered when its consumer has read it, so a consumer that stalls holds equal
                questions for that long. None: equal questions do not wait.
            keep_partial: Whether the question and what was said so far are kept in the history when a stream breaks off
                (the consumer leaves, a task is cancelled, the model fails), with `{"partial": True}` in the answer's
                `response_metadata`. It is never cached. Where nothing was said yet, nothing is kept.

        Returns:
            A runnable from a question (text, a message, a list or prompt that ends with one, a dict) to what the chain
            returns. Its config names the conversation: `{"configurable": {"session_id": ...}}`, and may name an
            `agent` and a `tenant`.

        Raises:
            ConfigError: The chain is not a runnable, takes nothing but text, or is a graph with a checkpointer of its
                own; or an option has no such value.
            InvalidInputError: A number is not positive.
        """
        check_share(share, grounding)
        if grounding == "epoch" and getattr(self._flows.cache.cache, "epoch", None) is None:
            msg = "grounding='epoch' needs a cache with an epoch: ConversationMemory(cache=RagCache(...).responses)"
            raise ConfigError(msg)
        options = WrapOptions(
            scope,
            input_key,
            output_key,
            share,
            grounding,
            frozenset(check_several(pure_tools, "pure_tools")),
            milliseconds(single_flight_s, "single_flight_s"),
            keep_partial,
        )
        return RememberingRunnable(self, chain, retriever, options, self.audience)

    @property
    def answers(self) -> MemoryAnswers:
        """The desk of the cached answers of this memory's tenant: look at them, explain, remove, report, warm.

        Raises:
            ConfigError: There is no cache, or it is one whose entries cannot be looked at.
        """
        from langchain_redis_memory.conversation.answers import MemoryAnswers

        return MemoryAnswers(
            self.client,
            self._flows,
            tenant=self._tenant,
            log=self._log,
            wrap=self.wrap,
            transcript=self._transcript,
        )

    @property
    def unstored(self) -> int:
        """How many messages wait in this process because the server was away."""
        return len(self._outbox)

    def recall(self, user: Id, question: str, *, limit: int = 5, tenant: str = "") -> list[PastTurn]:
        """Finds what a user said and was told in any conversation, by words, and by meaning as the selector does.

        Args:
            user: The user whom turns name in their config, or graphs in theirs.
            question: What is looked for.
            limit: Most turns.
            tenant: Whose user it is; "" for this memory's tenant.

        Returns:
            Turns with their conversation and its time, the best first.

        Raises:
            InvalidIdError: The user is not acceptable.
            InvalidInputError: The limit is not positive.
            UnavailableError: The server cannot be reached.

        **Keys:** `user_data`; `messages`, `meta` of the conversations; `checkpoints`, `order`, `blobs`, `writes` of the
            threads.
        **Trips:** 2; 1 where there are none.
        """
        return self.client.drive(self._recall_flow(user, question, limit, tenant))

    async def arecall(self, user: Id, question: str, *, limit: int = 5, tenant: str = "") -> list[PastTurn]:
        """Finds what a user said and was told in any conversation; see `recall`."""
        return await self.client.adrive(self._recall_flow(user, question, limit, tenant))

    def _recall_flow(self, user: Id, question: str, limit: int, tenant: str) -> Flow[list[PastTurn]]:
        from langchain_redis_memory.conversation.select import user_recall

        check_whole(limit, "limit")
        space = self.client.keys(tenant or self._tenant)
        stored = yield from ask(user_recall.noted(space, text_of(user, "user")))
        turns = yield from user_recall.read_flow(space, stored)
        meaning = getattr(self._flows.planner.selector, "meaning", None)
        return (yield from user_recall.ranked_flow(question, turns, meaning, limit))

    def flush(self) -> int:
        """Stores the messages that wait because the server was away, now; they are stored in the background as well.

        Returns:
            How many messages still wait: 0 where all is stored.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1 for each 16 conversations and each turn of one that waits.
        """
        return self.client.drive(self._flows.flush_flow())

    async def aflush(self) -> int:
        """Stores the messages that wait; see `flush`."""
        return await self.client.adrive(self._flows.flush_flow())

    # --- a turn -------------------------------------------------------------------------------------------------------

    def turn(self, incoming: TurnInput, chain: Chain) -> Flow[TurnReport]:
        """Runs one turn as a flow, for a driver of `Client`.

        Args:
            incoming: The turn.
            chain: How to retrieve and generate.

        Returns:
            A flow that gives the report. What the retriever or the model raises passes through it, and nothing is
            stored then.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`; `answer`.
        **Trips:** at most 3.
        """
        check_scope(incoming.tenant, incoming.agent, self._loader, self._writer)
        transcript = self._transcript(incoming)
        learner = self.profile(incoming.user, incoming.tenant) if self._learn and incoming.user else None
        learning = None if learner is None else learner.learn_flow(words_of(incoming.question))
        return self._flows.turn_flow(transcript, incoming, chain, self.on_turn, learning)

    def _transcript(self, incoming: TurnInput) -> Transcript:
        space = self.client.keys(incoming.tenant or self._tenant)
        return Transcript(
            space, incoming.session_id, incoming.agent, self._ttl_ms, self._max_messages or 0, user=incoming.user
        )
