"""`top-misses`, `explain`, `warm`: what the caches do with questions, and answers stored before anybody asks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from langchain_redis_memory.cli.base import (
    CHANGE,
    LOOK,
    Json,
    OwnRedis,
    OwnTenant,
    Prefix,
    Redis,
    Tenant,
    app,
    loaded,
    opened,
    plain_errors,
    say,
    show_json,
    show_table,
)
from langchain_redis_memory.errors import ConfigError

Cache = Annotated[
    str,
    typer.Option(metavar="MODULE:NAME", help="A ConversationMemory or a cache of yours, or a function that makes one."),
]
Chain = Annotated[
    str,
    typer.Option(metavar="MODULE:NAME", help="What memory.wrap returned, or the cache's model."),
]


@app.command(rich_help_panel=LOOK)
def top_misses(
    redis: Redis = None,
    tenant: Tenant = "",
    prefix: Prefix = None,
    cache: Annotated[str, typer.Option(help="A cache's namespace, as 'semantic/faq'; by default the turns.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many are listed.")] = 20,
    as_json: Json = False,
) -> None:
    """The questions that were asked most often in vain, by the decision log.

    Example: langchain-redis-memory top-misses --tenant acme --limit 50 --json
    """
    from langchain_redis_memory.operate.caches import RedisCaches

    with opened(redis, prefix) as client:
        misses = RedisCaches(client, tenant=tenant).top_misses(cache, limit)
    if as_json:
        show_json(misses)
        return
    rows = [(one.times, one.question or "(not logged)") for one in misses]
    show_table(f"{len(misses):,} questions without an answer in the cache", "times", "question", rows=rows)


@app.command(rich_help_panel=LOOK)
def explain(
    question: Annotated[str, typer.Argument(help="The question, as a user asks it.")],
    cache: Cache,
    chain: Chain,
    session: Annotated[str | None, typer.Option(help="The conversation that it is asked in.")] = None,
    user: Annotated[str | None, typer.Option(help="Who asks.")] = None,
    redis: OwnRedis = None,
    tenant: OwnTenant = None,
    as_json: Json = False,
) -> None:
    """What a cache would do with a question, and why; nothing is counted and no model is asked.

    Example: langchain-redis-memory explain "Is it treatable?" --cache app:memory --chain app:chat --session s1
    """
    with plain_errors():
        asked: Any = _desk(loaded(cache, "--cache", redis), "explain", tenant)
        answers: Any = loaded(chain, "--chain", redis)
        if _is_memory_desk(asked):
            configurable = {"session_id": session, "thread_id": session} if session else {}
            config = {"configurable": configurable, "metadata": {"user_id": user} if user else {}}
            explanation = asked.explain(question, config, answers)
        else:
            explanation = asked.explain(question, answers)
    if as_json:
        show_json(explanation)
    else:
        say(str(explanation))


@app.command(rich_help_panel=CHANGE)
def warm(
    file: Annotated[
        Path | None, typer.Argument(help="JSONL: question and answer (of a cache of prompts: prompt).")
    ] = None,
    cache: Cache = "",
    chain: Chain = "",
    misses: Annotated[int, typer.Option(min=0, help="Ask the chain this many of the top misses instead.")] = 0,
    redis: OwnRedis = None,
    tenant: OwnTenant = None,
    as_json: Json = False,
) -> None:
    """Store answers before anybody asks: from a file, or by asking what was missed most often.

    Example: langchain-redis-memory warm faq.jsonl --cache app:memory --chain app:chat
    """
    with plain_errors():
        if (file is None) is not bool(misses) or not cache or not chain:
            raise ConfigError("give a FILE or --misses, and --cache and --chain")
        asked: Any = _desk(loaded(cache, "--cache", redis), "warm", tenant)
        answers: Any = loaded(chain, "--chain", redis)
        if file is not None and not file.is_file():
            raise ConfigError(f"there is no file {file}")
        stored = asked.warm_from_misses(answers, misses) if file is None else asked.warm(file, answers)
    if as_json:
        show_json({"stored": stored})
    else:
        say(f"{stored:,} answers stored")


def _desk(given: Any, method: str, tenant: str | None) -> Any:
    """Returns the desk of a memory, or the cache itself, for a tenant."""
    desk = getattr(given, "answers", given)
    if not hasattr(desk, method):
        msg = f"--cache must name a ConversationMemory, an AnswerCacheMiddleware or a cache that can {method}"
        raise ConfigError(f"{msg}, not {type(given).__name__}")
    if tenant is None:
        return desk
    if not hasattr(desk, "bind"):
        msg = f"{type(given).__name__} is of one tenant: leave --tenant out, or name one that is of {tenant!r}"
        raise ConfigError(msg)
    return desk.bind(tenant=tenant)


def _is_memory_desk(desk: Any) -> bool:
    from langchain_redis_memory.conversation.turn_desk import TurnDesk

    return isinstance(desk, TurnDesk)
