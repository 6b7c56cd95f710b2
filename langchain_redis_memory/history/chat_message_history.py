"""`RedisChatMessageHistory`: LangChain's chat message history, sync and async on one class.

Every method is one op of `transcript` in two colours.

Long because one public class has every method with its twin and a full docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import uuid4

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.history.read_through import adding, onto, outside, through
from langchain_redis_memory.history.transcript import Transcript, WriteResult
from langchain_redis_memory.history.write_behind import WriteBehind
from langchain_redis_memory.ops import Flow, Op
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.codec.messages import TokenCounter
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.ttl import WEEK_S, Lifetime, milliseconds

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")


class Turn(NamedTuple):
    """One exchange in plain text; `assistant` is "" while the answer is not there."""

    user: str
    assistant: str


def _bound(value: int | None, what: str) -> int:
    if value is None:
        return 0
    return _count(value, what)


def _count(value: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        msg = f"{what} must be a positive whole number, got {value!r}"
        raise InvalidInputError(msg)
    return value


class RedisChatMessageHistory(ClientOwner, BaseChatMessageHistory):
    """The messages of one conversation, kept in Redis.

    Every LangChain message type comes back as it was, with all its fields. A message whose id is already stored is
    replaced in its place, so a retried write does no harm; `RemoveMessage` removes by id, and `REMOVE_ALL_MESSAGES`
    empties the conversation. Trimming keeps a leading system message, the newest message, and tool calls together
    with their answers. All keys of a conversation expire together, counted from the last write.

    Args:
        session_id: The conversation: 1 to 1024 bytes of any text, or a `UUID`.
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        ttl_s: Lifetime in seconds (or a `timedelta`) from the last write; None for no expiry.
        max_messages: Most messages kept; None for no bound.
        max_tokens: Most tokens kept; None for no bound.
        tenant: Whose data it is; tenants never see each other's.
        agent: Which agent's conversation it is.
        token_counter: Counts the tokens of a list of messages; LangChain's approximate counter by default.
        touch_on_read: Whether reading also moves the lifetime.
        loader: Where a conversation comes from that Redis does not have: a function from the session id to messages
            (sync or async), or an object with `load` and / or `aload`. It is given `tenant` and `agent` if it takes
            them. Of all processes that miss a conversation one loads it, and every method then sees it. What it raises
            is passed on.
        writer: Where added messages are mirrored to after they are stored: a function of the session id and the
            messages, or an object with `write` and / or `awrite`. If it fails, that is logged, and it gets the
            messages again with the next ones.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: An id is empty, too long or not encodable.
        InvalidInputError: A number is not positive.
        ConfigError: The URL cannot work, or the loader or the writer cannot be called.

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
        ttl_s: Lifetime = WEEK_S,
        max_messages: int | None = None,
        max_tokens: int | None = None,
        tenant: Id = "",
        agent: Id = "",
        token_counter: TokenCounter = count_tokens_approximately,
        touch_on_read: bool = False,
        loader: Any = None,
        writer: Any = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._transcript = Transcript(
            self._client.keys(tenant),
            text_of(session_id, "session_id"),
            text_of(agent, "agent", empty=True),
            milliseconds(ttl_s),
            _bound(max_messages, "max_messages"),
            _bound(max_tokens, "max_tokens"),
            token_counter,
            touch_on_read,
        )
        self._loader = outside(loader, "load")
        mirrored = outside(writer, "write")
        self._mirror = None if mirrored is None else WriteBehind(mirrored)

    def __repr__(self) -> str:
        return f"RedisChatMessageHistory({self.session_id!r}, {self._client!r})"

    @property
    def session_id(self) -> str:
        """The conversation's id."""
        return self._transcript.session_id

    def _reading(self, op: Op[T]) -> Flow[T]:
        return through(op, self._transcript, self._loader)

    def _changing(self, op: Callable[[], Op[T]]) -> Flow[T]:
        return onto(op, self._transcript, self._loader)

    def _adding(self, messages: Sequence[BaseMessage]) -> Flow[WriteResult]:
        added = yield from adding(messages, self._transcript, self._loader)
        if self._mirror is not None:
            yield from self._mirror.write(self._transcript, messages)
        return added

    # --- LangChain's interface ----------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """All messages, oldest first.

        Raises:
            CorruptDataError: An entry was not written by this package; nothing is deleted.
            WrongKeyTypeError: The key holds another kind of value.
            UnavailableError: The server cannot be reached.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._reading(self._transcript.read()))

    async def aget_messages(self) -> list[BaseMessage]:
        """All messages, oldest first; see `messages`."""
        return await self._client.adrive(self._reading(self._transcript.read()))

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Stores messages: appends, replaces by id, obeys `RemoveMessage`, trims, counts turns, moves the lifetime.

        Args:
            messages: Any number of them, in order. They are stored all or not at all.

        Raises:
            NotAMessageError: One of them is not a LangChain message; nothing was sent.
            UnserialisableError: One of them holds a value that cannot be stored; nothing was sent.
            OutOfMemoryError: The server refused the write; nothing was stored.
            WrongKeyTypeError: A key holds another kind of value; nothing was stored.
            UnavailableError: The server cannot be reached.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1 for any number of messages, 0 for none.
        """
        if messages:
            self._client.drive(self._adding(messages))

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Stores messages; see `add_messages`."""
        if messages:
            await self._client.adrive(self._adding(messages))

    def add_message(self, message: BaseMessage) -> None:
        """Stores one message; see `add_messages`."""
        self.add_messages([message])

    def clear(self) -> None:
        """Deletes the conversation: messages, counters, state, summary, data, and its entry in the index.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** all keys of the conversation; `sessions`, `expiries`.
        **Trips:** 1.
        """
        self._client.run(self._transcript.clear())

    async def aclear(self) -> None:
        """Deletes the conversation; see `clear`."""
        await self._client.arun(self._transcript.clear())

    # --- reading a part -----------------------------------------------------------------------------------------------

    def recent(self, n: int) -> list[BaseMessage]:
        """The newest messages, oldest first.

        Args:
            n: How many at most.

        Returns:
            The messages, exactly the last `n`, even where that parts a tool's answer from its call.

        Raises:
            InvalidInputError: `n` is not positive.
            CorruptDataError: An entry was not written by this package.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._reading(self._transcript.tail(messages=_count(n, "n"))))

    async def arecent(self, n: int) -> list[BaseMessage]:
        """The newest messages; see `recent`."""
        return await self._client.adrive(self._reading(self._transcript.tail(messages=_count(n, "n"))))

    def recent_tokens(self, budget: int) -> list[BaseMessage]:
        """The newest messages that fit a token budget, oldest first.

        Args:
            budget: Most tokens, as the history's `token_counter` counted them when they were stored.

        Returns:
            The messages; none where the newest alone is over the budget.

        Raises:
            InvalidInputError: `budget` is not positive.
            CorruptDataError: An entry was not written by this package.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._reading(self._transcript.tail(tokens=_count(budget, "budget"))))

    async def arecent_tokens(self, budget: int) -> list[BaseMessage]:
        """The newest messages that fit a token budget; see `recent_tokens`."""
        return await self._client.adrive(self._reading(self._transcript.tail(tokens=_count(budget, "budget"))))

    def before(self, message_id: str, n: int) -> list[BaseMessage]:
        """A page of older messages: those just before a known one, oldest first.

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
        return self._client.drive(self._changing(lambda: self._transcript.before(message_id, _count(n, "n"))))

    async def abefore(self, message_id: str, n: int) -> list[BaseMessage]:
        """A page of older messages; see `before`."""
        return await self._client.adrive(self._changing(lambda: self._transcript.before(message_id, _count(n, "n"))))

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True

    def count(self) -> int:
        """How many messages are stored; also `len(history)`.

        Returns:
            The number of messages.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._reading(self._transcript.length()))

    async def acount(self) -> int:
        """How many messages are stored; see `count`."""
        return await self._client.adrive(self._reading(self._transcript.length()))

    # --- changing -----------------------------------------------------------------------------------------------------

    def edit(self, message_id: str, message: BaseMessage) -> None:
        """Puts another message in the place of a stored one, under the same id.

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
        self._client.drive(self._changing(lambda: self._transcript.edit(message_id, message)))

    async def aedit(self, message_id: str, message: BaseMessage) -> None:
        """Puts another message in the place of a stored one; see `edit`."""
        await self._client.adrive(self._changing(lambda: self._transcript.edit(message_id, message)))

    def delete(self, message_ids: Sequence[str]) -> int:
        """Removes messages by id.

        Args:
            message_ids: Their ids; unknown ones are passed over.

        Returns:
            How many were removed.

        Raises:
            InvalidInputError: An id is not a non-empty string.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1, 0 for no ids.
        """
        return self._client.drive(self._changing(lambda: self._transcript.remove(_several(message_ids))))

    async def adelete(self, message_ids: Sequence[str]) -> int:
        """Removes messages by id; see `delete`."""
        return await self._client.adrive(self._changing(lambda: self._transcript.remove(_several(message_ids))))

    # --- plain turns --------------------------------------------------------------------------------------------------

    def add_turn(self, user: str, assistant: str) -> WriteResult:
        """Stores one exchange given as plain text.

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
        return self._client.drive(self._adding(_exchange(user, assistant)))

    async def aadd_turn(self, user: str, assistant: str) -> WriteResult:
        """Stores one exchange; see `add_turn`."""
        return await self._client.adrive(self._adding(_exchange(user, assistant)))

    def turns(self, n: int) -> list[Turn]:
        """The newest exchanges as plain text, oldest first.

        Args:
            n: How many at most.

        Returns:
            For each user message its text and the text of the last answer to it.

        Raises:
            InvalidInputError: `n` is not positive.
            CorruptDataError: An entry was not written by this package.

        **Keys:** `messages`.
        **Trips:** 1.
        """
        return self._client.drive(self._reading(self._transcript.tail(turns=_count(n, "n")).map(exchanges)))

    async def aturns(self, n: int) -> list[Turn]:
        """The newest exchanges as plain text; see `turns`."""
        return await self._client.adrive(self._reading(self._transcript.tail(turns=_count(n, "n")).map(exchanges)))

    # --- lifetime -----------------------------------------------------------------------------------------------------

    def extend_ttl(self, ttl_s: Lifetime = None) -> bool:
        """Sets the lifetime of all of the conversation's keys from now; unpins a pinned one.

        Args:
            ttl_s: Seconds; None for the history's own `ttl_s`.

        Returns:
            Whether the conversation exists.

        Raises:
            InvalidInputError: The number is not positive, or there is none (use `persist` to pin).

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1.
        """
        return self._client.run(self._transcript.expire(self._lifetime(ttl_s)))

    async def aextend_ttl(self, ttl_s: Lifetime = None) -> bool:
        """Sets the lifetime of all of the conversation's keys from now; see `extend_ttl`."""
        return await self._client.arun(self._transcript.expire(self._lifetime(ttl_s)))

    def _lifetime(self, ttl_s: Lifetime) -> int:
        lifetime = milliseconds(ttl_s) or self._transcript.ttl_ms
        if not lifetime:
            msg = "this history has no ttl_s of its own: give extend_ttl a number of seconds, or use persist()"
            raise InvalidInputError(msg)
        return lifetime

    def persist(self) -> bool:
        """Pins the conversation: it lives until it is cleared or `extend_ttl` gives it a lifetime.

        Returns:
            Whether the conversation exists.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`.
        **Trips:** 1.
        """
        return self._client.run(self._transcript.persist())

    async def apersist(self) -> bool:
        """Pins the conversation; see `persist`."""
        return await self._client.arun(self._transcript.persist())

    def ttl(self) -> float | None:
        """How long the conversation still lives.

        Returns:
            Seconds; None where it is pinned; 0.0 where nothing is stored.

        **Keys:** `messages`, `meta`.
        **Trips:** 1.
        """
        return self._client.run(self._transcript.info().map(lambda session: session.ttl_s if session else 0.0))

    async def attl(self) -> float | None:
        """How long the conversation still lives; see `ttl`."""
        return await self._client.arun(self._transcript.info().map(lambda session: session.ttl_s if session else 0.0))


def _several(message_ids: Sequence[str]) -> Sequence[str]:
    return [message_ids] if isinstance(message_ids, str) else message_ids


def _exchange(user: str, assistant: str) -> list[BaseMessage]:
    for text in (user, assistant):
        if not isinstance(text, str):
            msg = f"add_turn takes two strings, got {type(text).__name__}; use add_messages for anything else"
            raise InvalidInputError(msg)
    return [HumanMessage(user, id=str(uuid4())), AIMessage(assistant, id=str(uuid4()))]


def exchanges(messages: Sequence[BaseMessage]) -> list[Turn]:
    """Messages as exchanges in plain text.

    Args:
        messages: In order.

    Returns:
        For each user message its text and the text of the last answer to it.
    """
    found: list[Turn] = []
    for message in messages:
        if isinstance(message, HumanMessage):
            found.append(Turn(str(message.text), ""))
        elif isinstance(message, AIMessage) and found:
            found[-1] = Turn(found[-1].user, str(message.text) or found[-1].assistant)
    return found
