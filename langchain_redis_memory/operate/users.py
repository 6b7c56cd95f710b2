"""`RedisUsers`: what is kept of a person, to look at, to export and to erase (GDPR articles 15, 17 and 20).

Conversations and threads are found through the user's index, which is written in the same round trips as the data; a
profile and the items of a store by their names. Answers that were made or served in the person's conversations are
deleted through the desks of the caches that keep them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from langchain_redis_memory.checkpoint.prune import delete_thread
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.errors import RedisMemoryError, ServerError
from langchain_redis_memory.history.sessions import erase_flow
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.operate.plain import plain
from langchain_redis_memory.operate.receipt import Erased, Receipt
from langchain_redis_memory.ops import Emit, Flow, Invoke, Op, Reply, ask
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import FileKeys, Id, text_of
from langchain_redis_memory.redis.user_index import UserData
from langchain_redis_memory.run_config import namespace_of
from langchain_redis_memory.state.session_data import RedisSessionData
from langchain_redis_memory.state.user_profile import UserProfile
from langchain_redis_memory.store.files import Files

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore
    from typing_extensions import Unpack

_PAGE = 200


class Desk(Protocol):
    """Deletes cached answers of a conversation: `memory.answers`, or the desk of a cache."""

    def delete(self, *, session: str) -> int:
        """Deletes the answers that were made or served in a conversation."""

    async def adelete(self, *, session: str) -> int:
        """Deletes the answers; see `delete`."""


@dataclass(frozen=True)
class _Part:
    """One kind of data of a user: its names, its keys, and a flow that erases it."""

    kind: str
    names: tuple[str, ...]
    keys: tuple[str, ...]
    erase: Flow[Any]


class RedisUsers(ClientOwner):
    """What is kept of the users of a tenant.

    Conversations count as a user's where the turn's config names one (`metadata.user_id`, `configurable.user_id` or
    LangGraph's authenticated user), or where a history was made with `user=`; threads where the graph's config does.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        tenant: Whose users.
        answers: Desks of the caches that keep answers: `memory.answers`.
        store: A LangGraph store with memories of users.
        namespaces: Where in the store a user's memories are; `{user_id}` stands for the user, as for `memory_tools`.
        files: Where a user's files are; the namespaces of each `RedisBackend`.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant is not acceptable.
        ConfigError: The URL cannot work.

    Example:
        ```python
        users = RedisUsers(client, answers=[memory.answers], store=store)
        for line in users.export("ana"):
            print(json.dumps(line))
        receipt = users.erase("ana")
        assert receipt.complete
        ```

    **Keys:** `user_data`, `profile` of a user; all keys of the conversations and threads that it names; `files`,
        `file_names`.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        tenant: Id = "",
        answers: Sequence[Desk] = (),
        store: BaseStore | None = None,
        namespaces: Sequence[tuple[str, ...]] = (("memories", "{user_id}"),),
        files: Sequence[tuple[str, ...]] = (("files", "{user_id}"),),
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._space = self._client.keys(tenant)
        self._answers, self._store, self._namespaces = tuple(answers), store, tuple(namespaces)
        self._file_namespaces = tuple(files)

    def data(self, user: Id) -> list[UserData]:
        """Lists the conversations and threads of a user.

        Args:
            user: The user.

        Returns:
            Their kind, agent and id; some of them may have expired.

        Raises:
            InvalidIdError: The user is not acceptable.

        **Keys:** `user_data`.
        **Trips:** 1.
        """
        return self._client.run(user_index.stored(self._space, text_of(user, "user")))

    async def adata(self, user: Id) -> list[UserData]:
        """Lists the conversations and threads of a user; see `data`."""
        return await self._client.arun(user_index.stored(self._space, text_of(user, "user")))

    def erase(self, user: Id, *, dry_run: bool = False) -> Receipt:
        """Erases everything that is kept of a user, as far as it can, and says what it could not.

        Args:
            user: The user.
            dry_run: Only say what there is.

        Returns:
            The receipt, one entry for each kind of data. What failed is in it; repeating the call erases the rest.

        Raises:
            InvalidIdError: The user is not acceptable.
            UnavailableError: The server could not be reached, not even for the user's index.

        **Keys:** `user_data`, `profile`, and all keys of the user's conversations, threads, items and answers.
        **Trips:** 1; then 1 for each 200 keys, 1 for each agent's conversations, 1 for each thread; those of the desks
            and of the store.
        """
        return self._client.drive(self._erase_flow(text_of(user, "user"), dry_run=dry_run))

    async def aerase(self, user: Id, *, dry_run: bool = False) -> Receipt:
        """Erases everything that is kept of a user; see `erase`."""
        return await self._client.adrive(self._erase_flow(text_of(user, "user"), dry_run=dry_run))

    def export(self, user: Id) -> Iterator[dict[str, Any]]:
        """Exports everything that is kept of a user, for the user to read or to take elsewhere.

        Args:
            user: The user.

        Yields:
            Plain data for `json.dumps`, with a `kind`: "conversation" (its messages and data), "thread" (its newest
            state), "profile", "item" and "file".

        Raises:
            InvalidIdError: The user is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** those of `erase`.
        **Trips:** 1; 2 for each conversation, 1 for each thread, 1 for the profile, 1 to 2 for files; those of the
            store.
        """
        with closing(self._client.stream(self._export_flow(text_of(user, "user")))) as lines:
            yield from lines

    async def aexport(self, user: Id) -> AsyncIterator[dict[str, Any]]:
        """Exports everything that is kept of a user; see `export`."""
        async with aclosing(self._client.astream(self._export_flow(text_of(user, "user")))) as lines:
            async for line in lines:
                yield line

    # --- erase --------------------------------------------------------------------------------------------------------

    def _erase_flow(self, user: str, *, dry_run: bool) -> Flow[Receipt]:
        found = yield from ask(user_index.stored(self._space, user))
        kinds, gone = {}, []
        for part in (yield from self._parts_flow(user, found)):
            keys, size, failed = 0, 0, []
            try:
                keys, size = yield from _measured_flow(part.keys)
                if not dry_run:
                    yield from part.erase
                    gone.append(part.kind)
            except RedisMemoryError as error:
                failed.append(f"{type(error).__name__}: {error}")
            finally:
                part.erase.close()
            kinds[part.kind] = Erased(part.names, keys, size, tuple(failed))
        erased = [data for data in found if _KINDS[data.kind] in gone]
        if not any(kind.failed for kind in kinds.values()):
            yield from ask(user_index.forget(self._space, user, erased))
        tenant = f" of tenant {self._space.tenant!r}" if self._space.tenant else ""
        return Receipt(f"user {user!r}{tenant}", kinds, dry_run)

    def _parts_flow(self, user: str, found: Sequence[UserData]) -> Flow[list[_Part]]:
        """Builds the parts. Answers come first: their desks find them through what is logged of the conversations."""
        space = self._space
        sessions = [data for data in found if data.kind == "session"]
        threads = [data for data in found if data.kind == "thread"]
        keys = [
            key
            for data in sessions
            for group in (space.session(data.name, data.agent), space.stream(data.name, data.agent))
            for key in group.all()
        ]
        names = tuple(data.name for data in sessions)
        parts = [_Part("answers", names, (), self._answers_flow(names))] if self._answers else []
        parts.append(_Part("conversations", names, tuple(keys), self._sessions_flow(sessions)))
        thread_keys = tuple(key for data in threads for key in space.thread(data.name).all())
        parts.append(_Part("threads", tuple(data.name for data in threads), thread_keys, self._threads_flow(threads)))
        if self._store is not None:
            items = yield from self._items_flow(user)
            spelled = tuple("/".join((*item.namespace, item.key)) for item in items)
            parts.append(_Part("items", spelled, (), self._forget_items_flow(items)))
        for group in self._file_keys(user):
            unlinked = ask(Op((("UNLINK", *group.all()),), lambda _replies: None))
            parts.append(_Part("files", (), group.all(), unlinked))
        profile = space.profile(user)
        parts.append(_Part("profile", (user,), (profile,), ask(Op((("UNLINK", profile),), lambda _replies: None))))
        return parts

    def _file_keys(self, user: str) -> list[FileKeys]:
        return [self._space.files(namespace_of(template, user)) for template in self._file_namespaces]

    def _answers_flow(self, sessions: Sequence[str]) -> Flow[None]:
        for desk in self._answers:
            for session in sessions:
                yield _deleting(desk, session)

    def _sessions_flow(self, sessions: Sequence[UserData]) -> Flow[None]:
        by_agent = defaultdict(list)
        for data in sessions:
            by_agent[data.agent].append(data.name)
        for agent, names in by_agent.items():
            yield from erase_flow(self._client.outboxes, self._space, agent, names)

    def _threads_flow(self, threads: Sequence[UserData]) -> Flow[None]:
        for data in threads:
            yield from ask(delete_thread(self._space, data.name))

    # --- the store ----------------------------------------------------------------------------------------------------

    def _items_flow(self, user: str) -> Flow[list[Any]]:
        """Reads the user's items; another user whose id begins alike has another namespace."""
        items: list[Any] = []
        for template in self._namespaces if self._store is not None else ():
            namespace = namespace_of(template, user)
            while page := (yield _searching(self._store, namespace, len(items))):
                items += [item for item in page if item.namespace[: len(namespace)] == namespace]
                if len(page) < _PAGE:
                    break
        return items

    def _forget_items_flow(self, items: Sequence[Any]) -> Flow[None]:
        for item in items:
            yield _forgetting(self._store, item)

    # --- export -------------------------------------------------------------------------------------------------------

    def _export_flow(self, user: str) -> Flow[None]:
        space, client = self._space, self._client
        saver = RedisSaver(client, tenant=space.tenant)
        for data in (yield from ask(user_index.stored(space, user))):
            if data.kind == "session":
                messages = yield from ask(Transcript(space, data.name, data.agent).read())
                kept = RedisSessionData(data.name, client, tenant=space.tenant, agent=data.agent)
                values = yield Invoke(kept.all, kept.aall)
                if messages or values:
                    line = {"kind": "conversation", "session_id": data.name, "agent": data.agent}
                    yield Emit(({**line, "messages": plain(messages), "data": plain(values)},))
            elif (found := (yield _state_of(saver, data.name))) is not None:
                state = plain(found.checkpoint["channel_values"])
                yield Emit(({"kind": "thread", "thread_id": data.name, "state": state},))
        for group in self._file_keys(user):
            files = Files(group, 0)
            heads = yield from ask(files.beneath("/"))
            for file in (yield from files.read_many_flow(heads)):
                yield Emit(({"kind": "file", "path": file.head.path, "content": plain(_text_of(file.content))},))
        profile = UserProfile(user, client, tenant=space.tenant)
        known = yield Invoke(profile.export, profile.aexport)
        if any(known.values()):
            yield Emit(({"kind": "profile", "user_id": user, **plain(known)},))
        for item in (yield from self._items_flow(user)):
            place = {"namespace": list(item.namespace), "key": item.key}
            yield Emit(({"kind": "item", **place, "value": plain(item.value)},))


_KINDS = {"session": "conversations", "thread": "threads"}


def _text_of(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _measured_flow(keys: Sequence[str]) -> Flow[tuple[int, int]]:
    """Counts the keys that exist and the memory that they take."""
    count = size = 0
    for start in range(0, len(keys), _PAGE):
        page = keys[start : start + _PAGE]
        commands = [command for key in page for command in (("EXISTS", key), ("MEMORY", "USAGE", key))]
        there, used = yield from ask(Op(tuple(commands), _sums, tolerant=True))
        count, size = count + there, size + used
    return count, size


def _sums(replies: Sequence[Reply]) -> tuple[int, int]:
    for reply in replies[::2]:
        if isinstance(reply, ServerError):
            raise reply
    return sum(replies[::2]), sum(reply for reply in replies[1::2] if isinstance(reply, int))


def _deleting(desk: Desk, session: str) -> Invoke:
    return Invoke(lambda: desk.delete(session=session), lambda: desk.adelete(session=session))


def _searching(store: Any, namespace: tuple[str, ...], offset: int) -> Invoke:
    page = {"limit": _PAGE, "offset": offset}
    return Invoke(lambda: store.search(namespace, **page), lambda: store.asearch(namespace, **page))


def _forgetting(store: Any, item: Any) -> Invoke:
    place = (item.namespace, item.key)
    return Invoke(lambda: store.delete(*place), lambda: store.adelete(*place))


def _state_of(saver: RedisSaver, thread_id: str) -> Invoke:
    config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    return Invoke(lambda: saver.get_tuple(config), lambda: saver.aget_tuple(config))
