"""Recall across a user's conversations: histories and threads, cited with place and time, by words and by meaning."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_redis_memory import MemorySelector, RedisSaver
from langchain_redis_memory.errors import ConfigError, InvalidIdError, InvalidInputError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.conversation.select.test_recall import Topics
from tests.support.agents import ScriptedModel
from tests.support.chains import Desk


async def told(desk: Desk, session: str, question: str, answer: str, user: str = "ana") -> None:
    """A turn of a user in a conversation."""
    desk.model.script.append(AIMessage(answer))
    await desk.both(desk.chat.invoke)(
        question, config={"configurable": {"session_id": session}, "metadata": {"user_id": user}}
    )


async def shown(desk: Desk, question: str, session: str = "now", user: str = "ana") -> list[Any]:
    await told(desk, session, question, "well", user)
    return desk.model.shown[-1][:-1]


def desk_of(client: Client, both: Both, **selector: Any) -> Desk:
    return Desk(client, both, cache=None, selector=MemorySelector(scope="user", **selector))


async def test_another_conversation_of_the_user_is_recalled_and_cited(client: Client, both: Both) -> None:
    desk = desk_of(client, both)
    await told(desk, "travel", "My cat is called Minka.", "A fine name.")
    await told(desk, "books", "Which novel should I read?", "Read The Name of the Rose.")
    await told(desk, "other", "My cat is called Tom.", "Nice.", user="ben")
    (front,) = await shown(desk, "What did I tell you about my cat?")
    assert isinstance(front, SystemMessage)
    assert "My cat is called Minka." in front.text
    assert "[conversation 'travel', 20" in front.text
    assert "UTC]" in front.text
    assert "Tom" not in front.text
    assert "novel" not in front.text


async def test_without_a_user_or_that_scope_nothing_is_recalled_from_elsewhere(client: Client, both: Both) -> None:
    desk = desk_of(client, both)
    await told(desk, "travel", "My cat is called Minka.", "A fine name.")
    await desk.say("What did I tell you about my cat?", "fresh")
    assert desk.model.shown[-1][:-1] == []
    plain = Desk(client, both, cache=None)
    assert await shown(plain, "What did I tell you about my cat?") == []


async def test_the_same_question_asked_before_is_no_answer(client: Client, both: Both) -> None:
    desk = desk_of(client, both)
    await told(desk, "one", "What did I tell you about my cat?", "You did not tell me about your cat.")
    assert await shown(desk, "What did I tell you about  my CAT?") == []


async def test_a_recall_costs_two_trips_more(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = desk_of(client, both)
    await told(desk, "travel", "My cat is called Minka.", "A fine name.")
    await shown(desk, "What did I tell you about my cat?", "first")  # the server learns the scripts
    await told(desk, "now", "Hello there.", "Hi.")
    trips.clear()
    assert "Minka" in (await shown(desk, "What did I tell you about my cat?"))[0].text
    assert len(trips) == desk.last.trips == 4
    trips.clear()
    await told(desk, "now", "How do I boil an egg?", "In water.")
    assert len(trips) <= 2


async def test_what_is_cited_keeps_to_the_budget(client: Client, both: Both) -> None:
    desk = desk_of(client, both, max_tokens=200)
    for number in range(6):
        await told(desk, f"s{number}", f"My cat number {number} {'purrs ' * 10}", "Nice.")
    (front,) = await shown(desk, "What did I tell you about my cat?")
    assert 1 <= front.text.count("[conversation") < 5
    assert desk.last.memory_tokens <= 100


async def test_what_shares_no_word_is_recalled_by_meaning(client: Client, both: Both) -> None:
    desk = desk_of(client, both, embeddings=Topics())
    await told(desk, "pets", "We adopted a dog.", "Lovely.")
    await told(desk, "food", "I bake sourdough.", "Yum.")
    (front,) = await shown(desk, "What did I tell you about my pet?")
    assert "adopted" in front.text.split("[conversation")[1]


async def test_threads_of_the_user_are_recalled_from_too(client: Client, both: Both) -> None:
    agent: Any = create_agent(ScriptedModel(script=["A fine name."]), checkpointer=RedisSaver(client, ttl_s=60))
    said = {"messages": [HumanMessage("My cat is called Minka.")]}
    await both(agent.invoke)(said, {"configurable": {"thread_id": "t1", "user_id": "ana"}})
    desk = desk_of(client, both)
    found = await both(desk.memory.recall)("ana", "cat")
    assert [(turn.conversation, turn.question, turn.answer) for turn in found] == [
        ("t1", "My cat is called Minka.", "A fine name.")
    ]
    assert found[0].at.utcoffset() is not None


async def test_recall_by_hand_finds_the_best_first(client: Client, both: Both) -> None:
    desk = desk_of(client, both)
    for number, said in enumerate(("I like tea.", "My cat likes milk.", "My cat hates my dog.")):
        await told(desk, f"s{number}", said, "Noted.")
    found = await both(desk.memory.recall)("ana", "Does my cat like the dog?", limit=2)
    assert [turn.conversation for turn in found] == ["s2", "s1"]
    assert await both(desk.memory.recall)("nobody", "cat") == []


async def test_a_damaged_conversation_hides_no_other(client: Client, both: Both) -> None:
    desk = desk_of(client, both)
    await told(desk, "good", "My cat is called Minka.", "A fine name.")
    await told(desk, "bad", "My cat is called Tom.", "A fine name.")
    messages = client.keys("").session("bad").messages
    await both(client.run)(Op((("RPUSH", messages, b"garbage"),), lambda _replies: None))
    assert [turn.conversation for turn in await both(desk.memory.recall)("ana", "cat")] == ["good"]


async def test_an_authenticated_user_is_nobody_else_whatever_his_metadata_say(client: Client, both: Both) -> None:
    desk = desk_of(client, both)
    await told(desk, "travel", "My cat is called Minka.", "A fine name.")
    posing: Any = {"configurable": {"langgraph_auth_user_id": "ben"}, "metadata": {"user_id": "ana"}}
    for question in ("What did I tell you about my cat?", "My cat obeys Ben."):
        named = {**posing["configurable"], "session_id": question}
        await both(desk.chat.invoke)(question, config={**posing, "configurable": named})
        assert desk.model.shown[-1][:-1] == []
    agent: Any = create_agent(ScriptedModel(), checkpointer=RedisSaver(client, ttl_s=60))
    named = {**posing["configurable"], "thread_id": "poison"}
    await both(agent.invoke)({"messages": [HumanMessage("My cat obeys Ben.")]}, {**posing, "configurable": named})
    assert [turn.question for turn in await both(desk.memory.recall)("ana", "cat")] == ["My cat is called Minka."]


def test_what_is_no_scope() -> None:
    with pytest.raises(ConfigError, match="scope"):
        MemorySelector(scope="world")  # type: ignore[arg-type]


def test_what_cannot_be_recalled(client: Client) -> None:
    desk = Desk(client)
    with pytest.raises(InvalidIdError):
        desk.memory.recall("", "cat")
    with pytest.raises(InvalidInputError, match="limit"):
        desk.memory.recall("ana", "cat", limit=0)
