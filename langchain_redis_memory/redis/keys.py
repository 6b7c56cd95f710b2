"""The only place that spells a key.

A key is `prefix:{tenant/agent/id}:kind`. Whatever belongs to one conversation of one agent shares the hash tag in
braces, so on a cluster it lives on one node and one script can touch all of it; the names are the same on every
topology. User text is percent-escaped before it enters a key (RFC 3986 unreserved characters stay), so no id can hold
a `:`, `/`, `{`, `*`, space or newline, and a longer text becomes its BLAKE2b digest, marked with `%h`, which escaping
never writes. So two different (tenant, agent, id, kind) never share a key, no id works as a glob, and
`prefix:{tenant/*` matches one tenant and nothing else. Where there are many keys of a kind under one tag, an escaped
name follows: `prefix:{tenant/agent/id}:kind:name`.

`KINDS` lists every kind of key that exists and how long it may live.

Long because every key of the package is spelled here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote

from langchain_redis_memory.errors import ConfigError, InvalidIdError

MAX_ID_BYTES = 1024
_LONGEST_ESCAPED = 96

KINDS = {
    "messages": "the conversation's lifetime",
    "ids": "the conversation's lifetime",
    "meta": "the conversation's lifetime",
    "state": "the conversation's lifetime",
    "data": "the conversation's lifetime",
    "data_expiries": "the conversation's lifetime",
    "agent_state": "its own lifetime",
    "profile": "its own lifetime",
    "sessions": "the longest lifetime of a session in it",
    "expiries": "the longest lifetime of a session in it",
    "answer": "its own lifetime",
    "lease": "its own lifetime, as long as one piece of work may take",
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
    "points": "the longest lifetime of a point in it",
    "point_owners": "the longest lifetime of a point in it",
    "point_expiries": "the longest lifetime of a point in it",
    "point": "its own lifetime",
    "entries": "the longest lifetime of an entry in it",
    "entry_expiries": "the longest lifetime of an entry in it",
    "entry_uses": "the longest lifetime of an entry in it",
    "entry_reports": "the longest lifetime of an entry in it",
    "tally": "a fixed time from its last count",
    "epoch": "longer than whatever was stored under it",
}
"""Kind of key -> how long it lives. A key without expiry exists only where a user asked for it (`ttl_s=None`,
`persist()`) or where its kind is permanent: what says which documents are indexed must not expire before they do."""


def check_id(value: str, what: str = "id") -> str:
    """An id that can be used: text of 1 to 1024 bytes in UTF-8.

    Args:
        value: What the user gave.
        what: Its name, for the error.

    Returns:
        The same text.

    Raises:
        InvalidIdError: It is not a string, is empty, is too long, or holds lone surrogates.
    """
    if not isinstance(value, str):
        msg = f"{what} must be a string, not {type(value).__name__}"
        raise InvalidIdError(msg)
    if not value:
        msg = f"{what} must not be empty"
        raise InvalidIdError(msg)
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        msg = f"{what} holds a lone surrogate at position {error.start}; it has no UTF-8 form"
        raise InvalidIdError(msg) from None
    if size > MAX_ID_BYTES:
        msg = f"{what} is {size} bytes long in UTF-8; at most {MAX_ID_BYTES} are allowed"
        raise InvalidIdError(msg)
    return value


@lru_cache(maxsize=4096)
def escape(text: str) -> str:
    """A spelling of any text that is safe inside a key, different for different texts.

    Args:
        text: Any text with a UTF-8 form, the empty one included.

    Returns:
        At most 96 characters of `A-Z a-z 0-9 - . _ ~ %`.
    """
    escaped = quote(text, safe="")
    if len(escaped) <= _LONGEST_ESCAPED:
        return escaped
    return "%h" + blake2b(text.encode(), digest_size=24).hexdigest()


def spell_namespace(labels: Sequence[str]) -> str:
    """A spelling of a sequence of labels, different for different sequences.

    Args:
        labels: Any number of texts.

    Returns:
        Each label escaped and ended with `/`.

    Raises:
        InvalidIdError: It is no sequence of labels, or a label is not acceptable.
    """
    if isinstance(labels, str) or not isinstance(labels, Sequence):
        msg = f"a namespace must be a tuple of strings, not {type(labels).__name__}"
        raise InvalidIdError(msg)
    return "".join(f"{escape(label if label == '' else check_id(label, 'a label'))}/" for label in labels)


@dataclass(frozen=True)
class SessionKeys:
    """The keys of one conversation: all with one hash tag."""

    messages: str
    ids: str
    meta: str
    state: str
    data: str
    data_expiries: str

    def all(self) -> tuple[str, ...]:
        """Every key of the conversation, for deleting it whole and for moving its lifetime."""
        return (self.messages, self.ids, self.meta, self.state, self.data, self.data_expiries)


@dataclass(frozen=True)
class IndexKeys:
    """The keys of one agent's index of sessions."""

    sessions: str
    expiries: str


@dataclass(frozen=True)
class ThreadKeys:
    """The keys of one LangGraph thread: all with one hash tag."""

    checkpoints: str
    order: str
    blobs: str
    writes: str

    def all(self) -> tuple[str, ...]:
        """Every key of the thread, for deleting it whole."""
        return (self.checkpoints, self.order, self.blobs, self.writes)


@dataclass(frozen=True)
class ExpiringHashKeys:
    """The keys of one shelf of items with lifetimes of their own: all with one hash tag."""

    items: str
    expiries: str


@dataclass(frozen=True)
class EntryKeys(ExpiringHashKeys):
    """The keys of one shelf of a cache's entries: all with one hash tag."""

    uses: str
    reports: str
    leases: str

    def all(self) -> tuple[str, ...]:
        """Every key, in the order in which scripts take them."""
        return (self.items, self.expiries, self.uses, self.reports)

    def lease(self, name: str) -> str:
        """The key of the lease of an entry that is being made."""
        return f"{self.leases}:{escape(name)}"


@dataclass(frozen=True)
class ByteKeys:
    """The keys of one store of bytes: all with one hash tag."""

    names: str
    expiries: str
    values: str

    def value(self, name: str) -> str:
        """The key of one value."""
        return f"{self.values}:{escape(name)}"


@dataclass(frozen=True)
class RecordKeys:
    """The keys of one record manager: all with one hash tag."""

    times: str
    groups: str
    members: str


@dataclass(frozen=True)
class ItemKeys:
    """The keys of the items under one root of a store: all with one hash tag."""

    items: str
    item_names: str
    item_expiries: str

    def all(self) -> tuple[str, ...]:
        """Every key, in the order in which scripts take them."""
        return (self.items, self.item_names, self.item_expiries)


@dataclass(frozen=True)
class RootKeys:
    """The keys of a tenant's index of roots."""

    roots: str
    root_spans: str

    def all(self) -> tuple[str, ...]:
        """Every key, in the order in which scripts take them."""
        return (self.roots, self.root_spans)


@dataclass(frozen=True)
class PointKeys:
    """The keys of one collection of vectors: all with one hash tag."""

    points: str
    point_owners: str
    point_expiries: str

    def all(self) -> tuple[str, ...]:
        """Every key, in the order in which scripts take them."""
        return (self.points, self.point_owners, self.point_expiries)


@dataclass(frozen=True)
class KeySpace:
    """Builds the keys of one tenant under one prefix.

    Args:
        prefix: Start of every key: letters, digits and `. _ - :`, so that it cannot be a glob or a hash tag.
        tenant: Whose data it is; "" is the default tenant, different from every named one.

    Raises:
        ConfigError: The prefix is empty or holds another character.
        InvalidIdError: The tenant is too long or not encodable.
    """

    prefix: str = "lrm"
    tenant: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str) or not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", self.prefix):
            msg = f"prefix {self.prefix!r} must be 1 to 64 characters of A-Z a-z 0-9 . _ : -"
            raise ConfigError(msg)
        if self.tenant != "":
            check_id(self.tenant, "tenant")

    def key(self, kind: str, agent: str, name: str) -> str:
        """One key.

        Args:
            kind: One of `KINDS`.
            agent: The agent; "" is the default one.
            name: What is named within the agent: a session id, a digest, or "" for the agent itself.

        Returns:
            `prefix:{tenant/agent/name}:kind`.
        """
        return f"{self.prefix}:{{{escape(self.tenant)}/{escape(agent)}/{escape(name)}}}:{kind}"

    def session(self, session_id: str, agent: str = "") -> SessionKeys:
        """The keys of one conversation.

        Args:
            session_id: Its id.
            agent: The agent it belongs to.

        Returns:
            Its keys.

        Raises:
            InvalidIdError: An id is not acceptable.
        """
        check_id(session_id, "session_id")
        if agent != "":
            check_id(agent, "agent")
        return SessionKeys(
            *(
                self.key(kind, agent, session_id)
                for kind in ("messages", "ids", "meta", "state", "data", "data_expiries")
            )
        )

    def agent_state(self, agent: str) -> str:
        """The key of an agent's own state.

        Args:
            agent: The agent; "" is the default one.

        Returns:
            Its key.

        Raises:
            InvalidIdError: The id is not acceptable.
        """
        if agent != "":
            check_id(agent, "agent")
        return self.key("agent_state", agent, "")

    def profile(self, user: str) -> str:
        """The key of what is known of a user.

        Args:
            user: The user's id.

        Returns:
            Its key.

        Raises:
            InvalidIdError: The id is not acceptable.
        """
        return self.key("profile", "", check_id(user, "user"))

    def index(self, agent: str = "") -> IndexKeys:
        """The keys of an agent's index of sessions.

        Args:
            agent: The agent.

        Returns:
            Its keys.

        Raises:
            InvalidIdError: The id is not acceptable.
        """
        if agent != "":
            check_id(agent, "agent")
        return IndexKeys(*(self.key(kind, agent, "") for kind in ("sessions", "expiries")))

    def thread(self, thread_id: str) -> ThreadKeys:
        """The keys of one LangGraph thread.

        Args:
            thread_id: Its id.

        Returns:
            Its keys.

        Raises:
            InvalidIdError: The id is not acceptable.
        """
        check_id(thread_id, "thread_id")
        return ThreadKeys(*(self.key(kind, "", thread_id) for kind in ("checkpoints", "order", "blobs", "writes")))

    def threads(self) -> tuple[str, str]:
        """The keys of the tenant's index of threads: its members, and when they expire."""
        return (self.key("threads", "", ""), self.key("thread_expiries", "", ""))

    def answer(self, digest: str, agent: str = "") -> str:
        """The key of one cached answer.

        Args:
            digest: Hexadecimal digest of all that the answer depends on.
            agent: The agent that answered.

        Returns:
            Its key.
        """
        return self.key("answer", agent, digest)

    def lease(self, use: str, name: str, agent: str = "") -> str:
        """The key of a lease, with the hash tag of what the work is about.

        Args:
            use: The piece of work: one word of this package's.
            name: What it is about: a session id, or the digest of an answer.
            agent: The agent that it belongs to.

        Returns:
            Its key.

        Raises:
            InvalidIdError: An id is not acceptable.
        """
        check_id(name, "the name of a lease")
        if agent != "":
            check_id(agent, "agent")
        return f"{self.key('lease', agent, name)}:{escape(use)}"

    def nodes(self, namespace: Sequence[str]) -> ExpiringHashKeys:
        """The keys of one namespace of the cache of nodes.

        Args:
            namespace: Its labels, each of any text.

        Returns:
            Its keys.

        Raises:
            InvalidIdError: It is no sequence of labels, or a label is not acceptable.
        """
        return self.nodes_of(spell_namespace(namespace))

    def nodes_of(self, spelled: str) -> ExpiringHashKeys:
        """The keys of one namespace of the cache of nodes.

        Args:
            spelled: The namespace as `spell_namespace` gives it.

        Returns:
            Its keys.
        """
        return ExpiringHashKeys(*(self.key(kind, "", spelled) for kind in ("nodes", "node_expiries")))

    def namespaces(self) -> str:
        """The key of the tenant's index of namespaces of the cache of nodes."""
        return self.key("namespaces", "", "")

    def byte_values(self, namespace: str) -> ByteKeys:
        """The keys of one store of bytes.

        Args:
            namespace: Its name; "" is the default one.

        Returns:
            Its keys.

        Raises:
            InvalidIdError: The namespace is not acceptable.
        """
        if namespace != "":
            check_id(namespace, "namespace")
        return ByteKeys(*(self.key(kind, "", namespace) for kind in ("byte_names", "byte_expiries", "bytes")))

    def records(self, namespace: str) -> RecordKeys:
        """The keys of one record manager.

        Args:
            namespace: Its name.

        Returns:
            Its keys.

        Raises:
            InvalidIdError: The namespace is not acceptable.
        """
        check_id(namespace, "namespace")
        return RecordKeys(
            *(self.key(kind, "", namespace) for kind in ("record_times", "record_groups", "group_records"))
        )

    def items(self, root: str) -> ItemKeys:
        """The keys of the items under one root of the tenant's store.

        Args:
            root: The first label of their namespaces; "" for the empty namespace.

        Returns:
            Their keys.
        """
        return ItemKeys(*(self.key(kind, "", root) for kind in ("items", "item_names", "item_expiries")))

    def roots(self) -> RootKeys:
        """The keys of the tenant's index of roots."""
        return RootKeys(*(self.key(kind, "", "") for kind in ("roots", "root_spans")))

    def points(self, use: str, collection: str) -> PointKeys:
        """The keys of a collection of vectors.

        Args:
            use: What the vectors are for: one word of this package's.
            collection: The collection within it.

        Returns:
            Its keys.
        """
        return PointKeys(*(self.key(kind, use, collection) for kind in ("points", "point_owners", "point_expiries")))

    def point(self, use: str, collection: str, owner: str) -> str:
        """The key of an owner's first vector, where every vector has a key of its own (further ones add a number).

        Args:
            use: What the vectors are for.
            collection: The collection.
            owner: What the vector belongs to.

        Returns:
            The key.
        """
        return self.key("point", use, f"{len(collection)}:{collection}{owner}")

    def entries(self, use: str, name: str) -> EntryKeys:
        """The keys of a shelf of a cache's entries.

        Args:
            use: What they are for: one word of this package's.
            name: The cache and the shelf within it.

        Returns:
            Its keys.
        """
        return EntryKeys(
            *(
                self.key(kind, use, name)
                for kind in ("entries", "entry_expiries", "entry_uses", "entry_reports", "lease")
            )
        )

    def tally(self, use: str, name: str) -> str:
        """The key of a cache's statistics.

        Args:
            use: What the cache is for: one word of this package's.
            name: The cache.

        Returns:
            The key.
        """
        return self.key("tally", use, name)

    def epoch(self, use: str, corpus: str) -> str:
        """The key of a corpus's epoch.

        Args:
            use: What is made from the corpus: one word of this package's.
            corpus: The corpus.

        Returns:
            The key; all uses of a corpus share a hash tag.

        Raises:
            InvalidIdError: The corpus is not acceptable.
        """
        return f"{self.key('epoch', '', check_id(corpus, 'corpus'))}:{escape(use)}"

    def tenant_prefix(self) -> str:
        """What every key of this tenant starts with, and no other key."""
        return f"{self.prefix}:{{{escape(self.tenant)}/"

    def tenant_pattern(self) -> str:
        """The SCAN pattern that matches every key of this tenant and no other key."""
        return f"{self.prefix}:{{{escape(self.tenant)}/*"
