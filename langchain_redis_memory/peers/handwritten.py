"""Layouts that applications write by hand, again and again: turns, messages and agents' histories as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from langchain_core.messages import BaseMessage

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.chat import from_dict, of_role
from langchain_redis_memory.peers.key_source import Command, KeySource, PrefixSource
from langchain_redis_memory.peers.records import PERIOD, Conversation, Record, SavedItem, Unreadable, label_of
from langchain_redis_memory.peers.stored_keys import (
    DamagedError,
    NotJsonError,
    StoredKey,
    exists_flow,
    list_get,
    parse_json,
    read_keys_flow,
    records_of,
    text_get,
    text_of,
)


@dataclass(frozen=True)
class TurnLists(KeySource):
    """Reads lists of turns, oldest first: `{"user": ..., "assistant": ...}`; the session follows the prefix."""

    prefix: str = "simple_history:"
    name: str = "turn-lists"
    command: ClassVar[Command] = staticmethod(list_get)

    def holds_flow(self, name: str) -> Flow[bool]:
        """Returns whether it may hold something of that name."""
        return exists_flow(self.prefix + name)

    def record(self, found: StoredKey) -> Record:
        """Builds what a key holds."""
        said: list[BaseMessage] = []
        for place, raw in enumerate(found.value):
            turn = parse_json(raw)
            said += [
                of_role(role, turn[role], f"{self.name}-{place}-{role}")
                for role in ("user", "assistant")
                if role in turn
            ]
        return Conversation(found.key.decode()[len(self.prefix) :], tuple(said), found.ttl_ms)


_CLASSES = {"HumanMessage": "human", "AIMessage": "ai", "SystemMessage": "system", "ToolMessage": "tool"}


@dataclass(frozen=True)
class MessageLists(PrefixSource):
    """Reads lists of messages, oldest first, with a summary and a count of turns beside them.

    The keys are `conversation:messages:{id}`, `conversation:summary:{id}` and `conversation:turns:{id}`; a message is
    `{"type": "HumanMessage", "content": ...}`, or has a "role". The prefix ends before "messages:".
    """

    prefix: str = "conversation:"
    name: str = "message-lists"
    shapes: ClassVar[tuple[str, ...]] = ("messages:{match}", "summary:{match}", "turns:{match}")

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: the keys of a conversation."""
        return key[len(self.prefix) :].partition(b":")[2]

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads a conversation."""
        start = f"{self.prefix}messages:".encode()
        lists = yield from read_keys_flow([key for key in keys if key.startswith(start)], list_get)
        values = yield from read_keys_flow([key for key in keys if not key.startswith(start)], text_get)
        read = records_of(lists, lambda found: Conversation("", self._messages(found), found.ttl_ms))
        faults: list[Record] = [one for one in read if isinstance(one, Unreadable)]
        faults += [Unreadable(found.name, found.fault) for found in values if found.fault]
        if faults:
            return faults
        said = next((one for one in read if isinstance(one, Conversation)), Conversation(""))
        kinds = {found.key[len(self.prefix) :].partition(b":")[0].decode(): found for found in values}
        data = {kind: _plain(found.value) for kind, found in kinds.items()}
        session = self.unit(keys[0]) or b""
        lifetimes = [said.ttl_ms] if said.messages else [found.ttl_ms for found in values]
        ttl_ms = 0 if not all(lifetimes) else max(lifetimes, default=0)
        return [Conversation(session.decode(), said.messages, ttl_ms, data=data)]

    def holds_flow(self, name: str) -> Flow[bool]:
        """Returns whether it may hold something of that name."""
        return exists_flow(f"{self.prefix}messages:{name}")

    def _messages(self, found: StoredKey) -> tuple[BaseMessage, ...]:
        return tuple(self._message(parse_json(raw), f"{self.name}-{place}") for place, raw in enumerate(found.value))

    @staticmethod
    def _message(stored: Any, name: str) -> BaseMessage:
        if "role" in stored:
            return of_role(stored["role"], stored["content"], stored.get("id") or name)
        if isinstance(stored.get("data"), Mapping):
            return from_dict(stored, name)
        kind = stored["type"]
        fields = {key: part for key, part in stored.items() if key != "type" and part is not None}
        return from_dict({"type": _CLASSES.get(kind, kind), "data": fields}, name)


@dataclass(frozen=True)
class AgentKeys(KeySource):
    """Reads histories, states and session data of agents: strings of JSON.

    The keys are `{prefix}history:{agent}:{session}`, `{prefix}state:{agent}` and `{prefix}session:{session}:{name}`;
    the first colon ends the agent. A state becomes the item "state" of the namespace ("agents", agent).
    """

    name: str = "agent-keys"
    command: ClassVar[Command] = staticmethod(text_get)
    shapes: ClassVar[tuple[str, ...]] = ("history:{match}", "state:{match}", "session:{match}")

    def record(self, found: StoredKey) -> Record:
        """Builds what a key holds."""
        kind, _, rest = found.key.decode()[len(self.prefix) :].partition(":")
        if kind == "state":
            value = parse_json(found.value)
            lost = (PERIOD,) if "." in rest else ()
            return SavedItem(("agents", label_of(rest)), "state", _dict(value), found.ttl_ms, lost)
        first, _, second = rest.partition(":")
        if kind == "session":
            return Conversation(first, ttl_ms=found.ttl_ms, data={second: _plain(found.value)})
        said = parse_json(found.value)
        if not isinstance(said, list):
            raise DamagedError("it is not a list of messages")
        messages = [of_role(one["role"], one["content"], f"{self.name}-{place}") for place, one in enumerate(said)]
        return Conversation(second, tuple(messages), found.ttl_ms, first)


@dataclass(frozen=True)
class JsonKeys(KeySource):
    """Reads strings of JSON or text as items: `user:42:settings` is "settings" of the namespace ("user", "42")."""

    name: str = "json-keys"
    command: ClassVar[Command] = staticmethod(text_get)

    def record(self, found: StoredKey) -> Record:
        """Builds what a key holds."""
        *labels, key = found.key.decode().split(":")
        lost = (PERIOD,) if any("." in label for label in labels) else ()
        namespace = tuple(label_of(label) for label in labels if label)
        return SavedItem(namespace, key, _dict(_plain(found.value)), found.ttl_ms, lost)


def _plain(raw: bytes) -> Any:
    """Returns what JSON says, else the text."""
    try:
        return parse_json(raw)
    except NotJsonError:
        return text_of(raw)


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {"value": value}
