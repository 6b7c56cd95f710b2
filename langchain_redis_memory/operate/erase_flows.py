"""Erases what is kept of a user, of an agent, of a tenant; goes on where something fails, and tells it.

A user is found through an index, an agent through its index of sessions, neither by a search of the server's keys. A
tenant is all of its keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_redis_memory.checkpoint.prune import delete_thread
from langchain_redis_memory.errors import RedisMemoryError
from langchain_redis_memory.history import session_index
from langchain_redis_memory.history.sessions import erase_flow
from langchain_redis_memory.operate.erase_keys import erase_keys_flow
from langchain_redis_memory.operate.key_sizes import measured_flow
from langchain_redis_memory.operate.receipt import KindReceipt, Receipt
from langchain_redis_memory.operate.user_sources import UserSources
from langchain_redis_memory.ops import Flow, Op, ask
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import command
from langchain_redis_memory.redis.user_index import UserData

_PAGE = 500


@dataclass
class _Part:
    """One kind of data: its names, its keys, a flow that erases it, and what stays because it is others' too.

    What is in others' keys as well is counted by its erasure, and for a dry run by `counts`. Names that are `assumed`
    are told by nothing but their keys: where these are not there, nothing had the name.
    """

    kind: str
    names: tuple[str, ...]
    keys: Sequence[str]
    erase: Flow[Any]
    shared: tuple[str, ...] = field(default=())
    counts: Flow[int | None] | None = None
    assumed: bool = False


class EraseFlows:
    """The flows that erase what the application keeps of its users."""

    def __init__(self, client: Client, space: KeySpace, kept: UserSources) -> None:
        self._client, self._space, self._kept = client, space, kept

    # --- a user -------------------------------------------------------------------------------------------------------

    def user_flow(self, user: str, *, dry_run: bool, shared: bool) -> Flow[Receipt]:
        """Erases what is kept of a user; see `RedisUsers.erase`."""
        space = self._space
        stored = yield from ask(user_index.stored(space, user))
        whose = yield from ask(user_index.users_of_each(space, stored))
        others = [one for one, users in zip(stored, whose, strict=True) if users - {user} and not shared]
        own = [one for one in stored if one not in others]
        kinds, gone = yield from _erased_flow((yield from self._parts_flow(user, own, others)), dry_run=dry_run)
        if not dry_run:
            yield from ask(user_index.part(space, user, others))
            left = {one.kind for one in stored if _KINDS[one.kind] not in gone}
            yield from ask(user_index.forget(space, user, [one for one in stored if one.kind not in left]))
        return Receipt(f"user {user!r}{self._of_tenant()}", kinds, dry_run)

    def _of_tenant(self) -> str:
        return f" of tenant {self._space.tenant!r}" if self._space.tenant else ""

    def _parts_flow(self, user: str, own: Sequence[UserData], others: Sequence[UserData]) -> Flow[list[_Part]]:
        """Builds the parts. Answers come first: their desks find them through what is logged of the conversations."""
        space, kept = self._space, self._kept
        every = tuple(dict.fromkeys(one.name for one in (*own, *others)))
        parts = []
        if kept.answers:
            parts.append(self._answers_part(every))
        parts.append(self._sessions_part(own, _names("session", others)))
        threads = _names("thread", own)
        keys = [key for name in threads for key in (*space.thread(name).all(), space.thread_users(name))]
        parts.append(_Part("threads", threads, keys, self._threads_flow(threads), _names("thread", others)))
        if kept.store is not None:
            items = yield from kept.items_flow(user)
            spelled = tuple("/".join((*item.namespace, item.key)) for item in items)
            parts.append(_Part("items", spelled, (), kept.forget_items_flow(items)))
        if kept.files:
            parts.append(_keys_part("files", (), [key for group in kept.file_keys(user) for key in group.all()]))
        if kept.counts:
            parts.append(_keys_part("limits and results of tools", (), kept.personal_keys(user, every)))
        if kept.values:
            parts.append(_Part("values", (), (), kept.values_flow(user), counts=kept.count_values_flow(user)))
        parts.append(_keys_part("profile", (user,), [space.profile(user)]))
        return parts

    def _answers_part(self, sessions: tuple[str, ...]) -> _Part:
        return _Part("answers", (), (), self._kept.answers_flow(sessions), counts=_uncounted_flow())

    def _sessions_part(self, sessions: Sequence[UserData], shared: tuple[str, ...] = ()) -> _Part:
        own = [one for one in sessions if one.kind == "session"]
        keys = [key for one in own for key in session_index.keys_of(self._space, one.agent, one.name)]
        return _Part("conversations", _names("session", own), keys, self._sessions_flow(own), shared)

    def _sessions_flow(self, sessions: Sequence[UserData]) -> Flow[None]:
        by_agent = defaultdict(list)
        for data in sessions:
            by_agent[data.agent].append(data.name)
        for agent, names in by_agent.items():
            yield from erase_flow(self._client.outboxes, self._space, agent, names)

    def _threads_flow(self, threads: Sequence[str]) -> Flow[None]:
        for name in threads:
            yield from ask(delete_thread(self._space, name))

    # --- an agent, a tenant -------------------------------------------------------------------------------------------

    def agent_flow(self, agent: str, *, dry_run: bool) -> Flow[Receipt]:
        """Erases what is kept of an agent; see `RedisUsers.erase_agent`."""
        space = self._space
        sessions = yield from self.sessions_flow(agent)
        whose = yield from ask(user_index.users_of_each(space, sessions))
        names = _names("session", sessions)
        parts = [self._answers_part(names)] if self._kept.answers else []
        parts.append(self._sessions_part(sessions))
        parts.append(_keys_part("agent state", (agent,), [space.agent_state(agent)]))
        kinds, gone = yield from _erased_flow(parts, dry_run=dry_run)
        if "conversations" in gone:
            yield from ask(Op((command("UNLINK", space.index(agent).all()),), lambda _replies: None))
            for data, users in zip(sessions, whose, strict=True):
                for user in users:
                    yield from ask(user_index.forget(space, user, [data]))
        return Receipt(f"agent {agent!r}{self._of_tenant()}", kinds, dry_run)

    def sessions_flow(self, agent: str) -> Flow[list[UserData]]:
        """Reads all conversations of an agent; some of them may have expired."""
        sessions: dict[str, UserData] = {}
        highest, skip = "+inf", 0
        while True:
            page = yield from ask(session_index.page(self._space, agent, _PAGE, highest, skip))
            sessions |= {one.session_id: UserData("session", agent, one.session_id) for one in page}
            if len(page) < _PAGE:
                return list(sessions.values())
            last = page[-1].active_ms
            skip = sum(one.active_ms == last for one in page) + (skip if highest == str(last) else 0)
            highest = str(last)

    def tenant_flow(self, *, dry_run: bool) -> Flow[Receipt]:
        """Erases what is kept of a tenant; see `RedisUsers.erase_tenant`."""
        kinds = yield from erase_keys_flow(self._space, self._space.tenant_pattern(), dry_run=dry_run)
        return Receipt(f"tenant {self._space.tenant!r}", kinds, dry_run)


_KINDS = {"session": "conversations", "thread": "threads"}


def _names(kind: str, data: Sequence[UserData]) -> tuple[str, ...]:
    return tuple(one.name for one in data if one.kind == kind)


def _keys_part(kind: str, names: tuple[str, ...], keys: Sequence[str]) -> _Part:
    """Builds a part that is nothing but keys."""
    unlinking = Op(tuple(command("UNLINK", (key,)) for key in keys), lambda _replies: None)
    return _Part(kind, names, keys, ask(unlinking), assumed=True)


def _erased_flow(parts: Sequence[_Part], *, dry_run: bool) -> Flow[tuple[dict[str, KindReceipt], set[str]]]:
    """Erases parts one by one; gives what is in the receipt, and the kinds that are gone."""
    kinds, gone = dict[str, KindReceipt](), set[str]()
    for part in parts:
        keys, size, failed, entries = 0, 0, list[str](), None
        try:
            keys, size = yield from measured_flow(part.keys)
            if not dry_run:
                entries = yield from part.erase
                gone.add(part.kind)
            elif part.counts is not None:
                entries = yield from part.counts
        except RedisMemoryError as error:
            failed.append(f"{type(error).__name__}: {error}")
        finally:
            part.erase.close()
        counted = entries if part.counts is not None else 0
        names = () if part.assumed and not (keys or failed) else part.names
        kinds[part.kind] = KindReceipt(names, keys, size, tuple(failed), part.shared, counted)
    return kinds, gone


def _uncounted_flow() -> Flow[int | None]:
    yield from ()
    return None
