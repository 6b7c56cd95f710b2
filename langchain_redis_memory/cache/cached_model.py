"""`cached_model`: a chat model that reads and fills a cache of answers when it streams, too.

LangChain asks its cache in `invoke` and never in `stream`, so an application that streams has none. The wrapper keeps
the cache's key (messages and model description) as LangChain builds it: what `invoke` stored with the same cache,
`stream` serves, and the other way round.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, overload

from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks
from langchain_core.runnables import Runnable, RunnableParallel, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.utils import Output

from langchain_redis_memory.cache.replay import chunks_of
from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import ConfigError

_SAME = ("callbacks", "tags", "metadata", "disable_streaming", "output_version", "profile", "custom_get_token_ids")


@overload
def cached_model(model: BaseChatModel, cache: BaseCache) -> BaseChatModel: ...
@overload
def cached_model(model: Runnable[Any, Output], cache: BaseCache) -> Runnable[Any, Output]: ...
def cached_model(model: Runnable[Any, Any], cache: BaseCache) -> Runnable[Any, Any]:
    """Wraps a chat model so that every way to call it asks the cache first, streaming included.

    Args:
        model: A chat model, or one with bound tools or options (`bind_tools`, `bind`, `with_structured_output`).
        cache: Where answers are kept: `RedisCache`, `RedisSemanticCache` or any other cache of LangChain. It decides
            what may be kept, as it does for `invoke`.

    Returns:
        The same runnable around a `CachedChatModel`. A hit is streamed line by line, has an id of its own, costs no
        tokens (`usage_metadata` counts 0), does not wait for the model's rate limiter, and says in
        `response_metadata["cache"]` what was saved.

    Raises:
        ConfigError: There is no chat model in it, or the cache is none.

    Example:
        ```python
        model = cached_model(ChatOpenAI(model="gpt-5-mini"), RedisCache(ttl_s=3600))
        for chunk in model.stream("What is throat cancer?"):
            ...
        ```

    **Keys:** the cache's.
    **Trips:** the cache's look-up, and its update after a miss.
    """
    check_type(cache, BaseCache, "cache", "a cache of LangChain such as RedisCache", ConfigError)
    return _around(model, cache)


def _around(runnable: Runnable[Any, Any], cache: BaseCache) -> Runnable[Any, Any]:
    """Returns the runnable with its chat model, which is the first part of it, in the wrapper."""
    if isinstance(runnable, BaseChatModel):
        same = {name: getattr(runnable, name) for name in _SAME if hasattr(runnable, name)}
        return CachedChatModel(model=runnable, answers=cache, **same)
    if isinstance(runnable, RunnableBindingBase):
        return runnable.model_copy(update={"bound": _around(runnable.bound, cache)})
    if isinstance(runnable, RunnableSequence):
        return runnable.model_copy(update={"first": _around(runnable.first, cache)})
    if isinstance(runnable, RunnableParallel):  # with_structured_output(include_raw=True)
        steps = {name: _around(step, cache) for name, step in runnable.steps__.items()}
        return runnable.model_copy(update={"steps__": steps})
    made = "what its bind, bind_tools or with_structured_output returned"
    raise ConfigError(f"cached_model takes a chat model, or {made}; got {type(runnable).__name__}")


class CachedChatModel(BaseChatModel):
    """A chat model that asks a cache before the model that it wraps; made by `cached_model`.

    **Keys:** the cache's.
    **Trips:** the cache's look-up, and its update after a miss.
    """

    model: BaseChatModel
    answers: BaseCache
    cache: bool | BaseCache | None = False  # LangChain's own look-up would be a second one

    # --- what it is, is what the model is -----------------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return self.model._llm_type

    @property
    def _identifying_params(self) -> Any:
        return self.model._identifying_params

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        return self.model._get_llm_string(stop=stop, **kwargs)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return self.model._get_ls_params(stop=stop, **kwargs)

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return self.model._get_invocation_params(stop=stop, **kwargs)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Counts tokens as the wrapped model does."""
        return self.model.get_num_tokens_from_messages(messages, tools)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Binds tools as the wrapped model does; answers with other tools are other answers."""
        return _around(self.model.bind_tools(tools, **kwargs), self.answers)

    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **kwargs: Any) -> Runnable[Any, Any]:
        """Returns structured outputs as the wrapped model does; a hit is parsed like the model's answer."""
        return _around(self.model.with_structured_output(schema, include_raw=include_raw, **kwargs), self.answers)

    # --- an answer ----------------------------------------------------------------------------------------------------

    def _key(self, messages: Sequence[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> tuple[str, str]:
        """Builds prompt and description as LangChain does, so that both kinds of call share their entries."""
        prompt = dumps([message.model_copy(update={"id": None}) for message in messages])
        return prompt, self._get_llm_string(stop=stop, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        key = self._key(messages, stop, kwargs)
        if answer := self.answers.lookup(*key):
            return ChatResult(generations=_replayed(answer))
        if self.model.rate_limiter:
            self.model.rate_limiter.acquire(blocking=True)
        result = self.model._generate(messages, stop, run_manager, **kwargs)
        self.answers.update(*key, list(result.generations))
        return result

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        key = self._key(messages, stop, kwargs)
        if answer := await self.answers.alookup(*key):
            return ChatResult(generations=_replayed(answer))
        if self.model.rate_limiter:
            await self.model.rate_limiter.aacquire(blocking=True)
        result = await self.model._agenerate(messages, stop, run_manager, **kwargs)
        await self.answers.aupdate(*key, list(result.generations))
        return result

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if not self.model._should_stream(async_api=False, run_manager=None, **{**kwargs, "stream": True}):
            yield from chunks_of(self._generate(messages, stop, run_manager, **kwargs).generations[0])
            return
        key = self._key(messages, stop, kwargs)
        if answer := self.answers.lookup(*key):
            yield from chunks_of(_replayed(answer)[0])
            return
        if self.model.rate_limiter:
            self.model.rate_limiter.acquire(blocking=True)
        chunks = []
        for chunk in self.model._stream(messages, stop, run_manager, **kwargs):
            chunks.append(_copied(chunk))
            yield chunk
        if whole := merge_chat_generation_chunks(chunks):
            self.answers.update(*key, [whole])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if not self.model._should_stream(async_api=True, run_manager=None, **{**kwargs, "stream": True}):
            made = await self._agenerate(messages, stop, run_manager, **kwargs)
            for chunk in chunks_of(made.generations[0]):
                yield chunk
            return
        key = self._key(messages, stop, kwargs)
        if answer := await self.answers.alookup(*key):
            for chunk in chunks_of(_replayed(answer)[0]):
                yield chunk
            return
        if self.model.rate_limiter:
            await self.model.rate_limiter.aacquire(blocking=True)
        chunks = []
        async for chunk in self.model._astream(messages, stop, run_manager, **kwargs):
            chunks.append(_copied(chunk))
            yield chunk
        if whole := merge_chat_generation_chunks(chunks):
            await self.answers.aupdate(*key, [whole])


def _copied(chunk: ChatGenerationChunk) -> ChatGenerationChunk:
    """Copies a chunk before LangChain writes the run's id and metadata into it."""
    return chunk.model_copy(update={"message": chunk.message.model_copy()})


def _replayed(answer: Sequence[Generation]) -> list[ChatGeneration]:
    """Makes the answers of a hit: they cost nothing, and say what they saved."""
    return [_free(one.message if isinstance(one, ChatGeneration) else AIMessage(one.text)) for one in answer]


def _free(message: BaseMessage) -> ChatGeneration:
    usage = getattr(message, "usage_metadata", None)
    note = {"hit": True, "saved_tokens": usage["total_tokens"] if usage else None}
    update: dict[str, Any] = {"id": None, "response_metadata": {**message.response_metadata, "cache": note}}
    if usage:
        update["usage_metadata"] = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    return ChatGeneration(message=message.model_copy(update=update))
