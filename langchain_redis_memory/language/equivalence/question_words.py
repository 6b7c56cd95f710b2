"""Question words and voice: the type of a question, the role of a "who", whether it is passive."""

from __future__ import annotations

import re

from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_WRITTEN = (
    ("how many", r"\bhow many\b"),
    ("how much", r"\bhow much\b"),
    ("how long", r"\bhow long\b"),
    ("how often", r"\bhow (?:often|frequently)\b"),
    ("how far", r"\bhow far\b"),
    ("how old", r"\bhow old\b"),
    ("how big", r"\bhow (?:big|tall|high|deep|wide|fast|heavy|good|bad|hard|difficult|easy|safe|effective)\b"),
    ("why", r"^(?:\W|\w+ ){0,2}?why\b"),
    ("how do", r"\bhow do i\b|^how do\b"),
    ("how", r"^(?:\W|and |so |but )*how\b|\bhow (?:does|do|is|are|can|did|was|will|would|has|have|should)\b"),
    (
        "when",
        r"^(?:\W|\w+ ){0,2}?when\b"
        r"(?! (?:\w+ing|(?:i|we|you|one|my|the|a|an)\b[^,]*,)[^?]*\b(?:why|what|how|where|who)\b)",
    ),
    ("where", r"^(?:\W|\w+ ){0,2}?where\b"),
    ("who", r"^(?:\W|\w+ ){0,2}?(?:who|whom|whose)\b"),
    ("can", r"^can i\b"),
    ("what", r"^(?:\W|\w+ ){0,3}?(?:what|which)\b"),
    ("polar", r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must|am)\b"),
    ("why", r"\bwhy\b"),
    ("what", r"\b(?:what|which)\b"),
)
_TYPES = tuple((name, lazy_pattern(written)) for name, written in _WRITTEN)
_AGENT = lazy_pattern(
    r"\b(?:is|are|was|were|be|been|being)(?: \w+){0,2} "
    r"(?:\w+ed|\w+en|made|done|built|sold|won|shot|held|led|told|sung|said|kept|lost|found|bought|taught|caught|cut|hit|"
    r"put|read|run)\b(?: \w+){0,4} by\b"
)
_WHO_PASSIVE = lazy_pattern(
    r"\bwho (?:is|was|were|are|got|has been|had been|will be) (?:\w+ed|\w+en|shot|sent|won|hit|led)\b"
)
_WHO_BY = lazy_pattern(r"\bby whom\b|\bwho\b.*\bby$")
_OPENS = lazy_pattern(
    r"(?:who|whom|whose|what|which|when|where|why|how|is|are|was|were|do|does|did|can|could|will|would|should)\b"
)

GENERIC = frozenset({"how do", "can", "how", "where", "what", "why"})
"""Types whose "I" and "you" mean anybody."""


def question_type(text: str, asks: bool) -> str:
    """Returns the type of a question.

    Returns:
        A question word such as "how many"; "polar" for a yes-no question, else "ask" or "tell".
    """
    found = (name for name, pattern in _TYPES if pattern.search(text))
    return next(found, "ask" if asks else "tell")


def who_role(text: str) -> str:
    """Returns what a "who" stands for.

    Returns:
        "subject" for the one who does, "object" for the one to whom it is done; empty where unknown.
    """
    if "who" not in text:
        return ""
    if _WHO_BY.search(text):
        return "subject"
    if re.search(r"\bwhom\b|\bwho (?:did|does|do) (?!not\b)", text) or _WHO_PASSIVE.search(text):
        return "object"
    if re.search(r"\bwho (?:has|have|had|will|would|can|should) (?:the|a|my|your|his|he|she|they|i|you|we)\b", text):
        return "object"
    return "subject" if re.search(r"\bwho (?!is\b|was\b|are\b|were\b|am\b)", text) else ""


def is_passive(text: str) -> bool:
    """Returns whether a text is passive and names the agent: "was written by Kafka"."""
    return _AGENT.search(text) is not None


def opens_a_question(text: str) -> bool:
    """Returns whether a text begins as questions do."""
    return _OPENS.match(text) is not None
