"""Which messages of the conversation does the model get to see? The `Selector` protocol and plain windows by type.

`WindowSelector` takes the newest messages, as many base windows as the policy's rule allows for the type, then as many
of them as fit a token budget. It never starts with a tool's answer whose call is outside. For a question that is to be
searched and cached in its context it takes only the turns that the question leans on: back to the last one that stands
alone. Fewer messages then decide the cache key, so that the same exchange of another user can hit. `MemorySelector`
(see `memory.py`), the default of a `ConversationMemory`, does more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from langchain_core.messages import BaseMessage, SystemMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately

from langchain_redis_memory.conversation.policy import Rule
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.language.classify import Verdict, leaning_from
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis.codec.messages import TokenCounter


class Selector(Protocol):
    """Chooses the messages that are shown to the model."""

    def reach(self, rule: Rule) -> int | None:
        """How many of the newest messages have to be loaded for a rule.

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
        state: Mapping[str, Any] | None = None,
    ) -> list[BaseMessage] | Flow[list[BaseMessage]]:
        """The messages for one turn.

        Args:
            turn: What the user said.
            verdict: What the classifier decided.
            history: The loaded messages, oldest first.
            rule: The policy's rule for the verdict's type.
            state: What is known of the conversation beyond its messages.

        Returns:
            Messages of `history`, in order, or a flow that gives them where a model has to be asked. A summary of
            what is left out may stand in front.
        """
        ...


def positive(**numbers: int | None) -> None:
    """Refuses settings that are no positive whole numbers.

    Args:
        **numbers: The settings by name; None is no bound.

    Raises:
        InvalidInputError: One of them is wrong.
    """
    for what, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            msg = f"{what} must be a positive whole number, got {value!r}"
            raise InvalidInputError(msg)


class WindowSelector:
    """Windows by type, then a token budget.

    Args:
        base: Messages of one base window.
        max_tokens: Most tokens of the selected messages; None for no bound.
        token_counter: Counts the tokens of a list of messages.

    Raises:
        InvalidInputError: A number is not positive.

    **Keys:** none.
    **Trips:** none.
    """

    def __init__(
        self,
        base: int = 10,
        max_tokens: int | None = None,
        token_counter: TokenCounter = count_tokens_approximately,
    ) -> None:
        positive(base=base, max_tokens=max_tokens)
        self.base = base
        self.max_tokens = max_tokens
        self.token_counter = token_counter

    def reach(self, rule: Rule) -> int:
        """How many of the newest messages have to be loaded for a rule; see `Selector`. Never the whole."""
        return self.base * rule.window

    def select(
        self,
        turn: str,
        verdict: Verdict,
        history: Sequence[BaseMessage],
        rule: Rule,
        state: Mapping[str, Any] | None = None,
    ) -> list[BaseMessage]:
        """The messages for one turn; see `Selector`.

        **Keys:** none.
        **Trips:** none.
        """
        wanted = self.reach(rule)
        if not wanted:
            return []
        lead = list(history[:1]) if history and isinstance(history[0], SystemMessage) else []
        rest = list(history[len(lead) :])[-wanted:]
        if verdict.type is QuestionType.CONTEXTUAL_WITH_SEARCH:
            rest = rest[leaning_from(rest) :]
        if self.max_tokens is not None:
            rest = self._within(rest, self.max_tokens - (self.token_counter(lead) if lead else 0))
        while rest and isinstance(rest[0], ToolMessage):
            del rest[0]
        return lead + rest

    def _within(self, messages: list[BaseMessage], budget: int) -> list[BaseMessage]:
        kept = len(messages)
        while kept and (budget := budget - self.token_counter([messages[kept - 1]])) >= 0:
            kept -= 1
        return messages[kept:]
