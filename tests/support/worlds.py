"""Two worlds that live through the same turns, one with a cache: where their answers differ, a wrong one was served.

A chain's answer tells everything that the question may rightly depend on, and no more: a public question what was
shown (its meaning, system messages, documents, inputs, rights, tenant, agent); a personal one its user as well; a
volatile one the day; an effect how often it was had (a quiet one is had without a word of that). What continues a
conversation depends on all that it continues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.runnables.utils import add
from langchain_core.tools import tool

from langchain_redis_memory import ConversationMemory, RagCache, TurnReport
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.chains import NeverCache, answer_to
from tests.support.grouped import grouped


@dataclass(frozen=True)
class Turn:
    """Something said by somebody on a day, on which the documents have an edition and the chain has a prompt.

    By default it is a session of its own.
    """

    text: str
    user: str = "ana"
    session: str = ""
    tenant: str = ""
    agent: str = ""
    role: str = ""
    where: str = "metadata"
    lead: str = ""
    tone: Any = None
    day: int = 1
    edition: int = 1
    prompt: str = ""
    streamed: bool = False

    def config(self, number: int) -> dict[str, Any]:
        """The run's config, with the user where the application names it."""
        configurable: dict[str, Any] = {"session_id": self.session or f"{self.user} {number}"}
        metadata: dict[str, Any] = {}
        if self.where == "auth":
            configurable["langgraph_auth_user"] = {"identity": self.user, "permissions": [self.role]}
        elif self.where == "session":
            configurable["session_id"] = self.user
        else:
            {"metadata": metadata, "configurable": configurable}[self.where]["user_id"] = self.user
        if self.role and self.where != "auth":
            metadata["role"] = self.role
        configurable |= {name: value for name in ("tenant", "agent") if (value := getattr(self, name))}
        return {"configurable": configurable, "metadata": metadata}


@dataclass(frozen=True)
class Words:
    """What a text depends on: a kind, and its meaning, which its paraphrases share."""

    kind: str
    meaning: str


def lexicon(**texts: str) -> dict[str, Words]:
    """Kind -> texts, one a line; paraphrases of one meaning stand in one line, separated by bars."""
    found: dict[str, Words] = {}
    for kind, lines in texts.items():
        for line in lines.strip().splitlines():
            meaning, *others = line.split(" | ")
            found |= {text: Words(kind, meaning) for text in (meaning, *others)}
    return found


class Alike(Embeddings):
    """The worst embeddings: all texts are all but the same, so only the verifier tells them apart."""

    model = "alike"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [
            [10.0, *(byte / 255 for byte in blake2b(text.encode("utf-8", "replace"), digest_size=3).digest())]
            for text in texts
        ]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class Facts:
    """What there is to be seen in one world, and what was done there."""

    def __init__(self, words: dict[str, Words]) -> None:
        self.words, self.day, self.edition = words, 1, 1
        self.done: Counter[str] = Counter()
        self.calls = 0

    def answer(self, said: Sequence[BaseMessage], who: str, *shown: Any) -> str:
        """The one right answer to the last message, where everything shown is seen."""
        self.calls += 1
        spoken = [m for m in said if not isinstance(m, SystemMessage)]
        text = str(spoken[-1].text)
        kinds = {self.words[text].kind}
        depends: list[Any] = [
            self.words[text].meaning,
            [m.content for m in said if isinstance(m, SystemMessage)],
            shown,
        ]
        if "continues" in kinds:
            depends.append([m.content for m in spoken[:-1]])
            kinds |= {self.words[str(m.text)].kind for m in spoken[:-1] if isinstance(m, HumanMessage)} | {"personal"}
        if "personal" in kinds:
            depends.append(who)
        if "volatile" in kinds:
            depends.append(self.day)
        if kinds & {"effect", "vary", "quiet"}:
            self.done[who] += 1
            depends.append(self.done[who])
        if self.words[text].kind == "quiet":
            return "Done."
        return answer_to(depends)


class WorldModel(BaseChatModel):
    """A model that sees its messages; it knows nobody."""

    facts: Any

    @property
    def _llm_type(self) -> str:
        return "world"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": "world"}

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> ChatResult:
        text = self.facts.answer(messages, "")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def seen(config: RunnableConfig) -> tuple[str, list[Any]]:
    """Who asks, and everything else that a function can read of a config."""
    settings, metadata = config["configurable"], config.get("metadata") or {}
    auth = settings.get("langgraph_auth_user") or {}
    who = metadata.get("user_id") or settings.get("user_id") or auth.get("identity") or settings["session_id"]
    tenant, agent = settings.get("tenant", ""), settings.get("agent", "")
    return f"{who} of {tenant}", [metadata.get("role"), auth.get("permissions"), tenant, agent]


class World:
    """One world: a chain of a kind around which a memory caches, or does not."""

    def __init__(
        self, words: dict[str, Words], chain: str, client: Client, *, cached: bool, cache: Any = True, **options: Any
    ) -> None:
        self.facts, self.reports = Facts(words), list[TurnReport]()
        self.rag: RagCache | None = None
        retriever: Any = None
        if chain == "rag":
            self.rag = RagCache(client)
            retriever = RunnableLambda(self.find)
            if cached:
                retriever = self.rag.retriever(retriever, name="world")
                cache = self.rag.responses if cache is True else cache
        self.chain, self.retriever, self.chats = chain, retriever, dict[str, Any]()
        cache = cache if cached else NeverCache()
        self.memory = ConversationMemory(client, cache=cache, on_turn=self.reports.append, **grouped(options))

    def chat(self, prompt: str) -> Any:
        """The chain with a prompt of its own, wrapped in the memory under the same scope as with any other prompt."""
        if prompt not in self.chats:
            made: Any = WorldModel(facts=self.facts)
            if self.chain == "model" and prompt:
                told = [("system", prompt), ("placeholder", "{history}"), ("human", "{question}")]
                made = ChatPromptTemplate.from_messages(told) | made
            elif self.chain != "model":
                made = RunnableLambda(partial(self.answer, prompt=prompt))
            key = "answer" if self.chain == "cites" else None
            self.chats[prompt] = self.memory.wrap(made, self.retriever, scope="world", output_key=key)
        return self.chats[prompt]

    def find(self, query: str, config: RunnableConfig) -> list[Document]:
        """Documents that the user's role may read, in the edition of the day."""
        _, (role, permissions, tenant, _) = seen(config)
        return [Document(f"{self.facts.edition} for {role or permissions} of {tenant}", metadata={"source": "book"})]

    def answer(self, given: dict[str, Any], config: RunnableConfig, prompt: str = "") -> Any:
        """The answer of a function that sees who asks; as an agent it acts and looks things up through tools."""
        who, rights = seen(config)
        documents = [document.page_content for document in given["documents"]]
        kind = self.facts.words[given["question"]].kind
        if self.chain == "agent" and kind == "tool":
            self.facts.done[who] += int(act.invoke({"what": given["question"]}))
            return answer_to((who, self.facts.done[who]))
        if self.chain == "agent" and kind == "register":
            return answer_to(register.invoke({"entry": f"{given['question']} on day {self.facts.day}"}))
        said = [*given["history"], HumanMessage(given["question"])]
        found = self.facts.answer(said, who, rights, given.get("tone"), documents, prompt)
        return {"answer": found, "sources": [found[-4:]], "sure": 0.5} if self.chain == "cites" else found

    async def live(self, both: Both, turn: Turn, number: int) -> str:
        """The answer that is given to a turn."""
        self.facts.day = turn.day
        if self.facts.edition != turn.edition and self.rag is not None:
            self.rag.bump_epoch()
        self.facts.edition = turn.edition
        lead = [SystemMessage(turn.lead)] if turn.lead else []
        said: Any = {"question": [*lead, HumanMessage(turn.text)], **({} if turn.tone is None else {"tone": turn.tone})}
        chat, config = self.chat(turn.prompt), turn.config(number)
        if not turn.streamed:
            answer = await both(chat.invoke)(said, config)
        elif both.asynchronous:
            answer = add([chunk async for chunk in chat.astream(said, config)])
        else:
            answer = add(chat.stream(said, config))
        return str(sorted(answer.items()) if isinstance(answer, dict) else getattr(answer, "text", answer))


@tool
def act(what: str) -> int:
    """Does something in the world."""
    return 1


@tool
def register(entry: str) -> str:
    """Looks up what a register says, which changes."""
    return entry


class PromptWorld:
    """One world of a model behind LangChain's cache: the application keeps the history, a tenant has its cache."""

    def __init__(self, words: dict[str, Words], cache_of: Any) -> None:
        self.facts = Facts(words)
        self.model = WorldModel(facts=self.facts)
        self.cache_of, self.caches = cache_of, dict[str, Any]()
        self.histories: dict[str, list[BaseMessage]] = {}

    async def live(self, both: Both, turn: Turn, number: int) -> str:
        """The answer that is given to a turn."""
        self.facts.day = turn.day
        if turn.tenant not in self.caches:
            self.caches[turn.tenant] = self.cache_of(turn.tenant)
        model = self.model.model_copy(update={"cache": self.caches[turn.tenant]})
        key = f"{turn.tenant} {turn.config(number)['configurable']['session_id']}"
        said = self.histories.setdefault(key, [])
        lead = [SystemMessage(f"{turn.lead}; you serve {turn.tenant}.")]
        said.append(HumanMessage(turn.text))
        answer = await both(model.invoke)([*lead, *said])
        said.append(AIMessage(str(answer.text)))
        return str(answer.text)


async def never_part(both: Both, cached: Any, plain: Any, turns: Sequence[Turn]) -> int:
    """Lives through the turns in both worlds; how many answers were served from the cache."""
    for number, turn in enumerate(turns):
        served, made = await cached.live(both, turn, number), await plain.live(both, turn, number)
        assert served == made, f"the worlds part at {number}: {turn}"
    assert cached.facts.done == plain.facts.done, "the worlds part in what was done"
    return int(plain.facts.calls - cached.facts.calls)


def everybody(text: str) -> list[Turn]:
    """A text as several people say it: again on another day, another user, with another right in another tenant."""
    return [Turn(text), Turn(text, day=2), Turn(text, user="ben", day=2), Turn(text, role="boss", tenant="t", day=2)]
