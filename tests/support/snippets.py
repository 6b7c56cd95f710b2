"""The Python snippets of the documents: found with what they are said to print, and run page by page on `memory://`."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

from tests.support.meanings import WordEmbeddings

FENCE = re.compile(
    r"^(?P<in> *)```python[^\n]*\n(?P<code>.*?)^(?P=in)```\n(?:\s*^(?P=in)```text\n(?P<shown>.*?)^(?P=in)```\n)?",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN = re.compile(r"^# not run by the tests: (.+)")
SERVER = re.compile(r"(?:rediss?(?:\+\w+)?|memory)://[^\s\"',)]*")
"""What a snippet connects to; here each page has a server of its own in this process."""


class Model(BaseChatModel):
    """Any chat model: one that LangChain can describe, that can be given tools, and that answers at once."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        return ["tests", "snippets"]

    @property
    def _llm_type(self) -> str:
        return "snippets"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[getattr(tool, "name", str(tool)) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = AIMessage(f"An answer to: {messages[-1].text}", response_metadata={"finish_reason": "stop"})
        return ChatResult(generations=[ChatGeneration(message=message)])


@dataclass(frozen=True)
class Snippet:
    """A fenced block of Python: where it is, and what the block of text right behind it says that it prints."""

    page: str
    line: int
    code: str
    shown: str | None = None

    @property
    def not_run(self) -> str | None:
        """Why it is not run: it says so in its first line, for readers too."""
        if "create_deep_agent" in self.code and find_spec("deepagents") is None:
            return "deepagents needs Python 3.11"
        said = NOT_RUN.match(self.code)
        return said and said[1]


def snippets(path: Path, name: str) -> list[Snippet]:
    """The snippets of a page in order."""
    text = path.read_text("utf-8")
    return [
        Snippet(
            name,
            text.count("\n", 0, found.start()) + 2,
            dedent(found["code"]),
            None if found["shown"] is None else dedent(found["shown"]),
        )
        for found in FENCE.finditer(text)
    ]


def given(url: str) -> dict[str, Any]:
    """The names that pages use without making them: `docs/index.md` says what each stands for."""
    return {
        "__name__": "__main__",
        "url": url,
        "model": Model(),
        "embeddings": WordEmbeddings(384),
        "retriever": lambda query: [Document(f"about {query}", id="handbook-1")],
        "messages": [HumanMessage("Hello.", id="m1"), AIMessage("Hello, what can I do?", id="m2")],
    }


def run(page: list[Snippet], names_of: Callable[[str], dict[str, Any]] = given) -> list[tuple[Snippet, str]]:
    """Runs a page's snippets one after the other, as a reader would type them; gives what each printed."""
    url = f"memory://{uuid4().hex}"
    names = names_of(url)
    printed = []
    loop = asyncio.new_event_loop()
    try:
        for snippet in page:
            if snippet.not_run:
                continue
            code = "\n" * (snippet.line - 1) + SERVER.sub(url, snippet.code)
            block = compile(code, snippet.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                made = eval(block, names)
                if inspect.iscoroutine(made):
                    loop.run_until_complete(made)
            printed.append((snippet, out.getvalue()))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    return printed
