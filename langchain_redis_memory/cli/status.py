"""`status`, `doctor`, `stats`: how the server and the caches are, and what is stored."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from langchain_redis_memory.cli.base import (
    LOOK,
    NOT_WELL,
    AnyTenant,
    Json,
    Prefix,
    Redis,
    app,
    console,
    opened,
    say,
    show_json,
    show_table,
    size,
    waiting,
)

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "dim"}

Sample = Annotated[int, typer.Option(min=0, help="How many keys of each kind are measured.")]
Most = Annotated[int, typer.Option(min=1, help="How many keys are looked at.")]


@app.command(rich_help_panel=LOOK)
def status(
    redis: Redis = None,
    tenant: AnyTenant = None,
    prefix: Prefix = None,
    target: Annotated[
        str,
        typer.Option(
            metavar="NAMESPACE=SHARE,...",
            envvar="REDIS_MEMORY_HIT_RATE_TARGETS",
            help="Hit rates that caches should have, as in 'values/*=0.7,answers/*=0.3'.",
        ),
    ] = "",
    enough: Annotated[int, typer.Option(min=1, help="Look-ups that a cache must have had to be judged.")] = 100,
    as_json: Json = False,
) -> None:
    """Whether the server answers, what it can do, and whether the caches' hit rates meet their targets.

    Exits with 3 where a hit rate is below its target, and with 2 where the server does not answer.

    Example: langchain-redis-memory status --redis redis://localhost:6379/0 --target 'values/*=0.7'
    """
    from langchain_redis_memory.operate.caches import RedisCaches, parse_targets

    with opened(redis, prefix) as client:
        client.server()  # what is wrong with it is an error
        client.ping()  # what forbids it is an error
        with waiting("looking for caches"):
            state = RedisCaches(client, tenant=tenant).status(parse_targets(target), enough=enough)
    health = state.health
    if as_json:
        caches = [
            {"tenant": one.tenant, "namespace": one.namespace, "hits": one.stats.hits, "misses": one.stats.misses}
            | {"bypasses": one.stats.bypasses, "hit_rate": one.stats.hit_rate, "wrong": one.stats.wrong_hits}
            | {"tokens_saved": one.stats.tokens_saved, "seconds_saved": one.stats.seconds_saved, "off_s": one.off_s}
            for one in state.caches
        ]
        show_json({"well": state.well, "health": health, "caches": caches, "below": state.below})
    else:
        console.print(f"{escape(health.url)}: {health.flavour} {health.version}", highlight=False)
        say(f"vectors are searched by: {health.engine}")
        say(f"maxmemory-policy: {health.eviction or 'unknown'}")
        say(f"round trip: {1000 * (health.round_trip_s or 0):.2f} ms")
        for cache in state.caches:
            say(f"{_named(cache.tenant, cache.namespace)}: {cache.stats}")
            if cache.off_s:
                say(
                    f"    it is switched off for another {cache.off_s:,.0f} s: settings --on {cache.namespace}",
                    "yellow",
                )
        for warning in health.warnings:
            say(warning, "yellow")
        for one in state.below:
            name = _named(one.tenant, one.namespace)
            say(f"{name}: hit rate {one.hit_rate:.0%} of {one.lookups:,} is below {one.target:.0%}", "bold red")
    if state.below:
        raise typer.Exit(NOT_WELL)


def _named(tenant: str, namespace: str) -> str:
    return f"{namespace} of {tenant}" if tenant else namespace


@app.command(rich_help_panel=LOOK)
def doctor(
    redis: Redis = None,
    tenant: AnyTenant = None,
    prefix: Prefix = None,
    sample: Sample = 200,
    most: Most = 1_000_000,
    strict: Annotated[bool, typer.Option("--strict", help="A warning counts as a failure.")] = False,
    as_json: Json = False,
) -> None:
    """Whether the server suits what is stored there, and what to change in redis.conf.

    Exits with 3 where a check failed; with --strict also where one warns.

    Example: langchain-redis-memory doctor --redis redis://localhost:6379/0
    """
    from langchain_redis_memory.operate.operations import RedisOperations

    with opened(redis, prefix) as client:
        client.server()
        with waiting("looking at keys"):
            diagnosis = RedisOperations(client, tenant=tenant).doctor(sample=sample, most=most)
    if as_json:
        show_json(
            {"status": diagnosis.status, "url": diagnosis.url, "checks": diagnosis.checks, "conf": diagnosis.conf}
        )
    else:
        for check in diagnosis.checks:
            colour = _COLOURS[check.status]
            line = f"[{colour}]{check.status:>7}[/] {check.name}: {escape(check.found)}"
            console.print(line, highlight=False, soft_wrap=True)
            if check.advice:
                say(f"        {check.advice}")
        if diagnosis.conf:
            say("\nredis.conf:", "bold")
            for line in diagnosis.conf:
                say(f"  {line}")
    if diagnosis.status == "fail" or (strict and diagnosis.status == "warn"):
        raise typer.Exit(NOT_WELL)


@app.command(rich_help_panel=LOOK)
def stats(
    redis: Redis = None,
    tenant: AnyTenant = None,
    prefix: Prefix = None,
    sample: Sample = 200,
    most: Most = 1_000_000,
    as_json: Json = False,
) -> None:
    """How many keys of which kind there are, what they take, whose they are, and which never expire.

    Memory is measured of a sample of each kind and extrapolated.

    Example: langchain-redis-memory stats --redis redis://localhost:6379/0 --tenant acme
    """
    from langchain_redis_memory.operate.operations import RedisOperations

    with opened(redis, prefix) as client, waiting("looking at keys"):
        counts = RedisOperations(client, tenant=tenant).memory_stats(sample=sample, most=most)
    if as_json:
        show_json({"keys": counts.keys, "bytes": counts.bytes, **vars(counts)})
        return
    rows = [(name, one.keys, size(one.bytes), one.immortal) for name, one in counts.kinds.items()]
    show_table(f"{counts.keys:,} keys, {size(counts.bytes)}", "kind", "keys", "memory", "no lifetime", rows=rows)
    say(f"{counts.sessions:,} conversations, {counts.threads:,} threads")
    if len(counts.tenants) > 1 or (tenant is None and any(counts.tenants)):
        named = [(name or "(default)", count) for name, count in list(counts.tenants.items())[:20]]
        show_table(f"{len(counts.tenants):,} tenants", "tenant", "keys", rows=named)
    for name in counts.immortal:
        say(f"no lifetime: {name}", "yellow")
    if not counts.complete:
        say(f"not all keys were looked at: --most is {most:,}", "yellow")
