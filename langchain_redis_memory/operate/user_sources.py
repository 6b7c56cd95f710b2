"""What an application keeps of its users, beside what every user's index names: caches, stores, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from langchain_redis_memory.cache.value.cache import RedisValueCache
from langchain_redis_memory.ops import Flow, Invoke
from langchain_redis_memory.redis.key_groups import FileKeys
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.run_config import namespace_of

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

    from langchain_redis_memory.checkpoint.saver import RedisSaver

_PAGE = 200
Namespaces = tuple[tuple[str, ...], ...]


class Desk(Protocol):
    """Deletes cached answers of conversations: `memory.answers`, or the desk of a cache."""

    def delete(self, *, session: Sequence[str]) -> int:
        """Deletes the answers that were made or served in some conversations."""

    async def adelete(self, *, session: Sequence[str]) -> int:
        """Deletes the answers; see `delete`."""


class PersonalKeys(Protocol):
    """Keeps something of a user under keys of the user's own: a limiter, a token budget, a cache of tools' results."""

    def personal_keys(self, user: str, sessions: Sequence[str] = ()) -> tuple[str, ...]:
        """Spells these keys."""


@dataclass(frozen=True)
class UserSources:
    """What an application keeps of its users.

    Args:
        space: The tenant's key builder.
        answers: Desks of the caches that keep answers.
        store: A store with memories of users.
        namespaces: Where in the store these are.
        files: Where a user's files are.
        counts: Limiters and budgets, and caches of tools' results.
        values: Caches of values.
        saver: Reads threads.
    """

    space: KeySpace
    answers: tuple[Desk, ...]
    store: BaseStore | None
    namespaces: Namespaces
    files: Namespaces
    counts: tuple[PersonalKeys, ...]
    values: tuple[RedisValueCache, ...]
    saver: RedisSaver

    def file_keys(self, user: str) -> list[FileKeys]:
        """Spells the keys of a user's files."""
        return [self.space.files(namespace_of(template, user)) for template in self.files]

    def personal_keys(self, user: str, sessions: Sequence[str]) -> tuple[str, ...]:
        """Spells the keys of what is counted and cached of a user alone."""
        return tuple(key for one in self.counts for key in one.personal_keys(user, sessions))

    def answers_flow(self, sessions: Sequence[str]) -> Flow[int]:
        """Deletes the answers that were made or served in conversations; how many there were."""
        deleted = 0
        for desk in self.answers if sessions else ():
            deleted += yield _deleting(desk, sessions)
        return deleted

    def values_flow(self, user: str) -> Flow[int]:
        """Deletes the values about a user; how many there were."""
        deleted = 0
        for cache in self.values:
            deleted += yield _erasing(cache, user)
        return deleted

    def count_values_flow(self, user: str) -> Flow[int | None]:
        """Counts the values about a user."""
        return sum(map(len, (yield from self.about_flow(user))))

    def about_flow(self, user: str) -> Flow[list[dict[str, Any]]]:
        """Reads the values about a user, of each cache."""
        rows: list[dict[str, Any]] = []
        for cache in self.values:
            rows.append((yield _about(cache, user)))
        return rows

    def items_flow(self, user: str) -> Flow[list[Any]]:
        """Reads a user's items; another user whose id begins alike has another namespace."""
        return (yield from found_items_flow(self.store, [namespace_of(one, user) for one in self.namespaces]))

    def forget_items_flow(self, items: Sequence[Any]) -> Flow[None]:
        """Deletes items."""
        for item in items:
            yield _forgetting(self.store, item)

    def state_of(self, thread_id: str) -> Invoke:
        """Reads the newest state of a thread."""
        config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
        return Invoke(lambda: self.saver.get_tuple(config), lambda: self.saver.aget_tuple(config))


def found_items_flow(store: BaseStore | None, namespaces: Sequence[tuple[str, ...]]) -> Flow[list[Any]]:
    """Reads all items of a store under namespaces that begin with some labels; no store has none."""
    items: list[Any] = []
    for namespace in namespaces if store is not None else ():
        stored: list[Any] = []
        while page := (yield _searching(store, namespace, len(stored))):
            stored += page
            if len(page) < _PAGE:
                break
        items += [item for item in stored if item.namespace[: len(namespace)] == namespace]
    return items


def _deleting(desk: Desk, session: Sequence[str]) -> Invoke:
    return Invoke(lambda: desk.delete(session=session), lambda: desk.adelete(session=session))


def _erasing(cache: RedisValueCache, user: str) -> Invoke:
    return Invoke(lambda: cache.erase_user(user), lambda: cache.aerase_user(user))


def _about(cache: RedisValueCache, user: str) -> Invoke:
    return Invoke(lambda: cache.about_user(user), lambda: cache.aabout_user(user))


def _searching(store: Any, namespace: tuple[str, ...], offset: int) -> Invoke:
    page = {"limit": _PAGE, "offset": offset}
    return Invoke(lambda: store.search(namespace, **page), lambda: store.asearch(namespace, **page))


def _forgetting(store: Any, item: Any) -> Invoke:
    place = (item.namespace, item.key)
    return Invoke(lambda: store.delete(*place), lambda: store.adelete(*place))
