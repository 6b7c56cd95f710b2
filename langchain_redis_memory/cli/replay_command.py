"""`replay`: recorded conversations, with the hits and the wrong ones among them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import uuid4

import typer
from rich.markup import escape

from langchain_redis_memory.cli.base import TRY, Url, app, console, plain_errors, progress_bar

if TYPE_CHECKING:
    from langchain_redis_memory.cli.replay import ReplayReport


@app.command(rich_help_panel=TRY)
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
            raise ConfigError("give one FILE to replay, or --sample")
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
        conversations, damaged = replaying.read_conversations(file or replaying.SAMPLE)
        with Client.from_url(redis, prefix=f"lrm-replay-{uuid4()}") as client:
            client.server()  # what is wrong with it is said before any bar is shown
            with progress_bar() as progress:

                def begin(stage: str, steps: int) -> Callable[[], None]:
                    task = progress.add_task(stage, total=steps)
                    return lambda: progress.advance(task)

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
        raise ConfigError(f"--risk is a list of shares such as 0.01,0.05; got {text!r}") from error


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
