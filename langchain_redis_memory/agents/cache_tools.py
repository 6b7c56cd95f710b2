"""`cache_tools`: an agent tells how caches do, clears what is kept of its user, and invalidates values if told so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.types import interrupt
from pydantic import BaseModel, Field

from langchain_redis_memory.agents.tool_parts import ToolFlow, tool_of, user_of
from langchain_redis_memory.cache.answers.desk import AnswerDesk
from langchain_redis_memory.cache.value.cache import RedisValueCache
from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.ops import Invoke
from langchain_redis_memory.redis import user_index

Confirm = Callable[[str], bool]


class NoArguments(BaseModel):
    """Arguments of `get_cache_stats` and `clear_my_cache`: none."""


class InvalidateCache(BaseModel):
    """Arguments of `invalidate_cache`."""

    pattern: str = Field(min_length=1, max_length=512, description="A name; * stands for any text: user:*:profile.")


def cache_tools(
    *caches: RedisValueCache, answers: AnswerDesk | None = None, confirm: Confirm | Literal["interrupt"] = "interrupt"
) -> list[BaseTool]:
    """Makes tools by which an agent looks after caches.

    Each cache is one tenant's, so no pattern reaches another's, and the server's keys are not scanned. Who asks is told
    by the run, never by the model's arguments.

    Args:
        *caches: Caches of values.
        answers: The desk of cached answers, such as `memory.answers`.
        confirm: Whether something is invalidated by pattern: "interrupt" interrupts the graph for a person (which needs
            a checkpointer; resumed with a true value it is done), a function is asked with a question.

    Returns:
        `get_cache_stats`; `clear_my_cache`, for values about the user and answers that were made in his conversations;
        with caches of values `invalidate_cache`. Where the server is away they tell the model so.

    Raises:
        ConfigError: There is no cache, or something is none.

    Example:
        ```python
        tools = cache_tools(RedisValueCache(url, "preferences"), answers=memory.answers)
        agent = create_agent(model, tools=tools, checkpointer=RedisSaver(url))
        ```

    **Keys:** `tally`; `values`, `value_expiries`; `user_data`; those of the cache of answers.
    **Trips:** 1 to 2 for the statistics of each cache; to clear 1 for each cache of values, and for answers 1 and those
        of `AnswerDesk.delete` for each conversation; those of `RedisValueCache.invalidate`.
    """
    for cache in caches:
        check_type(cache, RedisValueCache, "a cache", "a RedisValueCache", ConfigError)
    if answers is not None:
        check_type(answers, AnswerDesk, "answers", "a desk of answers, such as memory.answers", ConfigError)
    if not caches and answers is None:
        raise ConfigError("name the caches: cache_tools(RedisValueCache(url), answers=memory.answers)")
    if confirm != "interrupt" and not callable(confirm):
        raise ConfigError("confirm must be 'interrupt' or a function from a question to True or False")
    parts = _CacheTools(caches, answers, _ask_a_person if confirm == "interrupt" else confirm)
    tools = [
        tool_of("get_cache_stats", _STATS, NoArguments, parts.stats_flow, only_reads=True),
        tool_of("clear_my_cache", _CLEAR, NoArguments, parts.clear_flow),
    ]
    return (
        [*tools, tool_of("invalidate_cache", _INVALIDATE, InvalidateCache, parts.invalidate_flow)] if caches else tools
    )


_STATS = "Tell how many hits and misses the caches had."
_CLEAR = "Clear everything that caches keep of the current user, so that it is made anew."
_INVALIDATE = "Delete cached values by the pattern of their names. A person has to confirm it."


def _ask_a_person(question: str) -> bool:
    return bool(interrupt({"type": "confirm", "message": question}))


class _CacheTools:
    """The flows of the tools on caches."""

    def __init__(self, caches: Sequence[RedisValueCache], answers: AnswerDesk | None, confirm: Confirm) -> None:
        self._caches, self._answers, self._confirm = caches, answers, confirm

    def stats_flow(self, config: RunnableConfig) -> ToolFlow:
        sources: list[tuple[str, Any]] = [(cache.namespace, cache) for cache in self._caches]
        if self._answers is not None:
            sources.append(("answers", self._answers))
        lines = []
        for name, source in sources:
            stats = yield Invoke(source.stats, source.astats)
            lines.append(f"{name}: {stats}")
        return "\n".join(lines)

    def clear_flow(self, config: RunnableConfig) -> ToolFlow:
        user, answers = user_of(config), self._answers
        for cache in self._caches:
            yield Invoke(_with(cache.clear_user, user), _with(cache.aclear_user, user))
        if answers is None:
            return "Your cached values are cleared."
        client, space = answers._client, answers._flows.space
        data = user_index.stored(space, user)
        stored = yield Invoke(lambda: client.run(data), lambda: client.arun(data))
        names = [one.name for one in stored]
        deleted = yield Invoke(lambda: answers.delete(session=names), lambda: answers.adelete(session=names))
        return f"Your cached values are cleared, and {deleted} cached answers."

    def invalidate_flow(self, config: RunnableConfig, pattern: str) -> ToolFlow:
        if not self._confirm(f"Delete all cached values whose names match {pattern!r}?"):
            return "It was not confirmed; nothing is deleted."
        deleted = 0
        for cache in self._caches:
            deleted += yield Invoke(_with(cache.invalidate, pattern), _with(cache.ainvalidate, pattern))
        return f"Deleted {deleted} cached values."


def _with(call: Callable[[str], Any], given: str) -> Callable[[], Any]:
    return lambda: call(given)
