"""The law: a cached answer is never served where it would be wrong.

Two worlds live through the same turns, with the same users, processes and outages. One caches answers, the other never
does. The model's answer is a digest of all it was shown, so if a served answer differs from the one that the model
would have given on this very turn, the worlds part, and from there on their memories do as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.cache.sharing import Grounding, Share
from langchain_redis_memory.conversation.select.window import WindowSelector
from langchain_redis_memory.language.classify import LinguisticClassifier
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from tests.support.chains import Desk, Marked, NeverCache, PureModel, Switch, look_up, pure_chain
from tests.support.examples import share


@dataclass(frozen=True)
class Said:
    """One turn of somebody, in one process."""

    text: str
    user: str = "ana"
    process: int = 0
    agent: str = ""
    tenant: str = ""
    name: str | None = None
    lead: tuple[str, ...] = ()
    tone: Any = None
    stop: str | None = None
    right: str | None = None

    def put(self, desk: Desk, *, fields: bool) -> Any:
        question = HumanMessage(self.text, name=self.name)
        messages: list[BaseMessage] = [*map(SystemMessage, self.lead), question]
        said: Any = {"question": messages, "tone": self.tone} if fields and self.tone is not None else messages
        configurable = {"session_id": self.user, "agent": self.agent, "tenant": self.tenant}
        if self.right:
            configurable["right"] = self.right
        arguments = {"stop": [self.stop]} if self.stop and not fields else {}
        answer = desk.chat.invoke(said, {"configurable": configurable}, **arguments)
        return getattr(answer, "text", answer)


class World:
    """Two processes on one server."""

    def __init__(
        self,
        cache: Any,
        *,
        fields: bool,
        marked: bool,
        retriever: Any,
        grounding: Grounding = "check",
        share: Share = "auto",
    ) -> None:
        self.fields = fields
        url = f"memory://{uuid4().hex}"
        self.desks, self.switches = [], []
        for _ in range(2):
            client = Client.from_url(url)
            self.switches.append(Switch(client))
            self.desks.append(
                Desk(
                    client,
                    chain=RunnableLambda(pure_chain) if fields else PureModel(),
                    retriever=retriever,
                    grounding=grounding,
                    share=share,
                    cache=cache,
                    classifier=Marked() if marked else LinguisticClassifier(),
                    selector=WindowSelector(base=2),
                )
            )

    def live(self, step: Said | str) -> Any:
        if isinstance(step, str):
            process, _, what = step.partition(" ")
            switch = self.switches[int(process)]
            {"down": switch.off, "breaks": lambda: switch.off(after=1), "up": switch.on}[what]()
            return None
        return step.put(self.desks[step.process], fields=self.fields)

    def stored(self) -> Any:
        for switch, desk in zip(self.switches, self.desks, strict=True):
            switch.on()
            assert desk.memory.flush() == 0
        history = self.desks[0].memory.history
        return [[m.content for m in history(user, agent).messages] for user in USERS for agent in AGENTS]

    @property
    def hits(self) -> int:
        return sum(report.cache == "hit" for desk in self.desks for report in desk.reports)


USERS, AGENTS = ("ana", "ben"), ("", "x")
MARKED = [f"{mark}: {word}" for mark in "NNFRSS" for word in ("a", "b")]
REAL = [
    "What is throat cancer?",
    "What is a diesel engine?",
    "How is it treated?",
    "And what does that cost?",
    "What did I ask first?",
    "Tell me more",
    "Why?",
]


def said(texts: list[str]) -> st.SearchStrategy[Said]:
    plain = st.builds(Said, text=st.sampled_from(texts), user=st.sampled_from(USERS), process=st.integers(0, 1))
    return st.builds(
        lambda turn, changes: replace(turn, **changes),
        plain,
        st.one_of(
            st.just({}),
            st.sampled_from(
                [
                    {"agent": "x"},
                    {"tenant": "t"},
                    {"name": "n"},
                    {"lead": ("p",)},
                    {"lead": ("p", "q")},
                    {"tone": 1},
                    {"tone": True},
                    {"tone": "1"},
                    {"stop": "z"},
                    {"right": "all"},
                ]
            ),
        ),
    )


def lives(texts: list[str]) -> st.SearchStrategy[list[Said | str]]:
    outage = st.sampled_from([f"{process} {what}" for process in (0, 1) for what in ("down", "breaks", "up", "up")])
    return st.lists(st.one_of(said(texts), said(texts), said(texts), said(texts), outage), min_size=2, max_size=14)


def same(steps: list[Said | str], cache: Any, **options: Any) -> int:
    """Lives through the steps in both worlds; the number of hits in the one that caches."""
    caching, plain = World(cache, **options), World(NeverCache(), **options)
    for number, step in enumerate(steps):
        served, made = caching.live(step), plain.live(step)
        assert served == made, f"step {number}: a wrong answer was served"
    assert caching.stored() == plain.stored()
    assert plain.hits == 0
    return caching.hits


@pytest.mark.slow
@pytest.mark.parametrize("fields", [False, True], ids=["model", "chain"])
@pytest.mark.parametrize("texts", [MARKED, REAL], ids=["marked", "rules"])
def test_a_hit_cannot_be_told_from_a_miss(fields: bool, texts: list[str]) -> None:
    @share(3)
    @given(lives(texts), st.booleans())
    def check(steps: list[Said | str], searches: bool) -> None:
        same(steps, True, fields=fields, marked=texts is MARKED, retriever=look_up if searches else None)

    check()


LIFE: list[Said | str] = [
    Said("N: a"),
    Said("N: a", user="ben", process=1),
    Said("S: b"),
    Said("S: b", user="ben"),
    Said("N: a", tenant="t"),
    "0 down",
    Said("S: b"),
    Said("N: b", user="ben", process=1),
    "0 up",
    Said("N: b"),
    Said("S: a", process=1),
    Said("S: a", user="ben"),
]


@pytest.mark.slow
def test_the_worlds_meet_hits_at_all() -> None:
    assert same(LIFE, True, fields=False, marked=True, retriever=look_up) == 4


class Blind:
    """A wrong cache: its keys leave something out."""

    def __init__(self, forget: Callable[[CacheQuestion], CacheQuestion]) -> None:
        self.forget, self.exact = forget, ExactAnswerCache(60)

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        return self.exact.lookup(self.forget(asked))

    def store(self, asked: CacheQuestion, answer: Answer) -> Op[None]:
        return self.exact.store(self.forget(asked), answer)


WRONG: dict[str, tuple[Callable[[CacheQuestion], CacheQuestion], list[Said | str]]] = {
    "context": (
        lambda asked: replace(asked, context=(), memory=(), given=None, query=None),
        [Said("N: a"), Said("N: b", user="ben"), Said("S: a"), Said("S: a", user="ben")],
    ),
    "system": (lambda asked: replace(asked, context=()), [Said("N: a", lead=("p",)), Said("N: a", user="ben")]),
    "name": (lambda asked: replace(asked, given=None), [Said("N: a", name="n"), Said("N: a", user="ben")]),
    "settings": (lambda asked: replace(asked, given=None), [Said("N: a", right="all"), Said("N: a", user="ben")]),
    "question": (lambda asked: replace(asked, question=""), [Said("N: a"), Said("N: b", user="ben")]),
    "extra": (lambda asked: replace(asked, given=None), [Said("N: a", tone=1), Said("N: a", user="ben", tone=2)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_cache_that_forgets_something_is_found_out(name: str) -> None:
    forget, steps = WRONG[name]
    options: dict[str, Any] = {
        "fields": name in {"settings", "extra"},
        "marked": True,
        "retriever": look_up,
        "grounding": "trust",
        "share": "tenant",
    }
    same(steps, True, **options)
    with pytest.raises(AssertionError, match="a wrong answer was served"):
        same(steps, Blind(forget), **options)
