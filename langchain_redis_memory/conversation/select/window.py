"""Which messages of the conversation does the model get to see? The `Selector` protocol and plain windows by type.

`WindowSelector` takes the newest messages, as many base windows as the policy's rule allows for the type, then as many
of them as fit a token budget. It never starts with a tool's answer whose call is outside. It does not stop at a turn
that stands alone: after a side question ("When do you open?") the next one may still lean on what was said before it.
`MemorySelector` (see `memory.py`), the default of a `ConversationMemory`, does more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from langchain_core.messages import BaseMessage, SystemMessage, ToolMessage

from langchain_redis_memory.checks import check_bounds, check_function, check_whole
from langchain_redis_memory.conversation.policy import Rule
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis.codec.messages import TokenCounter
from langchain_redis_memory.redis.codec.tokens import count_tokens


class Selector(Protocol):
    """Chooses the messages that are shown to the model."""

    def reach(self, rule: Rule) -> int | None:
        """Returns how many of the newest messages have to be loaded for a rule.

        Args:
            rule: The policy's rule.

        Returns:
            The number of messages; None for the whole conversation. A turn loads what the other rules need with its
            first trip, and the whole with one more, only where the verdict's rule asks for it.
        """
        ...

    def select(
        self,
        turn: str,
        verdict: Verdict,
        history: Sequence[BaseMessage],
        rule: Rule,
        state: TurnState = NO_STATE,
    ) -> list[BaseMessage] | Flow[list[BaseMessage]]:
        """Selects the messages for one turn.

        Args:
            turn: What the user said.
            verdict: What the classifier decided.
            history: The loaded messages, oldest first.
            rule: The policy's rule for the verdict's type.
            state: What is known of the conversation besides its messages.

        Returns:
            Messages of `history`, in order, or a flow that gives them where a model has to be asked. Where older ones
            are left out, `state.summary_message()` stands before them, within the selector's own budget: nobody else
            adds it.
        """
        ...


class WindowSelector:
    """Selects the newest messages, how many by question type, within a token budget.

    Args:
        base: Messages of one base window.
        max_tokens: Most tokens of the selected messages; None for no bound.
        token_counter: Counts the tokens of a list of messages.

    Raises:
        InvalidInputError: A number is not positive.
    """

    def __init__(
        self,
        base: int = 10,
        max_tokens: int | None = None,
        token_counter: TokenCounter = count_tokens,
    ) -> None:
        check_whole(base, "base")
        check_bounds(max_tokens=max_tokens)
        check_function(token_counter, "token_counter")
        self.base = base
        self.max_tokens = max_tokens
        self.token_counter = token_counter

    def reach(self, rule: Rule) -> int:
        """Returns how many of the newest messages have to be loaded for a rule, never the whole; see `Selector`."""
        return self.base * rule.window

    def select(
        self,
        turn: str,
        verdict: Verdict,
        history: Sequence[BaseMessage],
        rule: Rule,
        state: TurnState = NO_STATE,
    ) -> list[BaseMessage]:
        """Selects the messages for one turn; see `Selector`."""
        wanted = self.reach(rule)
        if not wanted:
            return []
        lead = list(history[:1]) if history and isinstance(history[0], SystemMessage) else []
        rest = list(history[len(lead) :])[-wanted:]
        chosen = self._fitting(rest, lead)
        summary = state.summary_message()
        if summary is not None and history:
            left_out = state.truncated or len(lead) + len(chosen) < len(history)
            front: list[BaseMessage] = [*lead, summary]
            if left_out and (self.max_tokens is None or self.token_counter(front) <= self.max_tokens):
                return front + self._fitting(rest, front)
        return lead + chosen

    def _fitting(self, messages: list[BaseMessage], front: list[BaseMessage]) -> list[BaseMessage]:
        """Returns the newest messages that fit the budget together with those in front."""
        start = 0
        if self.max_tokens is not None:
            budget = self.max_tokens - (self.token_counter(front) if front else 0)
            start = len(messages)
            while start and (budget := budget - self.token_counter([messages[start - 1]])) >= 0:
                start -= 1
        while start < len(messages) and isinstance(messages[start], ToolMessage):
            start += 1
        return messages[start:]
