"""Exports what is kept of a user, an agent or a tenant, as plain data that a person can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from langchain_redis_memory.checkpoint import thread_index
from langchain_redis_memory.errors import DecryptionError
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.operate.as_json import plain
from langchain_redis_memory.operate.erase_flows import EraseFlows
from langchain_redis_memory.operate.session_search import agents_flow
from langchain_redis_memory.operate.user_sources import UserSources, found_items_flow
from langchain_redis_memory.ops import Emit, Flow, Invoke, Op, Reply, ask, merge
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.messages import decode_message
from langchain_redis_memory.redis.key_parts import parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.user_index import UserData
from langchain_redis_memory.state.agent_state import RedisAgentState
from langchain_redis_memory.state.conversation_state import RedisConversationState
from langchain_redis_memory.state.model import ConversationState
from langchain_redis_memory.state.session_data import RedisSessionData
from langchain_redis_memory.state.user_profile import UserProfile
from langchain_redis_memory.store.files import Files
from langchain_redis_memory.store.redis_store import RedisStore

_PAGE = 200


class ExportFlows:
    """The flows that export what the application keeps of its users; `erasing` finds the conversations of agents."""

    def __init__(self, client: Client, space: KeySpace, kept: UserSources, erasing: EraseFlows) -> None:
        self._client, self._space, self._kept, self._erasing = client, space, kept, erasing

    def user_flow(self, user: str) -> Flow[None]:
        """Exports what is kept of a user; see `RedisUsers.export`."""
        stored = yield from ask(user_index.stored(self._space, user))
        for data in stored:
            if data.kind == "session":
                yield from self._session_flow(data)
            else:
                yield from self._thread_flow(data.name)
        yield from self._files_flow(user)
        yield from self._profile_flow(user)
        yield from self._items_flow((yield from self._kept.items_flow(user)))
        for values in (yield from self._kept.about_flow(user)):
            yield Emit([{"kind": "value", "name": name, "value": plain(value)} for name, value in values.items()])
        keys = self._kept.personal_keys(user, [data.name for data in stored])
        yield Emit([line for lines in (yield from ask(merge(*map(self._counted, keys)))) for line in lines])

    def agent_flow(self, agent: str) -> Flow[None]:
        """Exports what is kept of an agent; see `RedisUsers.export_agent`."""
        for data in (yield from self._erasing.sessions_flow(agent)):
            yield from self._session_flow(data)
        state: RedisAgentState[Any] = RedisAgentState(agent, self._client, tenant=self._space.tenant)
        held = yield Invoke(state.load, state.aload)
        if held:
            yield Emit(({"kind": "agent", "agent": agent, "state": plain(held)},))

    def tenant_flow(self) -> Flow[None]:
        """Exports what is kept of a tenant; see `RedisUsers.export_tenant`."""
        for agent in (yield from agents_flow(self._space)):
            yield from self.agent_flow(agent)
        after = None
        while page := (yield from ask(thread_index.page(self._space, after, _PAGE))):
            after = page[-1]
            for thread in page:
                yield from self._thread_flow(thread)
        for user in (yield from self._users_flow()):
            yield from self._profile_flow(user)
            yield from self._files_flow(user)
        store = self._kept.store or RedisStore(self._client, tenant=self._space.tenant)
        yield from self._items_flow((yield from found_items_flow(store, [()])))

    def _users_flow(self) -> Flow[list[str]]:
        """Finds the users of a tenant who have a profile or an index; of a very long name only its digest is there."""
        users = set[str]()
        for kind in ("profile", "user_data"):
            scan = KeyScan(self._space, f"{self._space.tenant_prefix()}/*}}:{kind}")
            while not scan.ended:
                parts = [parse_key(name, self._space.prefix) for name in (yield from scan.page_flow())]
                users |= {one.name for one in parts if one is not None}
        return sorted(users)

    def _counted(self, key: str) -> Op[list[dict[str, Any]]]:
        """Reads one key of what is counted and cached of a user alone: until when a limit counts, results of tools."""
        parts = parse_key(key, self._space.prefix)
        if parts is not None and parts.kind == "rate":
            line = {"kind": "limit", "limit": unquote(parts.more.rpartition("/")[2])}

            def left(replies: Sequence[Reply]) -> list[dict[str, Any]]:
                return [{**line, "reset_after_s": replies[0] / 1000}] if replies[0] > 0 else []

            return Op((("PTTL", key),), left)
        if parts is not None and parts.kind == "entries":
            return Op((("HGETALL", key),), lambda replies: _results(key, replies[0]))
        return Op((), lambda _replies: [])

    # --- one kind each ------------------------------------------------------------------------------------------------

    def _session_flow(self, data: UserData) -> Flow[None]:
        space, client = self._space, self._client
        messages = yield from ask(Transcript(space, data.name, data.agent).read())
        kept = RedisSessionData(data.name, client, tenant=space.tenant, agent=data.agent)
        values = yield Invoke(kept.all, kept.aall)
        held = RedisConversationState(data.name, client, tenant=space.tenant, agent=data.agent)
        state = yield Invoke(held.load, held.aload)
        known = {} if state == ConversationState() else {"state": plain(state)}
        if messages or values or known:
            line = {"kind": "conversation", "session_id": data.name, "agent": data.agent}
            yield Emit(({**line, "messages": plain(messages), "data": plain(values), **known},))

    def _thread_flow(self, thread: str) -> Flow[None]:
        stored = yield self._kept.state_of(thread)
        if stored is not None:
            state = plain(stored.checkpoint["channel_values"])
            yield Emit(({"kind": "thread", "thread_id": thread, "state": state},))

    def _files_flow(self, user: str) -> Flow[None]:
        for group in self._kept.file_keys(user):
            files = Files(group, 0)
            heads = yield from ask(files.beneath("/"))
            for file in (yield from files.read_many_flow(heads)):
                yield Emit(({"kind": "file", "path": file.head.path, "content": plain(_text_of(file.content))},))

    def _profile_flow(self, user: str) -> Flow[None]:
        profile = UserProfile(user, self._client, tenant=self._space.tenant)
        known = yield Invoke(profile.export, profile.aexport)
        if any(known.values()):
            yield Emit(({"kind": "profile", "user_id": user, **plain(known)},))

    def _items_flow(self, items: Sequence[Any] | Iterable[Any]) -> Flow[None]:
        for item in items:
            place = {"namespace": list(item.namespace), "key": item.key}
            yield Emit(({"kind": "item", **place, "value": plain(item.value)},))


def _results(spelled: str, reply: Reply) -> list[dict[str, Any]]:
    """Reads results of tools from a shard of them; one that cannot be read counts as absent, as for the cache."""
    lines, key = [], spelled if isinstance(spelled, Key) else Key(spelled)
    for name, record in pairs(reply):
        with suppress(DecryptionError, ValueError):
            message = decode_message(key.decrypt(record.partition(b":")[2], name))
            lines.append({"kind": "tool result", "tool": message.name, "content": plain(message.content)})
    return lines


def _text_of(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
