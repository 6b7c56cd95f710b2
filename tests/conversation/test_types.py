"""What each type of question does: search, memory, cache; and the policy table as the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_redis_memory import QuestionOptions
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.policy import DEFAULT_POLICY, Rule, check_policy
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.chains import MARKS, MORE, NEW, RECALL, SEARCH, Desk, Marked, look_up

NEVER = Rule(search=False, read_cache=False, write_cache=False, window=1)


async def converse(desk: Desk, session: str, *said: str) -> list[str]:
    return [str((await desk.say(one, session)).text) for one in said]


@pytest.mark.parametrize(
    ("mark", "searches", "memory", "cache"),
    [("N", True, 0, "miss"), ("F", False, 2, "bypass"), ("R", False, 2, "bypass"), ("S", True, 2, "miss")],
)
async def test_what_each_type_does(
    client: Client, both: Both, mark: str, searches: bool, memory: int, cache: str
) -> None:
    desk = Desk(client, both, retriever=look_up, classifier=Marked())
    await desk.say("N: first")
    answer = await desk.say(f"{mark}: second")
    report = desk.last
    assert report.verdict.type is MARKS[mark]
    assert report.cache == cache
    assert len(report.memory) == memory
    assert (report.query is not None) is searches
    assert len(report.documents) == int(searches)
    shown = desk.model.shown[-1]
    assert [m.type for m in shown] == ["system"] * searches + ["human", "ai"][:memory] + ["human"]
    assert answer.text == desk.model.made[-1].text
    assert await desk.told() == [
        ("human", "N: first"),
        ("ai", desk.model.made[0].text),
        ("human", f"{mark}: second"),
        ("ai", answer.text),
    ]


@pytest.mark.parametrize(("mark", "shared"), [("N", True), ("S", True), ("F", False), ("R", False)])
async def test_which_types_are_served_from_the_cache(client: Client, both: Both, mark: str, shared: bool) -> None:
    desk = Desk(client, both, retriever=look_up, classifier=Marked())
    one = await converse(desk, "one", "N: first", f"{mark}: second")
    calls = desk.model.calls
    two = await converse(desk, "two", "N: first", f"{mark}: second")
    assert one == two
    assert desk.model.calls - calls == (0 if shared else 1)
    assert desk.last.cache == ("hit" if shared else "bypass")


async def test_the_query_of_a_follow_up_carries_what_it_leans_on(client: Client, both: Both) -> None:
    desk = Desk(client, both, retriever=look_up)
    await desk.say("What is throat cancer?")
    await desk.say("How is it treated?")
    assert desk.last.verdict.type is SEARCH
    assert desk.last.query == "How is throat cancer treated?"
    assert [d.page_content for d in desk.last.documents] == [f"document of <{desk.last.query}>"]


async def test_the_windows_differ_by_type(client: Client, both: Both) -> None:
    from langchain_redis_memory.conversation.select.window import WindowSelector

    desk = Desk(client, both, classifier=Marked(), selector=WindowSelector(base=2))
    for number in range(6):
        await desk.say(f"N: {number}")
    seen = {}
    for mark in "FRS":
        await desk.say(f"{mark}: x")
        seen[mark] = len(desk.last.memory)
    assert seen == {"F": 4, "R": 6, "S": 2}


async def test_documents_and_leading_system_messages_are_shown_in_order(client: Client, both: Both) -> None:
    desk = Desk(client, both, retriever=look_up, classifier=Marked())
    await desk.say("N: first")
    await desk.say([SystemMessage("be brief"), HumanMessage("S: second")])
    shown = desk.model.shown[-1]
    assert [m.type for m in shown] == ["system", "system", "human", "ai", "human"]
    assert shown[0].content == "be brief"
    assert "document of" in str(shown[1].content)
    assert all(message != "be brief" for _, message in await desk.told()), "the caller's system messages are not stored"


# --- the policy table -----------------------------------------------------------------------------


async def test_a_new_topic_that_is_never_cached_is_shown_its_memory(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked(), policy={NEW: NEVER})
    await converse(desk, "one", "N: first", "N: second")
    assert [len(report.memory) for report in desk.reports] == [0, 2]
    assert {report.cache for report in desk.reports} == {"bypass"}
    await converse(desk, "two", "N: first", "N: second")
    assert desk.model.calls == 4


async def test_a_policy_that_only_reads(client: Client, both: Both) -> None:
    writer = Desk(client, both, classifier=Marked())
    reader = Desk(client, both, classifier=Marked(), policy={NEW: Rule(True, True, False, 1)})
    await reader.say("N: q", "one")
    await reader.say("N: q", "two")
    assert reader.model.calls == 2, "it wrote nothing"
    answer = await writer.say("N: q", "three")
    assert (await reader.say("N: q", "four")).text == answer.text
    assert reader.last.cache == "hit"
    assert reader.model.calls == 2


async def test_a_policy_that_only_writes(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked(), policy={NEW: Rule(True, False, True, 1)})
    await desk.say("N: q", "one")
    await desk.say("N: q", "two")
    assert desk.model.calls == 2
    assert {report.cache for report in desk.reports} == {"bypass"}
    reader = Desk(client, both, classifier=Marked())
    await reader.say("N: q", "three")
    assert reader.last.cache == "hit"
    assert [m.type for shown in desk.model.shown for m in shown] == ["human", "human"], "written without memory"


@pytest.mark.parametrize("window", [0, 1])
async def test_search_follows_the_rule(client: Client, both: Both, window: int) -> None:
    asked: list[str] = []

    def retriever(query: str) -> list[Any]:
        asked.append(query)
        return look_up(query)

    policy = {NEW: Rule(False, True, True, window), MORE: Rule(True, False, False, window)}
    desk = Desk(client, both, retriever=retriever, classifier=Marked(), policy=policy)
    await converse(desk, "s", "N: a", "F: b")
    assert asked == ["F: b" if window == 0 else "N: a F: b"]


async def test_a_window_of_nothing_shows_nothing_and_shares_nothing(client: Client, both: Both) -> None:
    policy = {SEARCH: Rule(True, True, True, 0)}
    desk = Desk(client, both, retriever=look_up, classifier=Marked(), policy=policy)
    await converse(desk, "one", "N: about cats", "S: and their age")
    await converse(desk, "two", "N: about dogs", "S: and their age")
    assert [report.cache for report in desk.reports] == ["miss", "bypass", "miss", "bypass"]


async def test_without_any_window_nothing_is_loaded(client: Client, both: Both) -> None:
    policy = {kind: Rule(True, DEFAULT_POLICY[kind].read_cache, False, 0) for kind in QuestionType}
    desk = Desk(client, both, classifier=Marked(), policy=policy)
    await converse(desk, "s", "N: a", "F: b", "S: c")
    assert [len(report.memory) for report in desk.reports] == [0, 0, 0]
    assert len(await desk.told()) == 6


def test_rules_left_out_keep_their_default() -> None:
    table = check_policy({NEW: NEVER})
    assert table[NEW] == NEVER
    assert {kind: table[kind] for kind in QuestionType if kind is not NEW} == {
        kind: rule for kind, rule in DEFAULT_POLICY.items() if kind is not NEW
    }
    with pytest.raises(TypeError):
        table[NEW] = NEVER  # type: ignore[index]


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"NEW_TOPIC": NEVER}, "QuestionType"),
        ({NEW: (True, True, True, 1)}, "QuestionType to Rule"),
        ({NEW: None}, "QuestionType to Rule"),
        ({NEW: Rule(True, True, True, -1)}, "window of NEW_TOPIC"),
        ({NEW: Rule(True, True, True, cast("int", 1.5))}, "window"),
        ({NEW: Rule(True, True, True, True)}, "window"),
        ({NEW: Rule(True, True, True, cast("int", "2"))}, "window"),
        ({MORE: Rule(True, True, False, 1)}, "never be answered from the cache"),
        ({MORE: Rule(True, False, True, 1)}, "never be answered from the cache"),
        ({RECALL: Rule(True, True, True, 1)}, "HISTORY_RECALL"),
    ],
)
def test_bad_policies_are_refused(policy: Mapping[Any, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        ConversationMemory("memory://policies", questions=QuestionOptions(policy=policy))


@pytest.mark.parametrize("kind", list(QuestionType))
def test_a_type_prints_as_its_name(kind: QuestionType) -> None:
    assert f"{kind}" == kind.value == kind.name
    assert QuestionType(kind.value) is kind


async def test_without_a_cache_every_turn_is_shown_its_memory(client: Client, both: Both) -> None:
    for off in (None, False):
        desk = Desk(client, both, classifier=Marked(), cache=off)
        await converse(desk, f"one {off}", "N: a", "N: b")
        await converse(desk, f"two {off}", "N: a")
        assert desk.model.calls == 3
        assert {report.cache for report in desk.reports} == {"off"}
        assert [len(report.memory) for report in desk.reports] == [0, 2, 0]


async def test_a_stored_message_of_the_users_own_is_memory(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked())
    await both(desk.memory.history("s").add_messages)([HumanMessage("I am Ana"), AIMessage("Hello")])
    await desk.say("R: who am I?")
    assert [m.content for m in desk.model.shown[0]] == ["I am Ana", "Hello", "R: who am I?"]


async def test_a_question_that_likely_stands_alone_is_searched_in_its_own_words(client: Client, both: Both) -> None:
    class Doubting:
        def classify(self, turn: str, history: Any, state: Any = None) -> Verdict:
            share = 0.3 if "shell" in turn else 0.9
            return Verdict(QuestionType.CONTEXTUAL_WITH_SEARCH, 0.5, dependence=share)

    desk = Desk(client, both, classifier=Doubting(), retriever=look_up)
    await desk.say("What is throat cancer?")
    await desk.say("How can I run a shell command and capture its output?")
    assert desk.last.query == "How can I run a shell command and capture its output?"
    assert desk.last.memory, "the model sees the conversation, and the key holds it"
    await desk.say("Is it treatable?")
    assert desk.last.query != "Is it treatable?"
