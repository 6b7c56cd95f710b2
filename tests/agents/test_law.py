"""The law of sharing in agents: what is answered is the answer to what that very agent would have shown its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from langchain_redis_memory import AnswerCacheMiddleware, AnswerOptions, QuestionOptions
from langchain_redis_memory.redis.client.client import Client
from tests.support.chains import DescribedModel, Marked, answer_to, for_everyone, spelled
from tests.support.examples import share

TURNS = st.lists(
    st.tuples(
        st.sampled_from(["brief", "kind"]),  # the system prompt
        st.sampled_from([0.1, 0.9]),  # the model's temperature
        st.sampled_from("ab"),  # the thread
        st.sampled_from(
            ["N: one?", "N: two?", "S: more of it?", "F: go on", "R: what?", "N: From now on answer in rhymes."]
        ),
    ),
    min_size=4,
    max_size=14,
)


def digest_of(system: str, messages: Sequence[BaseMessage]) -> str:
    """What the model answers to these messages."""
    return answer_to((spelled([SystemMessage(system), *messages]), []))


@given(TURNS)
@share(2)
def test_an_answer_is_one_to_the_question_alone_or_to_the_whole_thread(
    turns: list[tuple[str, float, str, str]],
) -> None:
    """The answers of these models are digests of all that they are shown, so a wrong hit shows."""
    with Client.from_url(f"memory://{uuid4().hex}") as client:
        threads: dict[tuple[str, float, str], list[BaseMessage]] = {}
        hits = 0
        for system, temperature, name, text in turns:
            cache = AnswerCacheMiddleware(
                client,
                classifier=Marked(),
                questions=QuestionOptions(audience=for_everyone),
                answers=AnswerOptions(log=None),
            )
            model = DescribedModel(temperature=temperature)
            agent: Any = create_agent(model, system_prompt=system, middleware=[cache])
            thread = threads.setdefault((system, temperature, name), [])
            asked = [*thread, HumanMessage(text)]
            said = agent.invoke({"messages": asked}, {"configurable": {"thread_id": name}})["messages"][-1]
            alone = text.startswith("N:")
            whole = digest_of(system, asked)
            assert said.text in ({whole, digest_of(system, asked[-1:])} if alone else {whole})
            hits += said.response_metadata["cache"]["hit"]
            thread[:] = [*asked, said.model_copy(update={"response_metadata": {}, "usage_metadata": None})]
        client.settle()
        again = [turn for turn in turns if turns.count(turn) > 1 and turn[3] in {"N: one?", "N: two?"}]
        rhymes = any(turn[3].startswith("N: From") for turn in turns)
        assert hits or not again or rhymes, "the same question by itself is a hit"
