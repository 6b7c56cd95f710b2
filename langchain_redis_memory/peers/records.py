"""What a source yields: typed records, whichever package wrote them, and what of them could not be read.

A source names the keys that are read together (a unit), and reads them by a flow of plain reads. Nothing of the
package that wrote them is imported, and nothing is ever written on that side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from langchain_core.messages import BaseMessage
from langchain_core.outputs import Generation

from langchain_redis_memory.ops import Flow


@dataclass(frozen=True)
class Conversation:
    """The messages of a conversation, and what was kept beside them.

    Args:
        session_id: The conversation.
        messages: Oldest first, each with an id that is the same at every reading.
        ttl_ms: What is left of its lifetime in milliseconds, 0 for no expiry.
        agent: The agent that it belongs to.
        data: Named values of the conversation.
        user: Whose conversation it is, "" for nobody's.
        lost: What the source does not have of it, or what was left out.
    """

    session_id: str
    messages: tuple[BaseMessage, ...] = ()
    ttl_ms: int = 0
    agent: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    user: str = ""
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class SavedWrite:
    """One write of a task at a checkpoint."""

    task_id: str
    idx: int
    channel: str
    value: Any
    task_path: str = ""


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint of a thread, with its values and writes.

    Args:
        thread_id: The thread.
        ns: The namespace, "" for the graph itself.
        checkpoint: LangGraph's checkpoint.
        metadata: Its metadata.
        parent_id: The checkpoint before it, "" for none.
        writes: Its pending writes.
        ttl_ms: What is left of its lifetime in milliseconds, 0 for no expiry.
        lost: What the source does not have of it, or what was left out.
    """

    thread_id: str
    ns: str
    checkpoint: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parent_id: str = ""
    writes: tuple[SavedWrite, ...] = ()
    ttl_ms: int = 0
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class SavedItem:
    """An item of a store: a namespace, a key and a value; `updated` is when it was written, 0 where nobody knows."""

    namespace: tuple[str, ...]
    key: str
    value: Mapping[str, Any]
    ttl_ms: int = 0
    lost: tuple[str, ...] = ()
    updated: float = 0.0


PERIOD = "a period in an id is spelled %2E in the namespace: LangGraph allows none there"


def label_of(text: str) -> str:
    """Spells an id as a label of a namespace; different ids stay different."""
    return text.replace("%", "%25").replace(".", "%2E") if "." in text else text


@dataclass(frozen=True)
class SavedAnswer:
    """A cached answer of a model.

    Args:
        prompt: What was asked: a text, or messages as LangChain serialises them.
        generations: The answer.
        llm_string: Describes the model, "" where the source does not say which it was.
        ttl_ms: What is left of its lifetime in milliseconds, 0 for no expiry.
        lost: What was left out.
    """

    prompt: str
    generations: tuple[Generation, ...]
    llm_string: str = ""
    ttl_ms: int = 0
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class SavedVector:
    """A cached vector of a text.

    Args:
        text: What was embedded.
        vector: Its vector.
        model: The model's name, as the source has it.
        ttl_ms: What is left of its lifetime in milliseconds, 0 for no expiry.
        lost: What was left out.
    """

    text: str
    vector: tuple[float, ...]
    model: str
    ttl_ms: int = 0
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """A key that cannot be moved, and why."""

    key: str
    why: str


Record: TypeAlias = "Conversation | SavedCheckpoint | SavedItem | SavedAnswer | SavedVector | Unreadable"


class Source(Protocol):
    """Reads the layout of one package, which has a name on the command line, by the patterns that SCAN is asked for."""

    @property
    def name(self) -> str:
        """How it is named on the command line."""

    @property
    def patterns(self) -> Sequence[str]:
        """What SCAN is asked for."""

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key; None for a key that holds nothing of this source."""

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads the records of one unit from its keys; what cannot be read is an `Unreadable`."""
