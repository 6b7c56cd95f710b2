"""Why a prompt bypasses a semantic cache: rules that need no classifier. `PromptReader` applies them, in its order.

A reason is a word of statistics: "tools" after a call of a tool, "no_question", "other_template", "too_long",
"no_text", "instructed", "private", "points_outside", a type of question that belongs to one conversation, or what
`unrepeatable` says of a question whose answer is not to be served again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TypeVar

from langchain_redis_memory.cache.prompts import Prompt, PromptMessage
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.ops import Flow

T = TypeVar("T")

_LONGEST = 2_000
"""Characters of a question beyond which an embedding model sees only a part of it."""


def unfit(text: str) -> str | None:
    """Checks whether a question can be searched by meaning.

    Returns what is against it: "too_long", "no_text", or None.
    """
    if len(text) > _LONGEST:
        return "too_long"
    return "no_text" if _HALF.search(text) else None


inside_lookup: ContextVar[bool] = ContextVar("whether this thread or task is inside of a lookup", default=False)


def bypass_cache_flow(flow: Flow[T]) -> Flow[T]:
    """Runs a flow that calls the user's models: what these ask a cache bypasses it, or it would ask them again."""
    outer = inside_lookup.get()
    inside_lookup.set(True)
    try:
        return (yield from flow)
    finally:
        inside_lookup.set(outer)


def without_question(parsed: Prompt) -> str:
    """Returns why a prompt bypasses the cache that ends with no words of the user's: behind a tool's result "tools"."""
    return "tools" if any(said.role == "tool" for said in parsed.history) else "no_question"


def before_tools(parsed: Prompt) -> tuple[Prompt, Sequence[PromptMessage]]:
    """Splits a prompt into what came up to the user's last words, and what tools gave since."""
    if not parsed.history or parsed.history[-1].role != "tool":
        return parsed, ()
    for at in range(len(parsed.history) - 1, -1, -1):
        said = parsed.history[at]
        if said.role == "human" and not said.more and said.text.strip():
            return Prompt(parsed.system, parsed.history[:at], said.text, parsed.system_more), parsed.history[at + 1 :]
    return parsed, ()


def tells_of_self(text: str) -> bool:
    """Checks whether a user's words contain a personal statement, which an answer may then be built from.

    The ways in which anybody asks a question ("can I", "tell me") tell nothing. A word for oneself in one of some other
    languages always does. Returns True also where it cannot be told.
    """
    plain = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return _SELF.search(_REQUEST.sub(" ", plain)) is not None


_HALF = lazy_pattern("[\ud800-\udfff]")
_REQUEST = lazy_pattern(
    r"\b(?:(?:(?:how|what|where|when|why|which|that|if|so) )?"
    r"(?:(?:can|could|should|would|may|might|must|do|did|shall|will) i|i (?:can|could|should|may|might|must))|"
    r"(?:tell|give|show|help|let|remind|explain(?: to)?|send|teach|recommend(?: to)?) (?:me|us)|for me|"
    r"i(?:'d| would)? (?:want|like|love|need|wish)(?: you)? to (?:know|learn|understand|see|hear|find|read|ask|get)|"
    r"i(?:'m| am| was) (?:just |also |only )?(?:looking|wondering|asking|searching|interested|curious|sorry)|"
    r"i(?:'m| am| was) trying to (?:understand|learn|find|figure|know)|"
    r"i (?:guess|mean|see(?=[.,;!?]|$)|wonder|understand|suppose|think(?= (?:that|it|so|this|there)\b|[.,;!?]|$))|"
    r"my (?:question|next question)|(?:can|could|should|do|did|shall) we|let us|"
    r"thank(?:s| you)(?: for \w+ing (?:me|us))?)(?!\w)",
    re.IGNORECASE,
)
_SELF = lazy_pattern(
    r"\b(?:i|i'm|i've|i'd|i'll|im|ive|my|mine|me|myself|we|we're|we've|our|ours|us|ourselves|"
    r"ich|mir|mich|mein\w*|wir|unser\w*|je|j'\w+|moi|mon|mes|nous|notre|yo|mis|soy|estoy|tengo|io|sono|mio|mia|eu|meu|"
    r"minha|tenho|ik|mijn|jag|jeg)\b|\b(?:я|мой|моя|мне|меня)\b"
    r"|[我私僕俺]|あたし|わたし|ぼく|おれ|저는|나는|내\s|제\s|أنا|मैं|मेर",
    re.IGNORECASE,
)
