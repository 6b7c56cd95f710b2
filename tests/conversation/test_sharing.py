"""Who may be served whose answer: the same words in other places are another question."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support.chains import NEW, SEARCH, Desk, Marked, answer_to, look_up, pure_chain, spelled
from tests.support.servers import TWO, Farm


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """Two kinds of servers are enough for what the keys decide."""
    return url_of(request.param, farm)


async def test_a_question_that_stands_alone_is_answered_once(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    first = await desk.say("What is throat cancer?", "ana")
    second = await desk.say("What is throat cancer?", "ben")
    assert second.text == first.text
    assert desk.model.calls == 1
    assert [report.cache for report in desk.reports] == ["miss", "hit"]
    assert first.id != second.id
    assert second.response_metadata["cache"]["hit"] is True
    assert second.usage_metadata is None
    assert await desk.told("ana") == await desk.told("ben")


async def test_a_hit_in_the_middle_of_a_conversation(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    await desk.say("What is throat cancer?", "ana")
    await desk.say("How does a diesel engine work?", "ben")
    await desk.say("What is throat cancer?", "ben")
    assert desk.last.verdict.type is NEW
    assert desk.last.cache == "hit"
    assert desk.last.memory == []
    assert len(await desk.told("ben")) == 4


@pytest.mark.parametrize(
    "follow_up", ["How is it treated?", "And the symptoms?", "Why?", "Tell me more", "Is she old?"]
)
async def test_the_same_follow_up_elsewhere_is_another_question(client: Client, both: Both, follow_up: str) -> None:
    desk = Desk(client, both)
    await desk.say("What is throat cancer?", "ana")
    await desk.say("What is a diesel engine?", "ben")
    one = await desk.say(follow_up, "ana")
    two = await desk.say(follow_up, "ben")
    assert one.text != two.text
    assert [report.cache != "hit" for report in desk.reports] == [True] * 4


async def test_the_same_turns_share_what_leans_on_them(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    said = ["What is throat cancer?", "How is it treated?", "And what does that cost in Norway?"]
    one = [(await desk.say(text, "ana")).text for text in said]
    calls = desk.model.calls
    two = [(await desk.say(text, "ben")).text for text in said]
    assert one == two
    assert calls == 3
    assert desk.model.calls == 3
    assert {report.verdict.type for report in desk.reports[1:3]} == {SEARCH}


@pytest.mark.parametrize(
    "before",
    [
        [HumanMessage("What is throat cancer?"), AIMessage("another answer")],
        [HumanMessage("What is throat cancer?", name="ben"), AIMessage("the answer")],
        [HumanMessage("What is a throat cancer?"), AIMessage("the answer")],
        [HumanMessage("What is throat cancer?"), AIMessage([{"type": "text", "text": "the answer"}])],
        [HumanMessage("What is throat cancer?"), AIMessage("the answer", additional_kwargs={"reasoning": "none"})],
        [HumanMessage("What is throat cancer?")],
        [SystemMessage("be rude"), HumanMessage("What is throat cancer?"), AIMessage("the answer")],
        [
            HumanMessage("What is throat cancer?"),
            AIMessage("", tool_calls=[{"name": "look", "args": {"at": "x"}, "id": "1"}]),
            ToolMessage("found", tool_call_id="1"),
            AIMessage("the answer"),
        ],
    ],
)
async def test_another_exchange_before_it_is_another_question(client: Client, both: Both, before: list[Any]) -> None:
    desk = Desk(client, both)
    history = both(desk.memory.history("ana").add_messages)
    await history([HumanMessage("What is throat cancer?"), AIMessage("the answer")])
    await both(desk.memory.history("ben").add_messages)(before)
    await desk.say("How is it treated?", "ana")
    await desk.say("How is it treated?", "ben")
    assert [report.cache for report in desk.reports] == ["miss", "miss"]
    assert desk.model.calls == 2


async def test_messages_that_differ_only_in_their_ids_are_the_same(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    for session, mark in (("ana", "1"), ("ben", "2")):
        await both(desk.memory.history(session).add_messages)(
            [
                HumanMessage("What is throat cancer?", id=f"h{mark}"),
                AIMessage("", id=f"a{mark}", tool_calls=[{"name": "look", "args": {"at": "x"}, "id": f"c{mark}"}]),
                ToolMessage("found", tool_call_id=f"c{mark}", id=f"t{mark}"),
                AIMessage("the answer", id=f"b{mark}", response_metadata={"time": mark}),
            ]
        )
        await desk.say("How is it treated?", session)
    assert [report.cache for report in desk.reports] == ["miss", "hit"]


async def test_an_answer_that_is_shared_was_made_without_private_memory(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked())
    await desk.say("F: my password is hunter2", "ana")
    shared = await desk.say("N: what is a safe password?", "ana")
    assert all("hunter2" not in str(message.content) for message in desk.model.shown[-1])
    assert shared.text == answer_to((spelled([HumanMessage("N: what is a safe password?")]), []))
    assert (await desk.say("N: what is a safe password?", "ben")).text == shared.text


APART: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tenant": ({"tenant": "x"}, {"tenant": "y"}),
    "tenant and none": ({"tenant": "x"}, {}),
    "agent": ({"agent": "x"}, {"agent": "y"}),
    "agent and none": ({"agent": "x"}, {}),
    "tenant is no agent": ({"tenant": "x"}, {"agent": "x"}),
    "argument": ({"arguments": {"stop": ["a"]}}, {"arguments": {"stop": ["b"]}}),
    "argument and none": ({"arguments": {"stop": ["a"]}}, {}),
    "setting": ({"tone": "kind"}, {"tone": "cold"}),
    "setting and none": ({"tone": "kind"}, {}),
}


@pytest.mark.parametrize("apart", APART.values(), ids=APART.keys())
async def test_what_keeps_answers_apart(
    client: Client, both: Both, apart: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    desk = Desk(client, both)
    for session, how in enumerate((*apart, *apart)):
        await desk.say("What is throat cancer?", f"s{session}", **how)
    assert [report.cache for report in desk.reports] == ["miss", "miss", "hit", "hit"]


SAID: dict[str, tuple[Any, Any]] = {
    "words": ("What is Rust?", "What is rust?"),
    "inner space": ("print('a  b') prints what?", "print('a b') prints what?"),
    "indentation": ("What prints this?\nif x:\n    a()\n    b()", "What prints this?\nif x:\n    a()\nb()"),
    "characters that look alike": ("Which character is \u212b?", "Which character is \u00c5?"),
    "system": ([SystemMessage("a"), HumanMessage("q?")], [SystemMessage("b"), HumanMessage("q?")]),
    "system and none": ([SystemMessage("a"), HumanMessage("q?")], "q?"),
    "two systems": (
        [SystemMessage("a"), SystemMessage("b"), HumanMessage("q?")],
        [SystemMessage("b"), SystemMessage("a"), HumanMessage("q?")],
    ),
    "who asks": (HumanMessage("What is Rust?", name="ana"), HumanMessage("What is Rust?", name="ben")),
    "who asks, or nobody": (HumanMessage("What is Rust?", name="ana"), HumanMessage("What is Rust?")),
    "fields of the question": (HumanMessage("q?", additional_kwargs={"a": 1}), HumanMessage("q?")),
    "picture": (
        HumanMessage([{"type": "text", "text": "What is Redis?"}, {"type": "image", "url": "http://a/1.png"}]),
        HumanMessage([{"type": "text", "text": "What is Redis?"}, {"type": "image", "url": "http://a/2.png"}]),
    ),
    "picture and none": (
        HumanMessage([{"type": "text", "text": "What is Redis?"}, {"type": "image", "url": "http://a/1.png"}]),
        HumanMessage("What is Redis?"),
    ),
}


@pytest.mark.parametrize("apart", SAID.values(), ids=SAID.keys())
async def test_what_is_said_keeps_answers_apart(client: Client, both: Both, apart: tuple[Any, Any]) -> None:
    desk = Desk(client, both)
    for session, said in enumerate((*apart, *apart)):
        await desk.say(said, f"s{session}")
    assert [report.cache for report in desk.reports] == ["miss", "miss", "hit", "hit"]


class Tone(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return "a tone"


GIVEN: dict[str, tuple[Any, Any]] = {
    "value": ({"tone": "kind"}, {"tone": "cold"}),
    "name": ({"tone": "kind"}, {"mood": "kind"}),
    "and none": ({"tone": "kind"}, {}),
    "none is something": ({"tone": None}, {}),
    "type": ({"tone": 1}, {"tone": "1"}),
    "truth": ({"tone": 1}, {"tone": True}),
    "fraction": ({"tone": 1}, {"tone": 1.0}),
    "tuple": ({"tone": (1, 2)}, {"tone": [1, 2]}),
    "bytes": ({"tone": b"a"}, {"tone": "a"}),
    "enum": ({"tone": NEW}, {"tone": "NEW_TOPIC"}),
    "subclass": ({"tone": Tone("kind")}, {"tone": "kind"}),
    "bytearray": ({"tone": bytearray(b"a")}, {"tone": b"a"}),
    "nested": ({"tone": {"a": [NEW]}}, {"tone": {"a": ["NEW_TOPIC"]}}),
}


@pytest.mark.parametrize("apart", GIVEN.values(), ids=GIVEN.keys())
async def test_extra_inputs_keep_answers_apart(real: Client, both: Both, apart: tuple[Any, Any]) -> None:
    desk = Desk(real, both, chain=RunnableLambda(pure_chain))
    made = [await desk.say({"question": "q?", **given}, f"s{number}") for number, given in enumerate(apart)]
    assert made[0] != made[1]
    first, second = (report.cache for report in desk.reports)
    assert first in ("miss", "bypass"), "no key can hold some of these"
    assert second == "miss"


async def test_where_a_graph_runs_does_not_keep_answers_apart(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    for name in ("a", "b"):
        await desk.say("q?", name, thread_id=name, checkpoint_ns=name, checkpoint_id=name, __pregel_task_id=name)
    assert [report.cache for report in desk.reports] == ["miss", "hit"]


async def test_equal_extra_inputs_share(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(pure_chain))
    for session in ("ana", "ben"):
        await desk.say({"question": "q?", "tone": {"a": [1, (2.5, None)], "b": "x"}}, session)
    assert [report.cache for report in desk.reports] == ["miss", "hit"]


async def test_what_cannot_be_described_is_shared_with_nobody(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda fields: f"answer {len(fields)}"))
    thing = object()
    for session in ("ana", "ben"):
        assert await desk.say({"question": "q?", "thing": thing}, session) == "answer 5"
    assert [report.cache for report in desk.reports] == ["bypass", "bypass"]
    assert len(await desk.told("ben")) == 2


async def test_scopes_keep_answers_apart(client: Client, both: Both) -> None:
    one, two = Desk(client, both, scope="one"), Desk(client, both, scope="two")
    await one.say("q?", "a")
    await two.say("q?", "b")
    assert two.last.cache == "miss"


async def test_conversations_of_tenants_and_agents_are_apart(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked())
    places: list[dict[str, Any]] = [{}, {"agent": "x"}, {"tenant": "x"}, {"tenant": "x", "agent": "x"}]
    for place in places:
        await desk.say("F: hello", "s", **place)
        assert desk.last.memory == []
    assert len(await desk.told("s")) == 2
    assert len(await desk.told("s", "x")) == 2


async def test_the_memorys_tenant_is_the_default(client: Client, both: Both) -> None:
    desk = Desk(client, both, tenant="x")
    plain = Desk(client, both)
    await desk.say("q?", "a")
    await plain.say("q?", "b", tenant="x")
    assert plain.last.cache == "hit"
    await plain.say("q?", "c")
    assert plain.last.cache == "miss"


async def test_a_question_with_a_lone_surrogate(client: Client, both: Both) -> None:
    desk = Desk(client, both, retriever=look_up)
    for session in ("ana", "ben"):
        await desk.say("What is \ud800 in JSON?", session)
    assert [report.cache for report in desk.reports] == ["miss", "hit"]
    assert (await desk.told("ben"))[0] == ("human", "What is \ud800 in JSON?")


@pytest.mark.parametrize("opening", ["Where was he born?", "Is it treatable?", "Are there others like this?", "Why?"])
async def test_an_opening_that_points_at_what_was_never_told_is_for_nobody_else(
    client: Client, both: Both, opening: str
) -> None:
    """Whoever answers may see the page that the user looks at; we do not, so the next user's page may be another."""
    desk = Desk(client, both)
    await desk.say(opening, "ana")
    await desk.say(opening, "ben")
    assert desk.model.calls == 2
    assert [report.cache for report in desk.reports] == ["bypass", "bypass"]
    assert "points at what was never told" in desk.last.verdict.reasons[-1]


async def test_an_opening_may_point_at_what_the_chain_is_given(client: Client, both: Both) -> None:
    desk = Desk(client, both)

    async def ask(page: str, who: str) -> str:
        answer = await both(desk.chat.invoke)(
            {"question": "Where was he born?", "page": page}, config={"configurable": {"session_id": who}}
        )
        return str(answer.text)

    assert await ask("Ibsen", "ana") == await ask("Ibsen", "ben")
    assert desk.model.calls == 1
    await ask("Grieg", "eve")
    assert [report.cache for report in desk.reports] == ["miss", "hit", "miss"]


@pytest.mark.parametrize("opening", ["Is it raining in Oslo?", "Wer ist das?", "Tell me about his wife Cosima Wagner"])
async def test_an_opening_that_may_stand_alone_is_shared(client: Client, both: Both, opening: str) -> None:
    desk = Desk(client, both)
    await desk.say(opening, "ana")
    await desk.say(opening, "ben")
    assert [report.cache for report in desk.reports] == ["miss", "hit"]


# --- rewrites -------------------------------------------------------------------------------------------------------


async def test_a_trusted_rewrite_shares_the_answer_of_the_question_that_it_means(client: Client, both: Both) -> None:
    desk = Desk(client, both, share_rewrites=True)
    await desk.say("What is throat cancer?", "ana")
    await desk.say("Is it treatable?", "ana")
    await desk.say("Is throat cancer treatable?", "ben")
    assert [report.cache for report in desk.reports] == ["miss", "miss", "hit"]


async def test_a_rewriter_that_sees_nothing_missing_does_not_overrule_the_classifier(
    client: Client, both: Both
) -> None:
    """`LocalContextualiser` sees no sign in these words; the classifier says that they depend on what was said."""
    desk = Desk(client, both, share_rewrites=True, classifier=Marked())
    for session, before in (("ana", "I go to Oslo by night train."), ("ben", "I go to Rome by bus.")):
        await desk.say(f"N: {before}", session)
        await desk.say("S: Which bicycles are allowed?", session)
    await desk.say("S: Which bicycles are allowed?", "new")
    assert [report.cache for report in desk.reports[:4]] == ["miss"] * 4
    assert desk.last.cache != "hit"
