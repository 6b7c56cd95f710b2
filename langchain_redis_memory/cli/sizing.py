"""`size`: how large a server a deployment needs."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from langchain_redis_memory.cli.base import SET_UP, Json, app, plain_errors, say, show_json, show_table

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a time such as 12h or 30d")
    return float(match[1]) * _SECONDS[match[2]]


@app.command(rich_help_panel=SET_UP)
def size(
    users: Annotated[float, typer.Option(help="How many people use it, as in 1e6.")] = 10_000,
    turns_per_day: Annotated[float, typer.Option(help="Turns of one of them in a day.")] = 20,
    retention: Annotated[str, typer.Option(help="How long conversations are kept.")] = "30d",
    answers_ttl: Annotated[str, typer.Option(help="How long answers are cached.")] = "12h",
    characters: Annotated[float, typer.Option(help="Question and answer of a turn together.")] = 460,
    turns_per_conversation: Annotated[float, typer.Option(help="How many turns a conversation gets.")] = 20,
    cacheable: Annotated[float, typer.Option(help="Share of turns whose answer is cached.")] = 0.4,
    hit_rate: Annotated[float, typer.Option(help="Share of these that is served.")] = 0.3,
    semantic: Annotated[bool, typer.Option("--semantic", help="Answers are found by meaning, too.")] = False,
    threads: Annotated[bool, typer.Option("--threads", help="Turns are also turns of LangGraph threads.")] = False,
    peak: Annotated[float, typer.Option(help="How many times the mean the busiest minute has.")] = 4,
    processes: Annotated[int, typer.Option(min=1, help="Processes of the application.")] = 4,
    node_gib: Annotated[float, typer.Option(help="Memory of a node in GiB.")] = 16,
    replicas: Annotated[int, typer.Option(min=0, max=5, help="Replicas of each node.")] = 1,
    as_json: Json = False,
) -> None:
    """Work out memory, nodes, operations and connections for a number of users.

    Asks no server: arithmetic on measured bytes, see docs/operations.md.

    Example: langchain-redis-memory size --users 1e6 --turns-per-day 20 --retention 30d
    """
    from langchain_redis_memory.operate.sizing import Load
    from langchain_redis_memory.operate.sizing import size as sized

    with plain_errors():
        load = Load(
            users=users,
            turns_per_day=turns_per_day,
            retention_s=_seconds(retention),
            characters=characters,
            turns_per_conversation=turns_per_conversation,
            answers_ttl_s=_seconds(answers_ttl),
            cacheable=cacheable,
            hit_rate=hit_rate,
            semantic=semantic,
            threads=threads,
            peak=peak,
            processes=processes,
            node_bytes=node_gib * 2**30,
            replicas=replicas,
        )
        sizing = sized(load)
    if as_json:
        show_json({**sizing.__dict__, "bytes": sizing.bytes})
        return
    rows = [(part.name, round(part.count), round(part.each), f"{part.bytes / 2**30:,.1f}") for part in sizing.parts]
    show_table(f"Memory: {sizing.bytes / 2**30:,.1f} GiB", "of", "count", "bytes of one", "GiB", rows=rows)
    say(f"Peak: {sizing.turns_per_s:,.0f} turns a second, {sizing.trips_per_s:,.0f} round trips")
    masters = max(sizing.nodes_for_memory, sizing.nodes_for_work)
    why = "memory" if sizing.nodes_for_memory >= sizing.nodes_for_work else "work"
    copies = "1 replica" if replicas == 1 else f"{replicas} replicas"
    say(f"Nodes: {sizing.nodes} (masters: {masters}, for their {why}, each with {copies})")
    say(f"Connections to a node: {sizing.connections}")
