"""`RedisUsers`: what is kept of a person, to look at, to export and to erase (GDPR articles 15, 17 and 20).

Conversations and threads are found through the user's index, which is written in the same round trips as the data; a
profile, files and the items of a store by their names. Answers that were made or served in the person's conversations
are deleted through the desks of the caches that keep them. What is kept of an agent, or of a tenant, goes the same way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

from langchain_redis_memory.cache.value.cache import RedisValueCache
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.checks import check_method, check_several, check_type
from langchain_redis_memory.operate.erase_flows import EraseFlows
from langchain_redis_memory.operate.export_flows import ExportFlows
from langchain_redis_memory.operate.receipt import Receipt
from langchain_redis_memory.operate.user_sources import Desk, PersonalKeys, UserSources
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.user_index import UserData

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore
    from typing_extensions import Unpack


class RedisUsers(ClientOwner):
    """Lists, exports and erases what is kept of the users of a tenant.

    Conversations count as a user's where the turn's config names one (`metadata.user_id`, `configurable.user_id` or
    LangGraph's authenticated user), or where a history was made with `user=`; threads where the graph's config does.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        tenant: Whose users.
        answers: Desks of the caches that keep answers: `memory.answers`.
        store: A LangGraph store with memories of users.
        namespaces: Where in the store a user's memories are; `{user_id}` stands for the user, as for `memory_tools`.
        files: Where a user's files are; the namespaces of each `RedisBackend`.
        counts: What counts or caches by user: `RedisRateLimiter`, `TokenBudgetMiddleware`, `ToolCacheMiddleware`.
        values: Caches of values about users: `RedisValueCache`, whose values were stored with `user=`.
        saver: Reads threads for an export, where their values have a serialiser of their own.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant is not acceptable.
        ConfigError: The URL cannot work.
        InvalidInputError: One of the sources is none.

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
        counts: Sequence[PersonalKeys] = (),
        values: Sequence[RedisValueCache] = (),
        saver: RedisSaver | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._space = self._client.keys(tenant)
        for name, given in {"answers": answers, "counts": counts, "values": values}.items():
            check_type(given, Iterable, name, "a list")
        for name, spaces in {"namespaces": namespaces, "files": files}.items():
            for space in check_several(spaces, name):
                check_several(space, f"each of {name}, as ('memories', '{{user_id}}'),")
        for desk in answers:  # a memory in the place of its desk would have its answers survive
            check_method(desk, "delete", "each of answers, such as memory.answers,")
        for one in counts:
            check_method(one, "personal_keys", "each of counts")
        if store is not None:
            check_method(store, "batch", "store")
        for cache in values:
            check_type(cache, RedisValueCache, "each of values", "a RedisValueCache")
        kept = UserSources(
            self._space,
            tuple(answers),
            store,
            tuple(namespaces),
            tuple(files),
            tuple(counts),
            tuple(values),
            saver if saver is not None else RedisSaver(self._client, tenant=tenant),
        )
        self._erasing: EraseFlows = EraseFlows(self._client, self._space, kept)
        self._exporting: ExportFlows = ExportFlows(self._client, self._space, kept, self._erasing)

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

    def erase(self, user: Id, *, dry_run: bool = False, shared: bool = False) -> Receipt:
        """Erases everything that is kept of a user, as far as it can, and says what it could not.

        Args:
            user: The user.
            dry_run: Only say what there is.
            shared: Erase conversations and threads of several users, too. By default they stay, without this user's
                name: they are the others' as well. The receipt names them.

        Returns:
            The receipt, one entry for each kind of data. What failed is in it; repeating the call erases the rest.

        Raises:
            InvalidIdError: The user is not acceptable.
            UnavailableError: The server could not be reached, not even for the user's index.

        **Keys:** `user_data`, `session_users`, `thread_users`, `profile`, and all keys of the user's conversations,
            threads, items, files, counts, values and answers.
        **Trips:** 3; then 1 for each 200 keys, 1 for each agent's conversations, 1 for each thread; those of the desks,
            of the store and of the caches of values.
        """
        return self._client.drive(self._erasing.user_flow(text_of(user, "user"), dry_run=dry_run, shared=shared))

    async def aerase(self, user: Id, *, dry_run: bool = False, shared: bool = False) -> Receipt:
        """Erases everything that is kept of a user; see `erase`."""
        return await self._client.adrive(self._erasing.user_flow(text_of(user, "user"), dry_run=dry_run, shared=shared))

    def erase_agent(self, agent: Id, *, dry_run: bool = False) -> Receipt:
        """Erases everything that is kept of an agent: its conversations, whoever's they are, and its state.

        Args:
            agent: The agent; "" is the default one.
            dry_run: Only say what there is.

        Returns:
            The receipt, as for `erase`.

        Raises:
            InvalidIdError: The agent is not acceptable.
            UnavailableError: The server could not be reached.

        **Keys:** `sessions`, `expiries`, `agent_state` of the agent; all keys of its conversations; `user_data`.
        **Trips:** 2 for each 500 conversations, 1 for each 200 keys, 3; those of the desks.
        """
        name = text_of(agent, "agent", empty=True)
        return self._client.drive(self._erasing.agent_flow(name, dry_run=dry_run))

    async def aerase_agent(self, agent: Id, *, dry_run: bool = False) -> Receipt:
        """Erases everything that is kept of an agent; see `erase_agent`."""
        name = text_of(agent, "agent", empty=True)
        return await self._client.adrive(self._erasing.agent_flow(name, dry_run=dry_run))

    def erase_tenant(self, *, dry_run: bool = False) -> Receipt:
        """Erases everything that is kept of the tenant, caches, statistics and logs included: all of its keys.

        What is written meanwhile may be left: call it when the tenant's application has stopped.

        Args:
            dry_run: Only say what there is.

        Returns:
            The receipt, by kind of key.

        Raises:
            UnavailableError: The server could not be reached.

        **Keys:** all of the tenant.
        **Trips:** 1, and 1 for each 1,000 keys of the server; 2 for each 500 keys that are erased.
        """
        return self._client.drive(self._erasing.tenant_flow(dry_run=dry_run))

    async def aerase_tenant(self, *, dry_run: bool = False) -> Receipt:
        """Erases everything that is kept of the tenant; see `erase_tenant`."""
        return await self._client.adrive(self._erasing.tenant_flow(dry_run=dry_run))

    def export(self, user: Id) -> Iterator[dict[str, Any]]:
        """Exports everything that is kept of a user, for the user to read or to take elsewhere.

        Args:
            user: The user.

        Yields:
            Plain data for `json.dumps`, with a `kind`: "conversation" (its messages and data), "thread" (its newest
            state), "profile", "item", "file", "value" (about the user), "tool result" and "limit" (until it is whole).

        Raises:
            InvalidIdError: The user is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** those of `erase`.
        **Trips:** 2; 3 for each conversation, 1 for each thread, 1 for the profile, 1 to 2 for files; those of the
            store and of the caches of values.
        """
        with closing(self._client.stream(self._exporting.user_flow(text_of(user, "user")))) as lines:
            yield from lines

    async def aexport(self, user: Id) -> AsyncIterator[dict[str, Any]]:
        """Exports everything that is kept of a user; see `export`."""
        async with aclosing(self._client.astream(self._exporting.user_flow(text_of(user, "user")))) as lines:
            async for line in lines:
                yield line

    def export_agent(self, agent: Id) -> Iterator[dict[str, Any]]:
        """Exports everything that is kept of an agent.

        Args:
            agent: The agent; "" is the default one.

        Yields:
            Plain data for `json.dumps`: each "conversation", and the state of the "agent".

        Raises:
            InvalidIdError: The agent is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** those of `erase_agent`.
        **Trips:** 1 for each 500 conversations, 3 for each of them, 1.
        """
        flow = self._exporting.agent_flow(text_of(agent, "agent", empty=True))
        with closing(self._client.stream(flow)) as lines:
            yield from lines

    async def aexport_agent(self, agent: Id) -> AsyncIterator[dict[str, Any]]:
        """Exports everything that is kept of an agent; see `export_agent`."""
        flow = self._exporting.agent_flow(text_of(agent, "agent", empty=True))
        async with aclosing(self._client.astream(flow)) as lines:
            async for line in lines:
                yield line

    def export_tenant(self) -> Iterator[dict[str, Any]]:
        """Exports what people told the tenant, and what is known of them; caches and counts are left out.

        Yields:
            Plain data for `json.dumps`: of all agents and users what `export_agent` and `export` give.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** all of the tenant but those of caches, limits and logs.
        **Trips:** 3 for each 1,000 keys of the server; those of `export_agent` for each agent; 1 for each thread, 1 to
            3 for each user; those of the store.
        """
        with closing(self._client.stream(self._exporting.tenant_flow())) as lines:
            yield from lines

    async def aexport_tenant(self) -> AsyncIterator[dict[str, Any]]:
        """Exports what people told the tenant; see `export_tenant`."""
        async with aclosing(self._client.astream(self._exporting.tenant_flow())) as lines:
            async for line in lines:
                yield line
