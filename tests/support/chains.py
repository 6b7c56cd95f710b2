"""Models, retrievers and chains whose answer is a digest of everything they were shown, and a desk to ask them at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from hashlib import blake2b
from types import MethodType
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig, RunnableGenerator
from pydantic import Field

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.sharing import Grounding, Share
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.turn import TurnReport
from langchain_redis_memory.errors import UnavailableError
from langchain_redis_memory.history.outbox import Outbox
from langchain_redis_memory.language.audience.verdict import Audience, AudienceVerdict
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Op, pure
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.grouped import grouped

NEW = QuestionType.NEW_TOPIC
MORE = QuestionType.CONTEXTUAL_FOLLOW_UP
RECALL = QuestionType.HISTORY_RECALL
SEARCH = QuestionType.CONTEXTUAL_WITH_SEARCH
MARKS = {"N": NEW, "F": MORE, "R": RECALL, "S": SEARCH}


class Broken(Exception):
    """What a model, a retriever or a classifier raises when it fails."""


def spelled(messages: Sequence[BaseMessage]) -> list[Any]:
    """All of the messages that a model can see: not their ids."""
    return [
        (m.type, m.name, m.content, m.additional_kwargs, [(c["name"], c["args"]) for c in getattr(m, "tool_calls", [])])
        for m in messages
    ]


def answer_to(everything: Any) -> str:
    """The one answer to everything that was shown."""
    return "answer " + blake2b(repr(everything).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class PureModel(BaseChatModel):
    """A chat model whose answer is a digest of its messages and arguments; it notes what it was shown."""

    shown: list[list[BaseMessage]] = Field(default_factory=list)
    made: list[AIMessage] = Field(default_factory=list)
    script: list[AIMessage] = Field(default_factory=list)
    """Answers to give first, instead of the digest."""
    fail: bool = False
    fail_after: int | None = None
    """Chunks after which a stream fails."""

    @property
    def _llm_type(self) -> str:
        return "pure"

    @property
    def calls(self) -> int:
        return len(self.shown)

    def _message(self, messages: Sequence[BaseMessage], arguments: Mapping[str, Any]) -> AIMessage:
        self.shown.append(list(messages))
        if self.fail:
            msg = "the model is down"
            raise Broken(msg)
        if self.script:
            message = self.script.pop(0)
        else:
            text = answer_to((spelled(messages), sorted(arguments.items())))
            message = AIMessage(text, response_metadata={"finish_reason": "stop"})
        self.made.append(message)
        return message

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        kwargs = {**kwargs, "stop": stop} if stop else kwargs
        return ChatResult(generations=[ChatGeneration(message=self._message(messages, kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        kwargs = {**kwargs, "stop": stop} if stop else kwargs
        whole = self._message(messages, kwargs)
        parts = str(whole.text).split(" ")
        for place, part in enumerate(parts):
            if place == self.fail_after:
                msg = "the model broke off"
                raise Broken(msg)
            last = place == len(parts) - 1
            yield ChatGenerationChunk(
                message=AIMessageChunk(
                    content=part if last else part + " ", response_metadata=whole.response_metadata if last else {}
                )
            )


class DescribedModel(PureModel):
    """One that LangChain can describe, so that chains around it can share answers."""

    temperature: float = 0.7

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        return ["tests", "chains"]

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"temperature": self.temperature}


def for_everyone(turn: str, /, *, opaque: bool) -> AudienceVerdict:
    """An audience classifier for tests of everything else: whatever is asked is asked by anybody."""
    return AudienceVerdict(Audience.EVERYONE, False, False, False, 0.0, 0.0, 0.0, 0.0, opaque=opaque)


class Marked:
    """A classifier that reads the type from the turn's first letter; without a mark it is a new topic."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[BaseMessage]]] = []

    def classify(self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE) -> Verdict:
        self.asked.append((turn, list(history)))
        mark, colon, _ = turn.partition(":")
        return Verdict(MARKS.get(mark, NEW) if colon else NEW, 1.0, ("marked",))


class NeverCache:
    """A cache that keeps nothing: every turn asks the model."""

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        return pure(None)

    def store(self, asked: CacheQuestion, answer: Answer) -> Op[None]:
        return pure(None)


class LetterEmbeddings(Embeddings):
    """A vector of three numbers made of a text's length; counts its calls."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0, 0.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        return self.embed_documents([text])[0]


def look_up(query: str) -> list[Document]:
    """A retriever as a function: one document that names the query."""
    return [Document(f"document of <{query}>", metadata={"source": query})]


def pure_chain(fields: dict[str, Any], config: RunnableConfig) -> str:
    """A chain as a function: a digest of all its fields and of what its config sets."""
    told = {
        name: spelled(value) if name == "history" else [d.page_content for d in value] if name == "documents" else value
        for name, value in fields.items()
    }
    known = {"session_id", "agent", "tenant"}
    given = config.get("configurable", {})
    settings = {name: value for name, value in given.items() if name not in known and not name.startswith("__")}
    return answer_to((sorted(told.items()), sorted(settings.items())))


def stream_of(*parts: Any) -> RunnableGenerator[Any, Any]:
    """A chain that streams these parts, in both colours."""

    def make(inputs: Iterator[Any]) -> Iterator[Any]:
        for _ in inputs:
            yield from parts

    async def amake(inputs: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for _ in inputs:
            for part in parts:
                yield part

    return RunnableGenerator(make, amake)


class Desk:
    """A memory around a model or a chain; `say` asks it in one colour."""

    def __init__(
        self,
        client: Client,
        both: Both | None = None,
        *,
        chain: Any = None,
        retriever: Any = None,
        scope: str | None = "desk",
        output_key: str | None = None,
        grounding: Grounding = "check",
        share: Share = "auto",
        **options: Any,
    ) -> None:
        self.client, self.both = client, both or Both(asynchronous=False)
        self.reports: list[TurnReport] = []
        self.model = chain if isinstance(chain, PureModel) else PureModel()
        options.setdefault("audience", for_everyone)
        options.setdefault("outbox", Outbox(replay_s=None))  # a test says itself when what waits is tried again
        self.memory = ConversationMemory(client, on_turn=self.reports.append, **grouped(options))
        self.chat = self.memory.wrap(
            self.model if chain is None else chain,
            retriever,
            scope=scope,
            output_key=output_key,
            grounding=grounding,
            share=share,
        )

    async def say(
        self, said: Any, session: str = "s", *, arguments: Mapping[str, Any] | None = None, **named: str
    ) -> Any:
        config = {"configurable": {"session_id": session, **named}}
        return await self.both(self.chat.invoke)(said, config=config, **(arguments or {}))

    async def stream(self, said: Any, session: str = "s") -> list[Any]:
        """All chunks of one answer."""
        config: RunnableConfig = {"configurable": {"session_id": session}}
        return await self.both.each(self.chat.stream)(said, config)

    async def told(self, session: str = "s", agent: str = "") -> list[tuple[str, str]]:
        """What is stored of a conversation: (type, text) of each message."""
        messages = await self.both.messages(self.memory.history(session, agent))
        return [(message.type, str(message.text)) for message in messages]

    @property
    def last(self) -> TurnReport:
        return self.reports[-1]


class Switch:
    """Takes a client's server away and brings it back; `after` more trips still succeed."""

    def __init__(self, client: Client) -> None:
        self.away = False
        self.after = 0
        whole, awhole = client.run, client.arun

        def check() -> None:
            if not self.away:
                return
            if self.after > 0:
                self.after -= 1
                return
            msg = "the server is away"
            raise UnavailableError(msg)

        def run(_client: Client, op: Op[Any]) -> Any:
            if op.commands:
                check()
            return whole(op)

        async def arun(_client: Client, op: Op[Any]) -> Any:
            if op.commands:
                check()
            return await awhole(op)

        client.run = MethodType(run, client)  # type: ignore[method-assign]
        client.arun = MethodType(arun, client)  # type: ignore[method-assign]

    def off(self, after: int = 0) -> None:
        self.away, self.after = True, after

    def on(self) -> None:
        self.away, self.after = False, 0
