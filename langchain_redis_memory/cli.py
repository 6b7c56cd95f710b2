"""The command line: `demo` and `chat` on real text, `replay` on recorded conversations, `info` on a server.

Everything heavy loads when its command runs. Errors of this package are printed as one line, without a traceback.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from langchain_redis_memory.errors import RedisMemoryError

if TYPE_CHECKING:
    from langchain_redis_memory.memory import ConversationMemory
    from langchain_redis_memory.turn import TurnReport
    from langchain_redis_memory.wrap import RememberingRunnable

app = typer.Typer(
    name="langchain-redis-memory",
    help="Memory and caching for LangChain on the Redis you already have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
console = Console()
if not console.is_terminal:
    console = Console(width=120)

Url = Annotated[str, typer.Option("--redis", metavar="URL", help="The server; memory:// needs none.")]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="PROVIDER:NAME", help="Any LangChain chat model instead of the extractive one."),
]


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except RedisMemoryError as error:
        console.print(f"[bold red]{type(error).__name__}:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from error


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _model(name: str | None, embeddings: Any) -> Any:
    if name is None:
        from langchain_redis_memory.demo.answerer import ExtractiveAnswerer

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
        msg = f"--model {name!r} cannot be used: {error}"
        raise ConfigError(msg) from error


def _chain(url: str, model: str | None, reports: list[TurnReport]) -> tuple[ConversationMemory, RememberingRunnable]:
    """The demo's retrieval chain: documentation strings, local embeddings, a memory around a model."""
    from langchain_redis_memory.client import Client
    from langchain_redis_memory.demo.corpus import DocstringRetriever, chunks
    from langchain_redis_memory.local import MiniLMEmbeddings
    from langchain_redis_memory.memory import ConversationMemory

    client = Client.from_url(url)
    server = client.server()
    console.print(f"server: [bold]{escape(client.url)}[/] ({server.flavour} {server.version})")
    embeddings = MiniLMEmbeddings()
    answerer = _model(model, embeddings)
    console.print(
        f"model:  [bold]{escape(model or 'extractive')}[/]" + ("" if model else " (quotes the documents; no key)")
    )
    documents = chunks()
    with _bar() as bar:
        task = bar.add_task("embedding the standard library's docstrings", total=len(documents))
        retriever = DocstringRetriever.build(embeddings, documents, lambda done: bar.advance(task, done))
    memory = ConversationMemory(client, embeddings=embeddings, on_turn=reports.append)
    return memory, memory.wrap(answerer, retriever, scope=f"demo:{model or 'extractive'}:{uuid4()}")


@app.command()
def demo(redis: Url = "memory://", model: Model = None) -> None:
    """Two users talk to one assistant: watch what is searched, remembered, cached, and why."""
    from langchain_redis_memory.demo.show import Board

    with _plain_errors():
        reports: list[TurnReport] = []
        _, chat = _chain(redis, model, reports)
        script = resources.files(__package__ or "langchain_redis_memory") / "demo" / "conversations.jsonl"
        said = [json.loads(line) for line in script.read_text("utf-8").splitlines()]
        board, run = Board(), uuid4()
        live = console.is_terminal
        with Live(console=console, auto_refresh=False, transient=True) as screen:
            for turn in said:
                session = f"demo-{run}-{turn['user']}"
                chat.invoke(turn["says"], config={"configurable": {"session_id": session}})
                board.turns.append((turn["user"], reports[-1]))
                if live:
                    screen.update(board.table(console.width, newest=max(4, console.height // 3 - 2)), refresh=True)
        console.print(board.table(console.width))
        console.print(board.totals())
        console.print(
            "Yours: [bold]ConversationMemory(url).wrap(chain, retriever)[/]. "
            "Try [bold]langchain-redis-memory chat[/], or [bold]replay FILE.jsonl[/] on recorded conversations."
        )


@app.command()
def chat(
    redis: Url = "memory://",
    model: Model = None,
    session: Annotated[str, typer.Option(help="The conversation to go on with.")] = "chat",
) -> None:
    """Talk to the demo's assistant yourself; every answer says what was decided and why."""
    with _plain_errors():
        reports: list[TurnReport] = []
        memory, assistant = _chain(redis, model, reports)
        console.print("Ask about Python's standard library. [dim]/history, /clear, /quit[/]")
        while True:
            try:
                said = console.input("[bold cyan]you>[/] ").strip()
            except (EOFError, KeyboardInterrupt):
                console.print()
                return
            if said in {"/quit", "/exit"}:
                return
            if said == "/history":
                for message in memory.history(session).messages:
                    console.print(f"[dim]{message.type}:[/] {escape(str(message.text))}")
            elif said == "/clear":
                memory.history(session).clear()
            elif said:
                _converse(assistant, said, session, reports)


def _converse(assistant: RememberingRunnable, said: str, session: str, reports: list[TurnReport]) -> None:
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


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="JSONL: conv, question, and optionally turn, rewrite, answer.")],
    redis: Url = "memory://",
    users: Annotated[int, typer.Option(min=1, max=100, help="How many users have each conversation.")] = 2,
) -> None:
    """Replay recorded conversations: the decisions, the hits, and the wrong ones among them."""
    from langchain_redis_memory.client import Client
    from langchain_redis_memory.demo.replay import Outcome, read
    from langchain_redis_memory.demo.replay import replay as run
    from langchain_redis_memory.memory import ConversationMemory

    with _plain_errors():
        conversations, damaged = read(file)
        client = Client.from_url(redis, prefix=f"lrm-replay-{uuid4()}")
        client.server()  # a memory goes on without its server, but a replay would measure nothing
        memory = ConversationMemory(client, ttl_s=3600, answer_ttl_s=3600)
        outcome = Outcome()
        with _bar() as bar:
            task = bar.add_task("replaying", total=users * sum(map(len, conversations)))
            for _, _, so_far in run(memory, conversations, users):
                outcome = so_far
                bar.advance(task)
        outcome.damaged = damaged
        console.print(_replayed(outcome, len(conversations), users))
        for fault in damaged[:20]:
            console.print(f"[yellow]line {fault.line} skipped:[/] {escape(fault.why)}")
        if len(damaged) > 20:
            console.print(f"[yellow]... and {len(damaged) - 20} more[/]")
        for session, question, rewrite, source in outcome.wrong[:10]:
            console.print(
                f"[red]wrong:[/] {escape(session)} asked {question!r} (meaning {rewrite!r}) "
                f"and got the answer to {source!r}"
            )


def _replayed(outcome: Any, conversations: int, users: int) -> Table:
    table = Table(title=f"{conversations} conversations, {users} users each: {outcome.turns} turns", box=None)
    table.add_column("what")
    table.add_column("turns", justify="right")
    table.add_column("share", justify="right")

    def row(what: str, count: int, whole: int) -> None:
        table.add_row(what, str(count), f"{100 * count / whole:.1f} %" if whole else "-")

    for kind, count in sorted(outcome.types.items()):
        row(str(kind), count, outcome.turns)
    for decision in ("hit", "miss", "bypass", "off"):
        row(f"cache: {decision}", outcome.cache[decision], outcome.turns)
    row("wrong serves, of the judged hits", len(outcome.wrong), outcome.judged)
    row("context-dependent turns (by their rewrites)", outcome.dependent, outcome.turns)
    row("  taken for self-contained, of these", outcome.unsafe, outcome.dependent)
    row("damaged lines skipped", len(outcome.damaged), 0)
    table.add_row("tokens saved", str(outcome.tokens_saved), "")
    table.add_row("ms a turn", f"{1000 * outcome.seconds / max(1, outcome.turns):.2f}", "")
    return table


@app.command()
def info(
    redis: Annotated[str | None, typer.Option("--redis", metavar="URL", help="Default: REDIS_URL.")] = None,
) -> None:
    """What the server is and can do."""
    from langchain_redis_memory.client import Client

    with _plain_errors():
        client = Client.from_url(redis)
        server = client.server()
        console.print(f"{escape(client.url)}: {server.flavour} {server.version}")
        console.print(f"vector sets: {'yes' if server.vector_sets else 'no'}")
        console.print(f"query engine: {'yes' if server.query_engine else 'no'}")
