"""One trip on a client of redis-py: a lone command as it is, several in a plain pipeline, replies undecoded.

A refused command is its error as a reply; a failed trip raises. Scripts go by digest or in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_redis_memory.ops import Call, Command, Reply


def send(client: Any, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
    """Sends commands and gives their replies."""
    if len(commands) == 1:
        return [_alone(client, commands[0], by_digest=by_digest)]
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*_words(command, by_digest=by_digest), NEVER_DECODE=True)
    replies: list[Reply] = pipe.execute(raise_on_error=False)
    return replies


async def asend(client: Any, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
    """Sends commands and gives their replies; see `send`."""
    if len(commands) == 1:
        return [await _aalone(client, commands[0], by_digest=by_digest)]
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*_words(command, by_digest=by_digest), NEVER_DECODE=True)
    replies: list[Reply] = await pipe.execute(raise_on_error=False)
    return replies


def _words(command: Command, *, by_digest: bool) -> tuple[Any, ...]:
    if isinstance(command, Call):
        script = command.script
        verb, body = ("EVALSHA", script.sha) if by_digest else ("EVAL", script.source)
        return (verb, body, len(command.keys), *command.keys, *command.args)
    return command


def _alone(client: Any, command: Command, *, by_digest: bool) -> Reply:
    from redis.exceptions import ResponseError

    try:
        return client.execute_command(*_words(command, by_digest=by_digest), NEVER_DECODE=True)
    except ResponseError as error:
        return error


async def _aalone(client: Any, command: Command, *, by_digest: bool) -> Reply:
    from redis.exceptions import ResponseError

    try:
        return await client.execute_command(*_words(command, by_digest=by_digest), NEVER_DECODE=True)
    except ResponseError as error:
        return error


class Lent:
    """A client that belongs to somebody else: closing it is not ours."""

    def __init__(self, theirs: Any) -> None:
        self.execute_command = theirs.execute_command
        self.pipeline = theirs.pipeline

    def close(self) -> None:
        """Leaves it open."""


class ALent(Lent):
    """An async one."""

    async def aclose(self) -> None:
        """Leaves it open."""
