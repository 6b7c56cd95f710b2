"""Which settings of a config are part of a cache key, and which of a model or a retriever may have been changed."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import BaseModel, ConfigDict, Field

from langchain_redis_memory.redis.codec.fingerprint import LiveSettings, deciding_settings, describe
from tests.support.chains import DescribedModel, PureModel


def test_settings_that_may_decide_an_answer_are_kept() -> None:
    given = {
        "session_id": "s",
        "thread_id": "t",
        "checkpoint_ns": "",
        "__pregel_read": 1,
        "agent": "a",
        "tenant": "x",
        "user_id": "u",
        "model": "m",
    }
    assert set(deciding_settings(given)) == {"agent", "tenant", "user_id", "model"}
    assert set(deciding_settings(given, "agent", "tenant")) == {"user_id", "model"}
    assert deciding_settings({}) == {}


class Condition(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    tenant: str
    lock: Any = None


class OwnModel(FakeListChatModel):
    """A model of somebody's own, which leaves most out of what identifies it."""

    persona: str = ""
    extra: dict[str, Any] = Field(default_factory=dict)
    words: list[str] = Field(default_factory=list)
    log: list[str] = Field(default_factory=list)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"extra": self.extra}


class WholeModel(DescribedModel):
    words: list[str] = Field(default_factory=list)


def own_model() -> OwnModel:
    return OwnModel(responses=["one"], extra={"body": {"seed": 1}}, words=["one"])


def retriever() -> Any:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=2))
    store.add_documents([Document("one")])
    return store.as_retriever(search_kwargs={"filter": {"tenant": "a"}, "by": [Condition(tenant="a")]})


def persona(model: Any) -> None:
    model.persona = "rude"


def nested(model: Any) -> None:
    model.extra["body"]["seed"] = 2


def words(model: Any) -> None:
    model.words.append("two")


def tenant(found: Any) -> None:
    found.search_kwargs["filter"]["tenant"] = "b"


def condition(found: Any) -> None:
    found.search_kwargs["by"][0].tenant = "b"


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (own_model, persona),
        (own_model, nested),
        (own_model, words),
        (lambda: WholeModel(words=["one"]), words),
        (retriever, tenant),
        (retriever, condition),
    ],
)
def test_settings_that_are_changed_in_place_are_noticed(make: Callable[[], Any], change: Callable[[Any], None]) -> None:
    part = make()
    [live] = describe(part).live
    assert not live.changed()
    change(part)
    assert live.changed()


@pytest.mark.parametrize("make", [own_model, PureModel, DescribedModel])
def test_what_a_model_counts_and_notes_decides_nothing(make: Callable[[], Any]) -> None:
    model = make()
    live = LiveSettings(model)
    for said in ("one", "two"):
        model.invoke(said)
        if isinstance(model, OwnModel):
            model.log.append(said)
        assert not live.changed()


def test_what_cannot_be_copied_may_have_been_changed() -> None:
    found = retriever()
    found.search_kwargs["by"] = [Condition(tenant="a", lock=Lock())]
    assert LiveSettings(found).changed()


def test_a_binding_s_arguments_count_in_any_order_and_a_schema_s_properties_in_theirs() -> None:
    def named(*order: str) -> str:
        schema = {"properties": {name: {"type": "string"} for name in ("why", "answer")}}
        given: dict[str, Any] = {"seed": 1, "stop": ["."], "response_format": schema}
        return describe(DescribedModel().bind(**{name: given[name] for name in order})).digest

    assert named("seed", "stop", "response_format") == named("response_format", "stop", "seed")
    one, other = (
        describe(DescribedModel().bind(response_format=dict.fromkeys(order, "string"))).digest
        for order in (("why", "answer"), ("answer", "why"))
    )
    assert one != other
