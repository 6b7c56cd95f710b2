"""What the tools for agents share: one flow for both colours, and the user, named by the run and never by the model."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel

from langchain_redis_memory.errors import InvalidInputError, RedisMemoryError
from langchain_redis_memory.ops import Invoke
from langchain_redis_memory.run_config import accessor_of

ToolFlow = Generator[Invoke, Any, str]
"""A tool's work: steps that call out in either colour, and what the model is told."""


def tool_of(
    name: str, description: str, args: type[BaseModel], flow: Callable[..., ToolFlow], *, only_reads: bool = False
) -> BaseTool:
    """Makes a tool of a flow, which gets the run's config and the arguments by name; both colours.

    What this package raises of a server becomes a message with the status "error", so that the agent goes on.
    `only_reads` says that it changes nothing, for who goes by a tool's hints.
    """

    def run(config: RunnableConfig, **given: Any) -> str:
        steps = flow(config, **given)
        try:
            step = next(steps)
            while True:
                step = steps.send(step.call())
        except StopIteration as done:
            return str(done.value)
        except RedisMemoryError as error:
            raise _as_tool_error(error) from error

    async def arun(config: RunnableConfig, **given: Any) -> str:
        steps = flow(config, **given)
        try:
            step = next(steps)
            while True:
                step = steps.send(await step.acall())
        except StopIteration as done:
            return str(done.value)
        except RedisMemoryError as error:
            raise _as_tool_error(error) from error

    return StructuredTool(
        name=name,
        description=description,
        args_schema=args,
        func=run,
        coroutine=arun,
        handle_tool_error=True,
        metadata={"readOnlyHint": only_reads},
    )


def _as_tool_error(error: RedisMemoryError) -> Exception:
    """What is wrong with the program is raised as it is, all else is told to the model."""
    return error if isinstance(error, InvalidInputError) else ToolException(f"This does not work now: {error}")


def user_of(config: RunnableConfig) -> str:
    """Names the user of a run. Returns the authenticated user, else the one that the application names.

    Raises `InvalidInputError`: there is none.
    """
    user = accessor_of(config)
    if not user:
        raise InvalidInputError("the run names no user: invoke the agent with {'configurable': {'user_id': ...}}")
    return user
