"""What the JSON API of sessions takes and gives; its OpenAPI description is made of this."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar

from langchain_core.messages import BaseMessage
from pydantic import BaseModel, ConfigDict, Field

from langchain_redis_memory.history.session_index import Session

LONGEST_TITLE = 200
LONGEST_LIFE_S = 10 * 365 * 86_400


class SessionOut(BaseModel):
    """One conversation."""

    session_id: str
    agent: str = Field(description='The agent; "" for the default one.')
    title: str = Field(description="As it was named, else the first words of the user.")
    created: datetime
    last_active: datetime
    messages: int = Field(description="How many messages are stored.")
    turns: int = Field(description="How many user messages it has had, trimmed ones included.")
    tokens: int = Field(description="Approximate tokens of the stored messages.")
    ttl_s: float | None = Field(description="Seconds that it still lives; null where it is pinned.")

    @classmethod
    def of(cls, session: Session, title: str) -> SessionOut:
        """Makes it of what the index says."""
        return cls(title=title, **session._asdict())


class SessionsOut(BaseModel):
    """A page of conversations, most recently active first."""

    sessions: list[SessionOut]
    cursor: str | None = Field(description="What to pass on for the next page; null after the last.")


class MessageOut(BaseModel):
    """One message."""

    id: str | None
    type: str = Field(description='"human", "ai", "system" or "tool".')
    text: str

    @classmethod
    def of(cls, message: BaseMessage) -> MessageOut:
        """Makes it of a message."""
        return cls(id=message.id, type=message.type, text=str(message.text))


class MessagesOut(BaseModel):
    """Messages of a conversation, the oldest first."""

    messages: list[MessageOut]


class Change(BaseModel):
    """What to change of a conversation."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=LONGEST_TITLE)


class Extension(BaseModel):
    """How long to keep a conversation."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ttl_s: float | None = Field(
        default=None,
        gt=0,
        le=LONGEST_LIFE_S,
        description="Seconds from now; null for ever, until it is deleted or given a lifetime.",
    )


class Durations(BaseModel):
    """How long conversations lasted, from the first message to the last, in seconds."""

    mean_s: float
    median_s: float
    p95_s: float


class DayOut(BaseModel):
    """One day, in UTC."""

    day: date
    users: int = Field(description="How many users were active, as far as the log of turns reaches.")
    sessions: int = Field(description="How many conversations were active.")
    turns: int = Field(description="How many turns were logged.")


class AnalyticsOut(BaseModel):
    """What conversations are like."""

    sessions: int = Field(description="How many conversations were looked at.")
    complete: bool = Field(description="Whether these were all.")
    users: int = Field(description="How many users they belong to.")
    messages: int
    turns: int
    tokens: int
    messages_by_session: dict[str, int] = Field(description="Number of messages -> how many conversations.")
    durations: Durations | None = Field(description="null where there is no conversation.")
    days: list[DayOut] = Field(description="Days on which something happened, the newest first.")


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str
