"""The local reader: what it reads, which files it refuses, and the verifier that it is a term of."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.classify import LinguisticClassifier
from langchain_redis_memory.language.equivalence import VerifiedPolicy
from langchain_redis_memory.language.need.policy import NeedPolicy
from langchain_redis_memory.language.reader import LocalReader, ReadingClassifier, local_reader
from langchain_redis_memory.language.reader.inputs import context_of

SAME = ("How do I reset my password?", "I forgot my password, how can I get a new one?")
OTHER = ("How do I reset my password?", "How long must a password be?")
CANCER: list[BaseMessage] = [HumanMessage("What is throat cancer?"), AIMessage("A tumour of the larynx or pharynx.")]


@pytest.fixture(scope="module")
def reader() -> LocalReader:
    return LocalReader()


@pytest.mark.slow
def test_one_need_scores_above_two_that_look_alike(reader: LocalReader) -> None:
    same, other = reader.score([SAME, OTHER])
    assert same > other + 0.2


@pytest.mark.slow
def test_the_order_within_a_pair_and_the_batch_make_no_difference(reader: LocalReader) -> None:
    alone = reader.score([OTHER])[0]
    assert reader.score([OTHER[::-1]])[0] == alone
    assert LocalReader(batch=1).score([SAME, OTHER])[1] == alone
    assert reader.score([]) == []


def test_a_pair_that_is_cut_off_has_no_score(reader: LocalReader) -> None:
    assert reader.score([("Why? " * 100, "How? " * 100)]) == [0.5]


def test_a_turn_is_read_with_its_conversation(reader: LocalReader) -> None:
    dependent, alone = reader.dependence([("Is it treatable?", CANCER), ("What is the capital of Norway?", CANCER)])
    assert dependent > 0.8 > 0.2 > alone


def test_who_may_be_served_is_read_from_the_turn(reader: LocalReader) -> None:
    mine, public = reader.audience(["What is my account balance?", "What is the capital of Norway?"])
    assert set(mine) == {"personal", "volatile", "effect", "vary", "unsafe"}
    assert mine["personal"] > 0.5 > public["personal"]
    assert mine["unsafe"] > 0.9 > 0.1 > public["unsafe"]


def test_the_newest_of_a_conversation_is_read_first() -> None:
    history = [*CANCER, HumanMessage("Is it treatable?"), AIMessage("Often, if found early. " * 20)]
    found = context_of(history)
    assert found.startswith("Is it treatable? | Often, if found early.")
    assert found.endswith(" | What is throat cancer?")
    assert len(found) < 320
    assert context_of([]) == ""


def test_it_is_a_term_of_the_verifier(reader: LocalReader) -> None:
    signs, both = VerifiedPolicy(0.05), VerifiedPolicy(0.05, scorer=reader)
    same = ("How do I clean a leather sofa?", "What is the best way to clean a leather couch?")
    judged = both.judge(*same, 0.85)
    assert judged.features["scored"] > 0
    assert judged.hit
    assert not signs.judge(*same, 0.85).hit


def test_it_is_a_term_where_conversations_are_compared(reader: LocalReader) -> None:
    asked = "Can I pay in instalments?\n- I can't pay the final bill.\n- It's 600 euros."
    other = "is it possible to pay in instalments?\n- I can't pay the deposit.\n- 600 euros"
    judged = NeedPolicy(0.05, scorer=reader).judge(asked, other, 0.75)
    assert judged.features["scored"] < 0
    assert not judged.hit


def test_a_classifier_is_corrected_by_the_reader(reader: LocalReader) -> None:
    classifier = ReadingClassifier(LinguisticClassifier(), reader, unsure=(0, 1))
    verdict = classifier.classify("What is the capital of Norway?", CANCER)
    assert "read with its conversation" in verdict.reasons[-1]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["onnxruntime", "tokenizers", "numpy"])
def test_without_the_extra_it_cannot_be_constructed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(wanted: str) -> Any:
        return None if wanted == name else find_spec(wanted)

    monkeypatch.setattr(local_reader, "find_spec", without)
    with pytest.raises(ConfigError, match=rf"{name} missing.*\[local\]"):
        LocalReader()


def test_a_file_that_is_not_the_shipped_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(local_reader._FILES, "reader.onnx", "0" * 64)
    with pytest.raises(ConfigError, match=r"reader\.onnx is not the one"):
        local_reader._checked("reader.onnx")
    with pytest.raises(ConfigError, match=r"nowhere\.onnx is not there"):
        local_reader._checked("nowhere.onnx")
