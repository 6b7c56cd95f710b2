"""Messages that an outbox had to drop: logged, and reported to `on_loss`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from langchain_core.messages import BaseMessage

from langchain_redis_memory.history.waiting_writes import Entry

_log = logging.getLogger(__name__)


class Loss(NamedTuple):
    """Reports messages that were dropped before they could be stored; what `on_loss` receives.

    Args:
        tenant: Whose they are.
        agent: The agent.
        session_id: The conversation.
        messages: The messages, in order.
        why: "full": the outbox had no room; "exit": the process ended while the server was away.
    """

    tenant: str
    agent: str
    session_id: str
    messages: Sequence[BaseMessage]
    why: Literal["full", "exit"]


OnLoss = Callable[[Loss], object]


def report_loss(lost: Sequence[Entry], why: Literal["full", "exit"], on_loss: OnLoss | None) -> None:
    """Logs writes that are lost, and tells them to `on_loss`; what that raises is logged."""
    for entry in lost:
        where = entry.transcript
        _log.warning(
            "%d messages of session %r are lost: %s",
            len(entry.messages),
            where.session_id,
            "the outbox is full" if why == "full" else "the process ends and the server is away",
        )
        if on_loss is not None:
            try:
                on_loss(Loss(where.space.tenant, where.agent, where.session_id, entry.messages, why))
            except Exception:  # noqa: BLE001 - whatever it raises is its own
                _log.exception("on_loss failed")
