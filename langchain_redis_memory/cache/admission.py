"""Admission: decides which answers may enter a cache; a bad answer that is cached would be served again and again.

Refused are answers that are empty, cut off (by length or a content filter, as the provider says), that look like an
error, or are too large. Whether a call of a tool may be kept is the cache's own question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, Generation

from langchain_redis_memory.cache.provider_tools import provider_tools
from langchain_redis_memory.checks import check_bounds
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.frozen import Frozen

_ENDINGS = ("finish_reason", "stop_reason", "stopReason", "done_reason", "status")
"""Where providers say why an answer ended."""
_WHOLE = set("stop end_turn stop_sequence eos eos_token complete completed success end finished".split())
_CALLING = set("tool_calls tool_use function_call tool_call".split())
_SAYS = (
    r"(?:fatal|internal|server|api|runtime|system|network|connection|timeout|authentication|validation|http|unknown)"
)
_NOTHING = r"(?!\s*(?:null|none|false|0|\"\"|''|\[\]|\{\})\s*[,}])"
_UNABLE = (
    r"(?:can(?:no|['\u2019])?t|could(?: not|n['\u2019]t)|(?:am|are|is|was|were)(?: not|n['\u2019]t) able|unable"
    r"|failed to|unavailable|overloaded)"
)
_ERROR = (
    rf"^\W*(?:(?:(?!terror)[\w.]*|{_SAYS} )(?:error|exception)(?:[\"']?\s*:{_NOTHING}|\s*(?:code\b|\d|$))"
    r"|traceback \(most recent call last\)"
    r"|(?:http )?(?:status )?[45]\d\d\b[ :-]+(?:bad (?:request|gateway)|unauthori|forbidden\b|not found\b"
    r"|too many requests|internal server|service (?:temporarily )?unavailable|gateway time)"
    r"|(?:internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|too many requests)\b"
    r"|rate limit (?:reached|exceeded)|(?:request|connection|operation) timed out"
    r"|an? (?:unexpected |internal |unknown )?error (?:has )?occurred"
    r"|(?:(?:i.?m|we.?re) )?(?:oops|sorry)[,!. ]+(?:but )?something went wrong"
    rf"|[\w,'\u2019 ]{{0,60}}\b{_UNABLE}\b[^.!?\n]{{0,80}}"
    r"(?:\bright now|\bat (?:the moment(?! (?:of|that|when))|this time)"
    r"|[.,;!]? ?(?:please )?try (?:it |this )?again)\b)"
)
_OF_ERRORS = "error exception traceback 4 5 gateway unavailable many limit timed wrong now moment time again".split()
"""Of these one is in every text that `_ERROR` finds, so that it is compiled for the first text that has one."""


class AdmissionPolicy(Frozen):
    """Decides whether an answer may be cached.

    Args:
        max_bytes: Most bytes of an answer's text in UTF-8, and of whatever else its message holds; None for no bound.
        errors: A regular expression for answers that are error messages (searched without regard to case); None for
            none.
        truncated: Whether answers may be kept that the provider says it cut off.
        tool_calls: Whether answers may be kept that call a tool.
        unrepeatable: Whether `RedisCache` may keep answers to prompts that clearly ask for an effect, for something
            other than before, or for what changes by itself, which `RedisSemanticCache` never does; and whether answers
            may be kept for which the model's provider ran a tool by itself (a search of the web, a remote MCP server).

    Raises:
        InvalidInputError: The bound is not positive, or the expression cannot be read.
    """

    max_bytes: int | None = 1_000_000
    errors: str | None = _ERROR
    truncated: bool = False
    tool_calls: bool = True
    unrepeatable: bool = False

    def __post_init__(self) -> None:
        check_bounds(max_bytes=self.max_bytes)
        if self.errors is _ERROR:  # which takes 2 ms to compile: a process that only looks up needs it not
            return
        try:
            re.compile(self.errors or "")
        except (re.error, TypeError) as error:
            raise InvalidInputError(f"errors must be a regular expression: {error}") from None

    def refusal(self, generations: Sequence[Generation]) -> str | None:
        """Checks whether an answer may be cached, so that a broken or empty one is never served again.

        Args:
            generations: The answer.

        Returns:
            The reason against it: one of "empty", "truncated", "error", "oversize", "tool_call"; None where it may.
        """
        if not generations:
            return "empty"
        reasons = (self._refusal(generation) for generation in generations)
        return next((reason for reason in reasons if reason), None)

    def _refusal(self, generation: Generation) -> str | None:
        message = generation.message if isinstance(generation, ChatGeneration) else None
        metadata = {**(generation.generation_info or {}), **(message.response_metadata if message else {})}
        text = str(generation.text if message is None else message.text)
        calls = message is not None and _calls(message)
        ran = message is not None and not self.unrepeatable and provider_tools(message)
        if ran or (calls and not self.tool_calls):
            return "tool_call"
        if not text.strip() and not calls and not _has_content(message):
            return "empty"
        if not self.truncated and not all(_whole(metadata.get(name)) for name in _ENDINGS):
            return "truncated"
        if self.max_bytes is not None and _size(text, message) > self.max_bytes:
            return "oversize"
        if not calls and self._is_error(text[:300]):
            return "error"
        return None

    def _is_error(self, text: str) -> bool:
        if self.errors is _ERROR and text.isascii():
            low = text.lower()
            if not any(word in low for word in _OF_ERRORS):
                return False
        return bool(self.errors and re.search(self.errors, text, re.IGNORECASE))


def _whole(ending: Any) -> bool:
    return not ending or str(ending).lower() in _WHOLE or str(ending).lower() in _CALLING


def _calls(message: BaseMessage) -> bool:
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        return True
    return "function_call" in message.additional_kwargs


def _has_content(message: BaseMessage | None) -> bool:
    """Checks whether there is something else than text, such as an image."""
    if message is None or isinstance(message.content, str):
        return False
    return any(isinstance(block, dict) and block.get("type") not in {"text", None} for block in message.content)


def _size(text: str, message: BaseMessage | None) -> int:
    size = len(text.encode("utf-8", "surrogatepass"))
    if message is not None:
        others = [] if isinstance(message.content, str) else message.content
        more = (others, message.additional_kwargs, getattr(message, "tool_calls", None))
        size += sum(len(repr(part)) for part in more if part)
    return size


def worth_keeping(value: Any) -> bool:
    """Returns whether a chain's answer may be cached: only one that is whole, not empty, no error and calls no tool."""
    if isinstance(value, str):
        return _STRICT.refusal([Generation(text=value)]) is None
    if not isinstance(value, AIMessage) or not str(value.text).strip():
        return False
    ends = [value.response_metadata.get(name) for name in _ENDINGS]
    if not all(end is None or str(end).lower() in _WHOLE for end in ends):
        return False
    return _STRICT.refusal([ChatGeneration(message=value)]) is None


_STRICT = AdmissionPolicy(tool_calls=False, unrepeatable=True)  # which tools ran is told by who watches the run
