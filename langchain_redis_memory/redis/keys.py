"""Spells every key; no other module does.

A key is `prefix:{tenant/agent/id}:kind`. Whatever belongs to one conversation of one agent shares the hash tag in
braces, so on a cluster it lives on one node and one script can touch all of it; the names are the same on every
topology. User text is percent-escaped before it enters a key (RFC 3986 unreserved characters stay), so no id can hold
a `:`, `/`, `{`, `*`, space or newline, and a longer text becomes its BLAKE2b digest, marked with `%h`, which escaping
never writes. So two different (tenant, agent, id, kind) never share a key, no id works as a glob, and
`prefix:{tenant/*` matches one tenant and nothing else. Where there are many keys of a kind under one tag, an escaped
name follows: `prefix:{tenant/agent/id}:kind:name`.

`KINDS` lists every kind of key that exists and how long it may live.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.redis.codec.cipher.key import PLAIN, Key, ValueCipher
from langchain_redis_memory.redis.key_groups import (
    ByteKeys,
    EntryKeys,
    ExpiringHashKeys,
    FileKeys,
    Id,
    IndexKeys,
    ItemKeys,
    KeyGroup,
    LimitKeys,
    PointKeys,
    RecordKeys,
    RootKeys,
    SessionKeys,
    StreamKeys,
    ThreadKeys,
    ValueKeys,
    check_id,
    escape,
    spell_namespace,
    text_of,
)

if TYPE_CHECKING:
    from langchain_redis_memory.redis.codec.cipher.cipher import Cipher

__all__ = ["KINDS", "EntryKeys", "ExpiringHashKeys", "KeySpace", "SessionKeys", "check_id", "escape", "spell_namespace"]


KINDS = {
    "messages": "the conversation's lifetime",
    "ids": "the conversation's lifetime",
    "meta": "the conversation's lifetime",
    "state": "the conversation's lifetime",
    "data": "the conversation's lifetime",
    "data_expiries": "the conversation's lifetime",
    "tokens": "a fixed time from its last event",
    "stopped_runs": "a fixed time from its last event",
    "agent_state": "its own lifetime",
    "profile": "its own lifetime",
    "user_data": "the longest lifetime of what is noted in it",
    "session_users": "the conversation's lifetime",
    "thread_users": "the thread's lifetime",
    "sessions": "the longest lifetime of a session in it",
    "expiries": "the longest lifetime of a session in it",
    "answer": "its own lifetime",
    "lease": "its own lifetime, as long as one piece of work may take",
    "trip": "a minute: as long as a trip may be sent again",
    "checkpoints": "the thread's lifetime",
    "order": "the thread's lifetime",
    "blobs": "the thread's lifetime",
    "writes": "the thread's lifetime",
    "threads": "the longest lifetime of a thread in it",
    "thread_expiries": "the longest lifetime of a thread in it",
    "nodes": "the longest lifetime of an item in it",
    "node_expiries": "the longest lifetime of an item in it",
    "namespaces": "the longest lifetime of a namespace in it",
    "bytes": "its own lifetime",
    "byte_names": "the longest lifetime of a value in it",
    "byte_expiries": "the longest lifetime of a value in it",
    "record_times": "permanent: until its records are deleted",
    "record_groups": "permanent: until its records are deleted",
    "group_records": "permanent: until its records are deleted",
    "items": "the longest lifetime of an item in it",
    "item_names": "the longest lifetime of an item in it",
    "item_expiries": "the longest lifetime of an item in it",
    "roots": "the longest lifetime of an item of the tenant",
    "root_spans": "the longest lifetime of an item of the tenant",
    "files": "a fixed time from the last write to one of them",
    "file_names": "a fixed time from the last write to one of them",
    "points": "the longest lifetime of a point in it",
    "point_owners": "the longest lifetime of a point in it",
    "point_expiries": "the longest lifetime of a point in it",
    "point": "its own lifetime",
    "entries": "the longest lifetime of an entry in it",
    "entry_expiries": "the longest lifetime of an entry in it",
    "entry_uses": "the longest lifetime of an entry in it",
    "entry_reports": "the longest lifetime of an entry in it",
    "tally": "a fixed time from its last count",
    "decisions": "a fixed time from its last line",
    "switch": "as long as the cache is off",
    "audit": "a year from its last line",
    "epoch": "longer than whatever was stored under it",
    "rate": "until all that was taken is paid off",
    "places": "the longest lease of a place in it",
    "queue": "the longest lease of a place that is waited for",
    "values": "the longest lifetime of a value in it",
    "value_expiries": "the longest lifetime of a value in it",
    "wrapped_key": "permanent: until it is shredded",
}
"""Kind of key -> how long it lives. A key without expiry exists only where a user asked for it (`ttl_s=None`,
`persist()`) or where its kind is permanent: what says which documents are indexed must not expire before they do."""


G = TypeVar("G", bound=KeyGroup)
_MOST_KNOWN = 256


def trip_key(beside: str) -> str:
    """Spells the key of one trip, which no other trip has, with the hash tag of a key that it writes to."""
    return f"{beside[: beside.index('}')]}}}:trip:{os.urandom(8).hex()}"


class KeySpace(Frozen):
    """Builds the keys of one tenant under one prefix.

    Args:
        prefix: Start of every key: letters, digits and `. _ - :`, so that it cannot be a glob or a hash tag.
        tenant: Whose data it is; "" is the default tenant, different from every named one.
        cipher: Encrypts what is stored under the keys; None for nothing.

    Raises:
        ConfigError: The prefix is empty or holds another character.
        InvalidIdError: The tenant is too long or not encodable.
    """

    prefix: str = "lrm"
    tenant: str = ""
    cipher: Cipher | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str) or not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", self.prefix):
            raise ConfigError(f"prefix {self.prefix!r} must be 1 to 64 characters of A-Z a-z 0-9 . _ : -")
        text_of(self.tenant, "tenant", empty=True)

    def _tag(self, agent: str, name: str) -> str:
        return f"{self.prefix}:{{{escape(self.tenant)}/{escape(agent)}/{escape(name)}}}:"

    def _group(self, group: type[G], agent: str, name: str, owner: str = "") -> G:
        known = self._known.get((group, agent, name))
        if known is not None:
            return cast("G", known)
        tag, cipher = self._tag(agent, name), self._of(owner)
        made = group(*[Key(tag + kind, cipher) for kind in group.kinds or group.attributes])
        if self.cipher is None:  # whose keys may be changed or shredded
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[group, agent, name] = made
        return made

    @cached_property
    def _known(self) -> dict[tuple[type[KeyGroup], str, str], KeyGroup]:
        """The groups that were spelled lately."""
        return {}

    def _of(self, owner: str = "") -> ValueCipher:
        return PLAIN if self.cipher is None else self.cipher.of(self.tenant, owner)

    def blind(self, digest: bytes) -> bytes:
        """Replaces a digest of content by a keyed one of the same length, where there is a cipher."""
        return self._of().blind(digest)

    def may_read(self, what: str) -> bool:
        """Returns whether the server may read "vectors" or "filters": without a cipher it may."""
        return self.cipher is None or what in self.cipher.readable

    def key(self, kind: str, agent: str, name: str) -> Key:
        """Spells one key: of a kind (see `KINDS`), an agent, and what is named within it, "" for the agent itself."""
        return Key(self._tag(agent, name) + kind, self._of())

    # --- conversations, agents, users: an id that is not acceptable raises InvalidIdError -----------------------------

    def session(self, session_id: Id, agent: Id = "") -> SessionKeys:
        """Spells the keys of one conversation of an agent."""
        name = text_of(session_id, "session_id")
        return self._group(SessionKeys, text_of(agent, "agent", empty=True), name, name)

    def stream(self, session_id: Id, agent: Id = "") -> StreamKeys:
        """Spells the keys of one conversation's stream of tokens."""
        name = text_of(session_id, "session_id")
        return self._group(StreamKeys, text_of(agent, "agent", empty=True), name, name)

    def index(self, agent: Id = "") -> IndexKeys:
        """Spells the keys of an agent's index of sessions."""
        return self._group(IndexKeys, text_of(agent, "agent", empty=True), "")

    def agent_state(self, agent: Id) -> Key:
        """Spells the key of an agent's own state; "" is the default agent."""
        return self.key("agent_state", text_of(agent, "agent", empty=True), "")

    def profile(self, user: Id) -> Key:
        """Spells the key of a user's profile."""
        name = text_of(user, "user")
        return Key(self.key("profile", "", name), self._of(name))

    def user_data(self, user: Id) -> str:
        """Spells the key of the index of what is stored of a user."""
        return self.key("user_data", "", text_of(user, "user"))

    def session_users(self, session_id: Id, agent: Id = "") -> str:
        """Spells the key of the names of those whose conversation it is."""
        return self.key("session_users", text_of(agent, "agent", empty=True), text_of(session_id, "session_id"))

    def thread_users(self, thread_id: Id) -> str:
        """Spells the key of the names of those whose thread it is."""
        return self.key("thread_users", "", text_of(thread_id, "thread_id"))

    # --- LangGraph: threads, items, cached nodes ----------------------------------------------------------------------

    def thread(self, thread_id: Id) -> ThreadKeys:
        """Spells the keys of one thread."""
        name = text_of(thread_id, "thread_id")
        return self._group(ThreadKeys, "", name, name)

    def threads(self) -> tuple[str, str]:
        """Spells the keys of the tenant's index of threads: its members, and when they expire."""
        return (self.key("threads", "", ""), self.key("thread_expiries", "", ""))

    def items(self, root: str) -> ItemKeys:
        """Spells the keys of the items under one root: their namespaces' first label, "" for the empty namespace."""
        return self._group(ItemKeys, "", root, root)

    def roots(self) -> RootKeys:
        """Spells the keys of the tenant's index of roots."""
        return self._group(RootKeys, "", "")

    def files(self, namespace: Sequence[str]) -> FileKeys:
        """Spells the keys of one namespace's files; its labels are of any text."""
        return self._group(FileKeys, "", spell_namespace(namespace))

    def nodes(self, namespace: Sequence[str]) -> ExpiringHashKeys:
        """Spells the keys of one namespace of the cache of nodes; its labels are of any text."""
        return self.nodes_of(spell_namespace(namespace))

    def nodes_of(self, spelled: str) -> ExpiringHashKeys:
        """Spells the keys of one namespace of the cache of nodes, as `spell_namespace` gives it."""
        return self._group(ExpiringHashKeys, "", spelled)

    def namespaces(self) -> str:
        """Spells the key of the tenant's index of namespaces of the cache of nodes."""
        return self.key("namespaces", "", "")

    # --- LangChain: bytes, records of an index ------------------------------------------------------------------------

    def byte_values(self, namespace: str) -> ByteKeys:
        """Spells the keys of one store of bytes; "" is the default one."""
        return self._group(ByteKeys, "", text_of(namespace, "namespace", empty=True))

    def records(self, namespace: str) -> RecordKeys:
        """Spells the keys of one record manager."""
        return self._group(RecordKeys, "", check_id(namespace, "namespace"))

    def wrapped_key(self, owner: str) -> str:
        """Spells the key of an owner's wrapped data key; "" is the default tenant's."""
        return self.key("wrapped_key", "", text_of(owner, "owner", empty=True))

    # --- caches: `use` is what something is for, one word of this package's -------------------------------------------

    def answer(self, digest: str) -> Key:
        """Spells the key of one cached answer, by the digest of all that it depends on."""
        return self.key("answer", "", digest)

    def entries(self, use: str, name: str) -> EntryKeys:
        """Spells the keys of one shard of a cache's entries."""
        return self._group(EntryKeys, use, name)

    def tally(self, use: str, name: str) -> str:
        """Spells the key of a cache's statistics."""
        return self.key("tally", use, name)

    def decisions(self, name: str = "") -> Key:
        """Spells the key of a decision log: "" for the turns of all conversations, else of one cache's look-ups."""
        return self.key("decisions", "", name)

    def switch(self, cache: str) -> Key:
        """Spells the key of a cache's switch: it is there while the cache is off."""
        return self.key("switch", "answers", cache)

    def audit(self) -> Key:
        """Spells the key of the log of what was changed by hand."""
        return self.key("audit", "", "")

    def epoch(self, use: str, corpus: str) -> str:
        """Spells the key of a corpus's epoch; all uses of a corpus share a hash tag."""
        return f"{self.key('epoch', '', check_id(corpus, 'corpus'))}:{escape(use)}"

    def points(self, use: str, collection: str) -> PointKeys:
        """Spells the keys of a collection of vectors."""
        return self._group(PointKeys, use, collection)

    def point(self, use: str, collection: str, owner: str) -> str:
        """Spells the key of an owner's first vector, where each vector has its own key (further ones add a number)."""
        return self.key("point", use, f"{len(collection)}:{collection}{owner}")

    def lease(self, use: str, name: Id, agent: Id = "") -> str:
        """Spells the key of a lease, with the hash tag of its work: a session, or the digest of an answer."""
        about = text_of(name, "the name of a lease")
        return f"{self.key('lease', text_of(agent, 'agent', empty=True), about)}:{escape(use)}"

    def values(self, name: str) -> ValueKeys:
        """Spells the keys of one shard of a cache of values."""
        return self._group(ValueKeys, "values", name)

    def limits(self, name: str) -> LimitKeys:
        """Spells the keys of the limits of a user, or of whatever else is limited; "" for all together."""
        return self._group(LimitKeys, "", text_of(name, "key", empty=True))

    # --- the tenant ---------------------------------------------------------------------------------------------------

    def tenant_prefix(self) -> str:
        """Spells the start that every key of this tenant has, and no other key."""
        return f"{self.prefix}:{{{escape(self.tenant)}/"

    def tenant_pattern(self) -> str:
        """Spells the SCAN pattern that matches every key of this tenant and no other key."""
        return f"{self.prefix}:{{{escape(self.tenant)}/*"
