"""`RedisChatMessageHistory`: LangChain's chat message history, sync and async on one class.

Each method runs one flow of `HistoryFlows`, each twin runs the same flow with the async driver.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage
from typing_extensions import Unpack

from langchain_redis_memory.checks import check_bounds, check_function
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.history.adoption import AdoptingLoader
from langchain_redis_memory.history.flows import HistoryFlows
from langchain_redis_memory.history.lifetime import ConversationLifetime
from langchain_redis_memory.history.outbox import Outbox
from langchain_redis_memory.history.read_through import LoaderLike, UserCallback, WriterLike
from langchain_redis_memory.history.transcript import Transcript, WriteResult
from langchain_redis_memory.history.turns import Turn
from langchain_redis_memory.peers.adoption import AdoptFrom, AdoptLike
from langchain_redis_memory.redis.client.connect import ClientLike, ServerOptions, connect
from langchain_redis_memory.redis.codec.messages import TokenCounter
from langchain_redis_memory.redis.codec.tokens import count_tokens
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.ttl import FromSettings, Lifetime, lifetime, milliseconds


class RedisChatMessageHistory(ConversationLifetime, BaseChatMessageHistory):
    """Keeps the messages of one conversation in Redis.

    Every LangChain message type is stored with all its fields. A message whose id is already stored is replaced in its
    place, so a retried write does no harm; `RemoveMessage` removes by id, `REMOVE_ALL_MESSAGES` everything. Trimming
    keeps a leading system message, the newest message, and tool calls together with their answers. All keys of a
    conversation expire together, counted from the last write. Where the server cannot be reached, every method raises
    `UnavailableError`, unless there is a `fallback`.

    Args:
        session_id: The conversation: 1 to 1024 bytes of any text, or a `UUID`.
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        ttl_s: Lifetime in seconds (or a `timedelta`) from the last write; None for no expiry. By default the settings'
            `history_ttl_s`: a week, unless `REDIS_MEMORY_HISTORY_TTL_S` says otherwise.
        max_messages: Most messages kept; None for no bound.
        max_tokens: Most tokens kept; None for no bound.
        tenant: Whose data it is; tenants never see each other's.
        agent: Which agent's conversation it is.
        token_counter: Counts the tokens of a list of messages; LangChain's approximate counter by default.
        touch_on_read: Whether reading also moves the lifetime.
        loader: Read-through: loads a conversation that Redis does not have. A function from the session id to messages
            (sync or async), or an object with `load` and / or `aload`, called with `tenant` and `agent` if it takes
            them; by one process at a time. What it raises is passed on.
        writer: Write-behind: stores added messages elsewhere too, after Redis has them. A function of the session id
            and the messages, or an object with `write` and / or `awrite`. A failure is logged and retried.
        fallback: Whether adding and reading go on while the server is away: added messages wait in the client's outbox,
            or in this `Outbox`, and reading gives what this process remembers.
        adopt: The name of what kept the conversations so far, as `migrate` takes it ("langchain-community"), or an
            `AdoptFrom`: a conversation that is not here is taken over from there when it is first touched.
        user: Whose conversation it is: it is then found and erased with all that is stored of this user; "" for nobody.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: An id is empty, too long or not encodable.
        InvalidInputError: A number is not positive.
        ConfigError: The URL cannot work, the loader or the writer cannot be called, or `adopt` is unknown.

    Example:
        ```python
        history = RedisChatMessageHistory("user-42", "redis://localhost:6379/0")
        history.add_messages([HumanMessage("Hi"), AIMessage("Hello!")])
        await history.aget_messages()
        ```

    **Keys:** `messages`, `ids`, `meta` of the conversation (clearing and lifetimes: all of its keys); `sessions`,
        `expiries` of the agent; `lease` while a conversation is loaded.
    **Trips:** none to construct; each method says its own. A conversation that has to be loaded costs 4 more, and a
        change of known messages 1 more with a loader.
    """

    def __init__(
        self,
        session_id: Id,
        client: ClientLike = None,
        *,
        ttl_s: Lifetime | FromSettings = "settings",
        max_messages: int | None = None,
        max_tokens: int | None = None,
        tenant: Id = "",
        agent: Id = "",
        token_counter: TokenCounter = count_tokens,
        touch_on_read: bool = False,
        loader: LoaderLike | UserCallback | None = None,
        writer: WriterLike | UserCallback | None = None,
        fallback: bool | Outbox = False,
        adopt: AdoptLike = None,
        user: Id = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        check_function(token_counter, "token_counter")
        check_bounds(max_messages=max_messages, max_tokens=max_tokens)
        ttl_s = lifetime(ttl_s, self._client.settings.history_ttl_s)
        session, owner = text_of(session_id, "session_id"), text_of(agent, "agent", empty=True)
        space, kept = self._client.keys(tenant), (max_messages or 0, max_tokens or 0)
        whose = text_of(user, "user", empty=True)
        transcript = Transcript(space, session, owner, milliseconds(ttl_s), *kept, token_counter, touch_on_read, whose)
        if (adopted := AdoptFrom.of(adopt)) is not None:
            if loader is not None:
                raise ConfigError("give loader or adopt: a conversation is loaded from one place")
            loader = AdoptingLoader(self._client, adopted)
        self._outbox = Outbox.chosen(fallback, self._client)
        self._flows = HistoryFlows.of(transcript, loader, writer, self._outbox)

    def __repr__(self) -> str:
        return f"RedisChatMessageHistory({self.session_id!r}, {self._client!r})"

    @property
    def session_id(self) -> str:
        """The conversation's id."""
        return self._flows.transcript.session_id

    @property
    def key(self) -> str:
        """The key of the messages, to look at with other tools; other keys hold what belongs to them."""
        return str(self._flows.transcript.keys.messages)

    @property
    def unstored(self) -> int:
        """How many messages of this and other conversations wait in this process because the server was away."""
        return 0 if self._outbox is None else len(self._outbox)

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """Reads all messages, oldest first.

        Raises:
            CorruptDataError: An entry was not written by this package; nothing is deleted.
            EvictedError: The server lost the messages, but not all of the conversation's keys.
            WrongKeyTypeError: The key holds another kind of value.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.messages_flow())

    async def aget_messages(self) -> list[BaseMessage]:
        """Reads all messages, oldest first; see `messages`."""
        return await self._client.adrive(self._flows.messages_flow())

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Stores messages: appends, replaces by id, obeys `RemoveMessage`, trims, counts turns, moves the lifetime.

        Args:
            messages: Any number of them, in order. Up to 250 messages of up to 8 MiB together are stored all or not at
                all; of more, so are each 250, one after the other, so that others need not wait for the server.

        Raises:
            NotAMessageError: One of them is not a LangChain message; nothing was sent.
            UnserialisableError: One of them holds a value that cannot be stored; nothing was sent.
            InvalidInputError: One of them takes more than 64 MiB; nothing was sent.
            EvictedError: The server lost the conversation's messages, but not all of its keys; nothing was stored.
            OutOfMemoryError: The server refused the write; nothing was stored.
            WrongKeyTypeError: A key holds another kind of value; nothing was stored.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1 for each 250 messages, 0 for none.
        """
        if messages:
            self._client.drive(self._flows.add_flow(messages))

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Stores messages; see `add_messages`."""
        if messages:
            await self._client.adrive(self._flows.add_flow(messages))

    def add_message(self, message: BaseMessage) -> None:
        """Stores one message; see `add_messages`."""
        self.add_messages([message])

    def clear(self) -> None:
        """Deletes the conversation: messages, counters, state, summary, data, and its entry in the index.

        **Keys:** all keys of the conversation; `sessions`, `expiries`.
        **Trips:** 1.
        """
        self._client.drive(self._flows.clear_flow(self._client.outboxes))

    async def aclear(self) -> None:
        """Deletes the conversation; see `clear`."""
        await self._client.adrive(self._flows.clear_flow(self._client.outboxes))

    def recent(self, n: int) -> list[BaseMessage]:
        """Reads the newest messages, oldest first.

        Args:
            n: How many at most; exactly the last `n`, even where that parts a tool's answer from its call.

        Raises:
            InvalidInputError: `n` is not positive.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.recent_flow(n))

    async def arecent(self, n: int) -> list[BaseMessage]:
        """Reads the newest messages; see `recent`."""
        return await self._client.adrive(self._flows.recent_flow(n))

    def recent_tokens(self, budget: int) -> list[BaseMessage]:
        """Reads the newest messages that fit a token budget, oldest first.

        Args:
            budget: Most tokens, as the history's `token_counter` counted them when they were stored.

        Returns:
            The messages; none where the newest alone is over the budget.

        Raises:
            InvalidInputError: `budget` is not positive.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.recent_tokens_flow(budget))

    async def arecent_tokens(self, budget: int) -> list[BaseMessage]:
        """Reads the newest messages that fit a token budget; see `recent_tokens`."""
        return await self._client.adrive(self._flows.recent_tokens_flow(budget))

    def before(self, message_id: str, n: int) -> list[BaseMessage]:
        """Reads the page of messages just before a known one, oldest first.

        Args:
            message_id: The id of the known message, such as the first one shown.
            n: How many at most.

        Returns:
            The messages; none at the start of the conversation.

        Raises:
            MessageNotFoundError: No stored message has that id.
            InvalidInputError: `n` is not positive.

        **Keys:** `messages`, `ids`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.before_flow(message_id, n))

    async def abefore(self, message_id: str, n: int) -> list[BaseMessage]:
        """Reads the page of messages just before a known one; see `before`."""
        return await self._client.adrive(self._flows.before_flow(message_id, n))

    def search_messages(self, query: str, limit: int = 10) -> list[BaseMessage]:
        """Finds messages by the words of a query, ranked by BM25 over the whole conversation.

        Args:
            query: The words; their inflected forms match as well.
            limit: How many at most.

        Returns:
            The messages that hold any of the words, best first.

        Raises:
            InvalidInputError: `query` is not a string, or `limit` is not positive.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.search_flow(query, limit))

    async def asearch_messages(self, query: str, limit: int = 10) -> list[BaseMessage]:
        """Finds messages by the words of a query; see `search_messages`."""
        return await self._client.adrive(self._flows.search_flow(query, limit))

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True

    def count(self) -> int:
        """Counts the stored messages; also `len(history)`.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.count_flow())

    async def acount(self) -> int:
        """Counts the stored messages; see `count`."""
        return await self._client.adrive(self._flows.count_flow())

    def edit(self, message_id: str, message: BaseMessage) -> None:
        """Replaces a stored message in its place, under the same id.

        Args:
            message_id: The id of the stored message.
            message: What to store instead; without an id it gets this one.

        Raises:
            MessageNotFoundError: No stored message has that id; nothing was changed.
            NotAMessageError: It is not a message.
            InvalidInputError: It has another id.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1.
        """
        self._client.drive(self._flows.edit_flow(message_id, message, self._client.outboxes))

    async def aedit(self, message_id: str, message: BaseMessage) -> None:
        """Replaces a stored message; see `edit`."""
        await self._client.adrive(self._flows.edit_flow(message_id, message, self._client.outboxes))

    def delete(self, message_ids: Sequence[str]) -> int:
        """Removes messages by id.

        Args:
            message_ids: Their ids; unknown ones are skipped.

        Returns:
            How many were removed.

        Raises:
            InvalidInputError: An id is not a non-empty string.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1, 0 for no ids.
        """
        return self._client.drive(self._flows.delete_flow(message_ids, self._client.outboxes))

    async def adelete(self, message_ids: Sequence[str]) -> int:
        """Removes messages by id; see `delete`."""
        return await self._client.adrive(self._flows.delete_flow(message_ids, self._client.outboxes))

    def add_turn(self, user: str, assistant: str) -> WriteResult:
        """Stores one turn given as plain text.

        Args:
            user: What the user said.
            assistant: What was answered.

        Returns:
            What the write did.

        Raises:
            InvalidInputError: One of them is not a string.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.add_turn_flow(user, assistant))

    async def aadd_turn(self, user: str, assistant: str) -> WriteResult:
        """Stores one turn; see `add_turn`."""
        return await self._client.adrive(self._flows.add_turn_flow(user, assistant))

    def turns(self, n: int) -> list[Turn]:
        """Reads the newest turns as plain text, oldest first.

        Args:
            n: How many at most.

        Returns:
            For each user message its text and the text of the last answer to it.

        Raises:
            InvalidInputError: `n` is not positive.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.turns_flow(n))

    async def aturns(self, n: int) -> list[Turn]:
        """Reads the newest turns as plain text; see `turns`."""
        return await self._client.adrive(self._flows.turns_flow(n))
