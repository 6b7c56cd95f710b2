"""The greetings and thanks around what a user says."""

from __future__ import annotations

import re

from langchain_redis_memory.language.english import straight
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_OPENING = lazy_pattern(
    r"^(?:(?:ok(?:ay)?|great|perfect|thanks(?: a lot| very much)?|thank you(?: so| very much)?|oh|ah|wow|cool|nice|well"
    r"|(?:hello|hi|hey)(?: there)?|good (?:morning|afternoon|evening|day)|alright|all right|hmm+|i see|got it"
    r"|(?:one more|another) (?:question|thing)|(?:a )?(?:quick )?question|sorry|excuse me|please)\b[\s,.!:;-]+)+(?=\S)",
    re.IGNORECASE,
)
_CLOSING = lazy_pattern(
    r"(?<![\s,.!])(?:[\s,.!]+(?:thanks(?: a lot| in advance)?|thank you(?: very much)?|please|okay|cheers))+[\s.!]*$",
    re.IGNORECASE,
)


def without_politeness(text: str) -> str:
    """Returns a user's words without greetings and thanks around them.

    Returns:
        The rest; all of it where it is nothing else.
    """
    text = " ".join(straight(text).split())
    return _CLOSING.sub("", _OPENING.sub("", text)) or text
