"""`demo` and `chat`: the memory on real text, with what was decided beside each answer."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer
from rich.markup import escape

from langchain_redis_memory.cli.base import TRY, Json, Url, app, console, plain_errors, progress_bar
from langchain_redis_memory.errors import RedisMemoryError

if TYPE_CHECKING:
    from langchain_redis_memory.conversation.memory import ConversationMemory
    from langchain_redis_memory.conversation.runnable import RememberingRunnable
    from langchain_redis_memory.conversation.turn import TurnReport

Model = Annotated[
    str | None,
    typer.Option("--model", metavar="PROVIDER:NAME", help="Any LangChain chat model instead of the extractive one."),
]


def _model(name: str | None, embeddings: Any) -> Any:
    if name is None:
        from langchain_redis_memory.cli.demo.answerer import ExtractiveAnswerer

        return ExtractiveAnswerer(embeddings=embeddings)
    from langchain_redis_memory.errors import ConfigError

    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        msg = "--model needs langchain and the provider's package: pip install langchain langchain-openai"
        raise ConfigError(msg) from error
    try:
        return init_chat_model(name)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"--model {name!r} cannot be used: {error}") from error


def _chain(
    url: str, model: str | None, reports: list[TurnReport], *, quiet: bool
) -> tuple[ConversationMemory, RememberingRunnable[Any]]:
    """The retrieval chain of `chat`: documentation strings, local embeddings, a memory around a model."""
    from langchain_redis_memory.conversation.memory import ConversationMemory
    from langchain_redis_memory.redis.client.client import Client
    from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

    client = Client.from_url(url)
    server = client.server()
    embeddings = MiniLMEmbeddings()
    from langchain_redis_memory.cli.demo.corpus import DocstringRetriever, chunks  # which needs what the model needs

    answerer = _model(model, embeddings)
    if not quiet:
        console.print(f"server: [bold]{escape(client.url)}[/] ({server.flavour} {server.version})")
        made_by = "" if model else " (quotes the documents; no key)"
        console.print(f"model:  [bold]{escape(model or 'extractive')}[/]{made_by}")
    documents = chunks()
    with progress_bar() as progress:
        task = progress.add_task("embedding the standard library's docstrings", total=len(documents))
        retriever = DocstringRetriever.build(embeddings, documents, lambda done: progress.advance(task, done))
    memory = ConversationMemory(client, embeddings=embeddings, on_turn=reports.append)
    return memory, memory.wrap(answerer, retriever, scope=f"demo:{model or 'extractive'}:{uuid4()}")


_INTRO = """\
Two users, ana and ben, talk to one assistant of a clinic, in turns.
ours:  what ConversationMemory answered (hit: from its cache; miss: made and
       cached; bypass: never cached), and its round trips to the server.
naive: what a cache keyed on the last utterance alone would have said.
"""


@app.command(rich_help_panel=TRY)
def demo(redis: Url = "memory://", as_json: Json = False) -> None:
    """Two users talk to one assistant: see what is cached, beside a cache keyed on the last utterance.

    Example: langchain-redis-memory demo --redis redis://localhost:6379/0
    """
    from langchain_redis_memory.cli import local
    from langchain_redis_memory.cli.demo.play import play
    from langchain_redis_memory.cli.demo.show import WIDTH, Comparison
    from langchain_redis_memory.redis.client.client import Client

    with plain_errors():
        shown, embeddings = Comparison(), local.embeddings()
        with Client.from_url(redis) as client:
            client.server()
            if not as_json:
                console.print(_INTRO, highlight=False)
            for user, expects, report in play(client, embeddings):
                shown_lines = list(shown.turn(user, report, expects))
                if as_json:
                    said = {"user": user, **_reported(report), "shown": list(map(str, shown_lines))}
                    typer.echo(json.dumps(said, ensure_ascii=False))
                    continue
                for text in shown_lines:
                    console.print(text, highlight=False)
        if as_json:
            return
        if embeddings is None:
            console.print(
                "\nQuestions in other words hit with: pip install 'langchain-redis-memory[local]'", markup=False
            )
        console.print()
        console.print(textwrap.fill(shown.conclusion(), WIDTH), style="bold", highlight=False)


@app.command(rich_help_panel=TRY)
def chat(
    redis: Url = "memory://",
    model: Model = None,
    session: Annotated[str, typer.Option(help="The conversation to go on with.")] = "chat",
    as_json: Annotated[bool, typer.Option("--json", help="Print each answer as a line of JSON.")] = False,
) -> None:
    """Talk to an assistant on Python's standard library yourself; every answer says what was decided and why.

    Example: langchain-redis-memory chat --redis redis://localhost:6379/0 --session ana
    """
    with plain_errors():
        reports: list[TurnReport] = []
        memory, assistant = _chain(redis, model, reports, quiet=as_json)
        if not as_json:
            console.print("Ask about Python's standard library. [dim]/history, /clear, /quit[/]")
        while True:
            try:
                said = (input() if as_json else console.input("[bold cyan]you>[/] ")).strip()
            except (EOFError, KeyboardInterrupt):
                if not as_json:
                    console.print()
                return
            if said in {"/quit", "/exit"}:
                return
            if said == "/history":
                for message in memory.history(session).messages:
                    console.print(f"[dim]{message.type}:[/] {escape(str(message.text))}")
            elif said == "/clear":
                memory.history(session).clear()
            elif said and as_json:
                answer = assistant.invoke(said, config={"configurable": {"session_id": session}})
                typer.echo(json.dumps({"answer": str(answer.text), **_reported(reports[-1])}, ensure_ascii=False))
            elif said:
                _converse(assistant, said, session, reports)


def _converse(assistant: RememberingRunnable[Any], said: str, session: str, reports: list[TurnReport]) -> None:
    try:
        for chunk in assistant.stream(said, config={"configurable": {"session_id": session}}):
            console.print(escape(str(chunk.text)), end="")
    except RedisMemoryError as error:
        console.print(f"[bold red]{type(error).__name__}:[/] {escape(str(error))}")
        return
    report = reports[-1]
    console.print(
        f"\n[dim]{report.verdict.type}: {escape('; '.join(report.verdict.reasons))} | "
        f"memory {len(report.memory)} messages, {report.memory_tokens} tokens | cache {report.cache} | "
        f"{report.trips} trips | {report.seconds * 1000:.1f} ms[/]"
    )


def _reported(report: TurnReport) -> dict[str, Any]:
    return {
        "question": report.question,
        "type": str(report.verdict.type),
        "why": list(report.verdict.reasons),
        "cache": report.cache,
        "trips": report.trips,
        "seconds": report.seconds,
    }
