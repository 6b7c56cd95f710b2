"""`ConversationMemory`: decides for every user turn between memory and cache, and keeps the conversation.

It joins the parts and opens the doors; the turn itself is in `flows.py`, a step each. `wrap` makes a runnable of it and
a chain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from langchain_redis_memory.cache.answers.answer_cache import AnswerCache
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache
from langchain_redis_memory.conversation.context import TurnContext
from langchain_redis_memory.conversation.flows import TurnFlows
from langchain_redis_memory.conversation.parts import Conversations
from langchain_redis_memory.conversation.planner import Planner
from langchain_redis_memory.conversation.policy import DEFAULT_POLICY, Policy, check_policy
from langchain_redis_memory.conversation.runnable import RememberingRunnable
from langchain_redis_memory.conversation.select.memory import MemorySelector
from langchain_redis_memory.conversation.select.window import Selector
from langchain_redis_memory.conversation.turn import (
    Chain,
    TurnInput,
    TurnReport,
)
from langchain_redis_memory.history.read_through import check_scope
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.language.classify import Classifier, LinguisticClassifier
from langchain_redis_memory.language.contextualise.contextualiser import Contextualiser
from langchain_redis_memory.language.contextualise.local import LocalContextualiser
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.ttl import WEEK_S, milliseconds
from langchain_redis_memory.state.profile_extractors import Extractor
from langchain_redis_memory.state.summary import RollingSummary

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.runnables import Runnable


_log = logging.getLogger(__name__)


class ConversationMemory(Conversations):
    """Decides for every user turn between memory and cache, and keeps the conversation.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), or None for `REDIS_URL`, else `redis://localhost:6379/0`.
        embeddings: An embedding model: the default cache then also finds answers to questions that mean the same.
        classifier: Decides the type of each question; `LinguisticClassifier` by default.
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
        state: Whether the state of each conversation is kept (see `RedisConversationState`) and given to classifier,
            selector and contextualiser (see `TurnState`). It is read and written in the turn's own round trips. Off by
            default: on public conversations the built-in ones decide no better with it.
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
        state: bool = False,
        summary: RollingSummary | None = None,
        loader: Any = None,
        writer: Any = None,
        learn: bool | Extractor = False,
        tenant: str = "",
        on_turn: Callable[[TurnReport], None] | None = None,
    ) -> None:
        super().__init__(client, ttl_s, max_messages, tenant, loader, writer, learn)
        milliseconds(answer_ttl_s, "answer_ttl_s")
        answers: AnswerCache | None = None if isinstance(cache, bool) else cache
        if cache is True and embeddings is not None:
            answers = SemanticAnswerCache(self.client, embeddings, ttl_s=answer_ttl_s)
        elif cache is True:
            answers = ExactAnswerCache(answer_ttl_s)
        planner = Planner(
            classifier or LinguisticClassifier(),
            selector or MemorySelector(),
            contextualiser or LocalContextualiser(),
            check_policy(policy),
            answers is not None,
            share_rewrites,
        )
        context = TurnContext(state=state, rolling=summary, loader=self._loader, writer=self._writer)
        self._flows = TurnFlows(planner, context, answers, max_messages)
        self._ttl_ms = milliseconds(ttl_s)
        self.on_turn = on_turn

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
        return RememberingRunnable(self, chain, retriever, scope, input_key, output_key)

    @property
    def unstored(self) -> int:
        """How many messages wait in this process because the server was away."""
        return len(self._flows.outbox)

    def flush(self) -> int:
        """Stores what was said while the server was away. Turns do so by themselves; this is for shutting down.

        Returns:
            How many messages still wait: 0 where all is stored.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1 for each 16 conversations that wait.
        """
        return self.client.drive(self._flows.flush_flow())

    async def aflush(self) -> int:
        """Stores what was said while the server was away; see `flush`."""
        return await self.client.adrive(self._flows.flush_flow())

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
        check_scope(incoming.tenant, incoming.agent, self._loader, self._writer)
        transcript = Transcript(
            self.client.keys(incoming.tenant or self._tenant),
            incoming.session_id,
            incoming.agent,
            self._ttl_ms,
            self._max_messages or 0,
        )
        learner = self.profile(incoming.user, incoming.tenant) if self._learn and incoming.user else None
        learning = None if learner is None else learner.learning(str(incoming.question.text))
        return self._flows.turn_flow(transcript, incoming, chain, self.on_turn, learning)
