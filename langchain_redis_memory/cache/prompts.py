"""Reads a prompt as LangChain passes it to a cache: the messages of the conversation, with their roles.

For a chat model the prompt is the list of messages as JSON, for a language model a plain text. `read` takes either
apart without building any object from it. What is not understood has no question, and is then never matched by meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from string import Formatter
from typing import Any, NamedTuple

from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from langchain_redis_memory.errors import ConfigError, CorruptDataError
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.redis.codec.elements import check_json

_ROLES = {
    "HumanMessage": "human",
    "AIMessage": "ai",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "tool",
    "ChatMessage": "chat",
}
_NAMES_MODEL = (
    r"""(?:"(?:model_name|model|model_id|deployment_name|azure_deployment)": "|"""
    r"""\('(?:model_name|model|model_id|deployment_name)', ')([^"']{1,100})["']"""
)


class PromptMessage(NamedTuple):
    """One message of a prompt.

    Args:
        role: "human", "ai", "system", "tool" or "chat".
        text: Its text.
        more: Whatever else a model sees of it, as JSON; "" for nothing.
    """

    role: str
    text: str
    more: str = ""

    @property
    def of_tools(self) -> bool:
        """Whether it calls a tool or is what a tool gave."""
        return self.role == "tool" or _CALLS_TOOL.search(self.more) is not None


_CALLS_TOOL = lazy_pattern('"(?:(?:invalid_)?tool_calls|function_call|tool_use|tool_call)"')


class Prompt(NamedTuple):
    """A prompt taken apart.

    Args:
        system: The texts of the system messages.
        history: What was said before the question, oldest first.
        question: The user's last words; None where the prompt does not end with words of the user's alone.
        system_more: Whatever else a model sees of each system message, as JSON; "" for nothing.
    """

    system: tuple[str, ...]
    history: tuple[PromptMessage, ...]
    question: str | None
    system_more: tuple[str, ...] = ()

    def messages(self) -> list[BaseMessage]:
        """Returns the history as messages of user and model, for a classifier."""
        kinds = {"human": HumanMessage, "ai": AIMessage}
        return [kinds[said.role](said.text) for said in self.history if said.role in kinds]


@lru_cache(maxsize=16)
def parse_prompt(prompt: str) -> Prompt:
    """Takes a prompt apart; a miss and what is then stored ask for the same one several times."""
    if not prompt.startswith("[{") or '"lc"' not in prompt[:40]:
        return Prompt((), (), prompt if prompt.strip() else None)
    try:
        check_json(prompt)
        said = [_said(part) for part in json.loads(prompt)]
    except (CorruptDataError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return Prompt((), (), None)
    systems = [one for one in said if one.role == "system"]
    system, more = tuple(one.text for one in systems), tuple(one.more for one in systems)
    rest = tuple(one for one in said if one.role != "system")
    if not rest or rest[-1].role != "human" or rest[-1].more or not rest[-1].text.strip():
        return Prompt(system, rest, None, more)
    return Prompt(system, rest[:-1], rest[-1].text, more)


def asked_again(prompt: str) -> Any:
    """Rebuilds what a model was asked, to ask it again; no object is built from names in the prompt.

    Returns a text or messages of which LangChain makes that very prompt; None where that is not sure.
    """
    parsed = parse_prompt(prompt)
    if not prompt.startswith("[{"):
        return parsed.question
    if parsed.question is None or any(said.more for said in parsed.history) or any(parsed.system_more):
        return None
    question: list[BaseMessage] = [SystemMessage(text) for text in parsed.system]
    question += [*parsed.messages(), HumanMessage(parsed.question)]
    return question if dumps(question) == prompt else None


def _said(part: Mapping[str, Any]) -> PromptMessage:
    if part["lc"] != 1 or part["type"] != "constructor":
        raise ValueError("not a serialised message")
    role = _ROLES[part["id"][-1].removesuffix("Chunk")]
    fields = {name: value for name, value in part["kwargs"].items() if name not in _NOT_SEEN and value not in _EMPTY}
    content = fields.pop("content", "")
    text, others = (content, []) if isinstance(content, str) else _blocks(content)
    if others:
        fields["content"] = others
    if role == "chat":
        fields["role"] = part["kwargs"]["role"]
    return PromptMessage(role, text, json.dumps(fields, sort_keys=True) if fields else "")


_NOT_SEEN = {"type", "id", "response_metadata", "usage_metadata", "role", "artifact"}
"""What a model does not see of a message; the role is read by itself."""
_EMPTY: tuple[Any, ...] = (None, [], {}, "")


def _blocks(content: Sequence[Any]) -> tuple[str, list[Any]]:
    """Splits a list of blocks into its text and the blocks that are not text."""
    texts = [block if isinstance(block, str) else block.get("text") for block in content if _is_text(block)]
    return "\n".join(str(text) for text in texts), [block for block in content if not _is_text(block)]


def _is_text(block: Any) -> bool:
    if isinstance(block, str):
        return True
    named = isinstance(block, dict) and block.get("type", "text") == "text" and set(block) <= _TEXT_BLOCK
    return named and isinstance(block.get("text"), str)


_TEXT_BLOCK = {"type", "text", "id", "index"}


@lru_cache(maxsize=256)
def model_of(llm_string: str) -> str:
    """Finds a short name for the model that a string of LangChain's describes.

    Returns the model's own name where it is in there, else a digest.
    """
    if not llm_string:
        return ""
    if len(llm_string) <= 40 and re.fullmatch(r"[\w.:/@-]+", llm_string):
        return llm_string
    found = re.search(_NAMES_MODEL, llm_string)
    return found[1].encode("utf-8", "replace").decode() if found else "model-" + digest_of(llm_string).hex()[:8]


@lru_cache(maxsize=256)
def digest_of(text: str) -> bytes:
    """Computes a digest of 12 bytes, kept for texts that are seen again and again, such as a model's description."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()


class Template:
    """A prompt template, as a plain f-string: it tells the question from what stands around it.

    Args:
        text: The template, such as "Answer from {context}: {question}".
        question: The variable that holds the question; None takes the last one.

    Raises:
        ConfigError: It is not an f-string, lacks the variable, or has two variables with nothing between them.
    """

    def __init__(self, text: str, question: str | None = None) -> None:
        try:
            parts = list(Formatter().parse(text))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"the template is not an f-string: {error}") from None
        names = [name for _, name, _, _ in parts if name]
        self.question: str = question or (names[-1] if names else "")
        if self.question not in names:
            raise ConfigError(f"the template must have the variable {self.question or 'question'!r} in braces")
        # With a literal in front of each variable, "" at most at the start; the last literal ends the prompt.
        self._literals: list[str] = [""]
        self._names: list[str] = []
        for literal, name, _, _ in parts:
            self._literals[-1] += literal
            if name is not None:
                self._names.append(name)
                self._literals.append("")
        if "" in self._names:
            raise ConfigError("each variable of the template needs a name in its braces")
        if "" in self._literals[1:-1]:
            raise ConfigError("the template needs some text between its variables")
        self.text = text

    def split(self, prompt: str) -> tuple[str, dict[str, str]] | None:
        """Splits a prompt into the question and the other variables it was filled with.

        Args:
            prompt: A text.

        Returns:
            The question and the other variables; None where the prompt was not made from this template. Where a
            variable holds what stands between variables too, the question is only what is surely part of it: nothing
            of another variable is ever searched by meaning.
        """
        start, end = self._literals[0], self._literals[-1]
        if not prompt.startswith(start) or not prompt.endswith(end) or len(prompt) < len(start) + len(end):
            return None
        rest = prompt[len(start) : len(prompt) - len(end)]
        place, between = self._names.index(self.question), self._literals[1:-1]
        left, right = between[place - 1] if place else "", between[place] if place < len(between) else ""
        ends = rest.find(right) if right else len(rest)
        begins = rest.rfind(left) if left else 0
        question = rest[begins + len(left) : ends]
        if begins < 0 or ends < 0 or not question.strip():
            return None
        before = _filled(rest[:begins], self._names[:place], between[: max(place - 1, 0)])
        after = _filled(rest[ends + len(right) :], self._names[place + 1 :], between[place + 1 :])
        if before is None or after is None:
            return None
        values = {self.question: question}
        if any(values.setdefault(name, value) != value for name, value in before + after):
            return None
        del values[self.question]
        return question, values


def _filled(text: str, names: Sequence[str], literals: Sequence[str]) -> list[tuple[str, str]] | None:
    """Reads the variables between a template's literals; None where a literal is missing."""
    found = []
    for literal in literals:
        value, there, text = text.partition(literal)
        if not there:
            return None
        found.append(value)
    return list(zip(names, [*found, text], strict=False))
