"""The command line: `demo` and `chat` on real text, `replay` on recorded conversations, `info` on a server.

Everything heavy loads when its command runs. Errors of this package are one line on stderr, without a traceback, and
the exit code says what kind: 1 where the command cannot do what it was asked, 2 where the server cannot be reached.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import uuid4

import typer
from rich.markup import escape

from langchain_redis_memory import __version__
from langchain_redis_memory.cli.console import Url, console, plain_errors, progress_bar
from langchain_redis_memory.cli.migrate import migrate
from langchain_redis_memory.errors import RedisMemoryError

if TYPE_CHECKING:
    from langchain_redis_memory.cli.replay import ReplayReport
    from langchain_redis_memory.conversation.memory import ConversationMemory
    from langchain_redis_memory.conversation.runnable import RememberingRunnable
    from langchain_redis_memory.conversation.turn import TurnReport

app: typer.Typer = typer.Typer(
    name="langchain-redis-memory",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="PROVIDER:NAME", help="Any LangChain chat model instead of the extractive one."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(f"langchain-redis-memory {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Memory and caching for LangChain on the Redis you already have.

    Exit codes: 0 done; 1 it cannot do what was asked; 2 wrong usage, or no server.

    Example: langchain-redis-memory demo
    """


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
        msg = f"--model {name!r} cannot be used: {error}"
        raise ConfigError(msg) from error


def _chain(url: str, model: str | None, reports: list[TurnReport]) -> tuple[ConversationMemory, RememberingRunnable]:
    """The retrieval chain of `chat`: documentation strings, local embeddings, a memory around a model."""
    from langchain_redis_memory.cli.demo.corpus import DocstringRetriever, chunks
    from langchain_redis_memory.conversation.memory import ConversationMemory
    from langchain_redis_memory.redis.client.client import Client
    from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

    client = Client.from_url(url)
    server = client.server()
    console.print(f"server: [bold]{escape(client.url)}[/] ({server.flavour} {server.version})")
    embeddings = MiniLMEmbeddings()
    answerer = _model(model, embeddings)
    console.print(
        f"model:  [bold]{escape(model or 'extractive')}[/]" + ("" if model else " (quotes the documents; no key)")
    )
    documents = chunks()
    with progress_bar() as bar:
        task = bar.add_task("embedding the standard library's docstrings", total=len(documents))
        retriever = DocstringRetriever.build(embeddings, documents, lambda done: bar.advance(task, done))
    memory = ConversationMemory(client, embeddings=embeddings, on_turn=reports.append)
    return memory, memory.wrap(answerer, retriever, scope=f"demo:{model or 'extractive'}:{uuid4()}")


_INTRO = """\
Two users, ana and ben, talk to one assistant of a clinic, in turns.
ours:  what ConversationMemory answered (hit: from its cache; miss: made and
       cached; bypass: never cached), and its round trips to the server.
naive: what a cache keyed on the last utterance alone would have said.
"""


@app.command()
def demo(redis: Url = "memory://") -> None:
    """Two users talk to one assistant: see what is cached, beside a cache keyed on the last utterance.

    Example: langchain-redis-memory demo --redis redis://localhost:6379/0
    """
    from langchain_core.runnables import RunnableLambda

    from langchain_redis_memory.cli import local
    from langchain_redis_memory.cli.demo.clinic import Clinic, find
    from langchain_redis_memory.cli.demo.show import WIDTH, Comparison
    from langchain_redis_memory.conversation.memory import ConversationMemory
    from langchain_redis_memory.redis.client.client import Client

    with plain_errors():
        reports: list[TurnReport] = []
        run, shown = uuid4(), Comparison()
        embeddings = None
        if local.local_model():
            from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

            embeddings = MiniLMEmbeddings()
        with Client.from_url(redis) as client:
            client.server()
            memory = ConversationMemory(client, embeddings=embeddings, ttl_s=600, on_turn=reports.append)
            chat = memory.wrap(RunnableLambda(Clinic().answer), RunnableLambda(find), scope=f"demo:{run}")
            console.print(_INTRO, highlight=False)
            for line in (resources.files(__package__ or "") / "demo" / "conversations.jsonl").read_text().splitlines():
                turn = json.loads(line)
                user = turn["user"]
                configurable, metadata = {"session_id": f"demo-{run}-{user}"}, {"user_id": user}
                chat.invoke(turn["says"], config={"configurable": configurable, "metadata": metadata})
                for text in shown.turn(user, reports[-1], turn["expects"]):
                    console.print(text, highlight=False)
        if embeddings is None:
            console.print(
                "\nQuestions in other words hit with: pip install 'langchain-redis-memory[local]'", markup=False
            )
        console.print()
        console.print(textwrap.fill(shown.conclusion(), WIDTH), style="bold", highlight=False)


@app.command()
def chat(
    redis: Url = "memory://",
    model: Model = None,
    session: Annotated[str, typer.Option(help="The conversation to go on with.")] = "chat",
) -> None:
    """Talk to an assistant on Python's standard library yourself; every answer says what was decided and why.

    Example: langchain-redis-memory chat --redis redis://localhost:6379/0 --session ana
    """
    with plain_errors():
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
    file: Annotated[
        Path | None, typer.Argument(help="JSONL: conv, question, and optionally turn, rewrite, answer, paraphrase.")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Replay the sample that comes with the package.")] = False,
    redis: Url = "memory://",
    users: Annotated[int, typer.Option(min=1, max=100, help="One plays, the next repeats, the next paraphrases.")] = 3,
    risk: Annotated[str, typer.Option(help="Shares of errors to keep to; one run for each.")] = "0.01,0.02,0.05,0.1",
    cache: Annotated[
        str | None, typer.Option(help="semantic or exact; semantic where the extra 'local' is installed.")
    ] = None,
    classifier: Annotated[str, typer.Option(help="linguistic, or embedding (extra 'local').")] = "linguistic",
    answerer: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="A function or runnable that answers, instead of what was recorded."),
    ] = None,
    seconds_per_answer: Annotated[
        float | None, typer.Option(min=0, help="What an answer takes; else measured with --answerer, else 1 s.")
    ] = None,
    share_rewrites: Annotated[bool, typer.Option(help="Cache dependent turns under what they mean.")] = False,
    seed: Annotated[int, typer.Option(help="Draws the order and the wordings.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML page.")] = None,
) -> None:
    """Replay recorded conversations: the hits, the wrong ones among them, and what it saves, at several risk levels.

    Run this on your own logs before you go live. Several users have each
    conversation, interleaved: one as it was recorded, the next repeats it, the
    one after that says it in other words. Where a line has a rewrite (the
    question as it would be asked alone) every serve is judged by it, and wrong
    ones are listed with both conversations; else hits from other conversations
    are listed for you to judge. Beside it: what a cache would do whose key is
    the last utterance. Nothing is left on the server; on a cluster it expires
    within the hour.

    Example: langchain-redis-memory replay --sample --html report.html
    """
    from langchain_redis_memory.cli import replay as replaying
    from langchain_redis_memory.cli.replay.html import page
    from langchain_redis_memory.cli.replay.table import table
    from langchain_redis_memory.errors import ConfigError
    from langchain_redis_memory.redis.client.client import Client

    with plain_errors():
        if (file is None) != sample:
            msg = "give one FILE to replay, or --sample"
            raise ConfigError(msg)
        assumed = seconds_per_answer if seconds_per_answer is not None or answerer else replaying.ASSUMED_S
        settings = replaying.Settings(
            users,
            seed,
            _shares(risk),
            cast("Any", cache or ("semantic" if replaying.local_model() else "exact")),
            cast("Any", classifier),
            share_rewrites,
            assumed,
        )
        answers = replaying.answerer(answerer) if answerer else replaying.recorded
        for wanted in filter(None, (json_file, html_file)):
            if not wanted.parent.is_dir() or wanted.is_dir():
                msg = f"cannot write {wanted}: {'it is' if wanted.is_dir() else 'there is no such'} directory"
                raise ConfigError(msg)
        conversations, damaged = replaying.read(file or replaying.SAMPLE)
        with Client.from_url(redis, prefix=f"lrm-replay-{uuid4()}") as client:
            client.server()  # what is wrong with it is said before any bar is shown
            with progress_bar() as bar:

                def begin(stage: str, steps: int) -> Callable[[], None]:
                    task = bar.add_task(stage, total=steps)
                    return lambda: bar.advance(task)

                report = replaying.measure(client, conversations, settings, answers, begin)
        report.damaged = damaged
        console.print(table(report))
        console.print(report.conclusion, style="bold", highlight=False, markup=False)
        _say_more(report)
        if json_file:
            json_file.write_text(json.dumps(report.as_dict(), indent=1, ensure_ascii=False), "utf-8")
        if html_file:
            html_file.write_text(page(report), "utf-8")


def _shares(text: str) -> tuple[float, ...]:
    from langchain_redis_memory.errors import ConfigError

    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        msg = f"--risk is a list of shares such as 0.01,0.05; got {text!r}"
        raise ConfigError(msg) from error


def _say_more(report: ReplayReport) -> None:
    """The first damaged lines and wrong serves; a report in a file has all of them."""
    console.print(f"damaged lines skipped: {len(report.damaged)}")
    for fault in report.damaged[:20]:
        console.print(f"[yellow]line {fault.line} skipped:[/] {escape(fault.why)}")
    if len(report.damaged) > 20:
        console.print(f"[yellow]... and {len(report.damaged) - 20} more[/]")
    for outcome in report.levels:
        for serve in outcome.wrong[:5]:
            one, other = serve.asked, serve.made_for
            console.print(
                f"[red]wrong:[/] {outcome.name}: {escape(one.session)} asked {escape(repr(one.text))} (meaning "
                f"{escape(repr(one.meaning))}) and got what {escape(other.session)} got for {escape(repr(other.text))} "
                f"(meaning {escape(repr(other.meaning))})"
            )
        if len(outcome.wrong) > 5:
            console.print(
                f"[red]... and {len(outcome.wrong) - 5} more wrong ones at {outcome.name}[/]; see --json, --html"
            )


@app.command()
def info(
    url: Annotated[str | None, typer.Argument(metavar="[URL]", help="The server. Default: REDIS_URL.")] = None,
    redis: Annotated[str | None, typer.Option("--redis", metavar="URL", help="The same as an option.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """What the server is and can do.

    Example: langchain-redis-memory info redis://localhost:6379/0 --json
    """
    from langchain_redis_memory.errors import ConfigError
    from langchain_redis_memory.redis.client.client import Client

    with plain_errors():
        if url is not None and redis is not None:
            msg = "give the URL once: as an argument or as --redis"
            raise ConfigError(msg)
        client = Client.from_url(url if url is not None else redis)
        server = client.server()
        health = client.health()
        if as_json:
            can = {"vector_sets": server.vector_sets, "query_engine": server.query_engine}
            typer.echo(json.dumps({**asdict(health), **can}, indent=1))
            return
        console.print(f"{escape(client.url)}: {server.flavour} {server.version}")
        console.print(f"vector sets: {'yes' if server.vector_sets else 'no'}")
        console.print(f"query engine: {'yes' if server.query_engine else 'no'}")
        console.print(f"vectors are searched by: {health.engine}")
        console.print(f"maxmemory-policy: {health.eviction or 'unknown'}")
        console.print(f"round trip: {1000 * (health.round_trip_s or 0):.2f} ms")
        for warning in health.warnings:
            console.print(f"[yellow]{escape(warning)}[/]")


app.command()(migrate)
