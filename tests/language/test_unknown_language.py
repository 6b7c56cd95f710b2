"""English is the language that is held; a turn in any other errs to the safe side in every part of the room at once."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langchain_redis_memory.language.audience import classify_audience
from langchain_redis_memory.language.classify import LinguisticClassifier
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.contextualise.contextualiser import resolved
from langchain_redis_memory.language.contextualise.local import LocalContextualiser
from langchain_redis_memory.language.equivalence import VerifiedPolicy

TURNS = {
    "de": ("Wie hoch ist die Gebühr für eine Überweisung?", "Was kostet eine Überweisung?", "Ist sie behandelbar?"),
    "fr": ("Quels sont les frais d'un virement ?", "Combien coûte un virement ?", "Est-ce qu'il est grave ?"),
    "es": ("¿Cuál es la comisión de una transferencia?", "¿Cuánto cuesta una transferencia?", "¿Es grave?"),
    "pl": ("Jaka jest opłata za przelew?", "Ile kosztuje przelew?", "Czy to jest uleczalne?"),
    "tr": ("Havale ücreti ne kadar?", "Havale kaç para tutuyor?", "Tedavi edilebilir mi?"),
    "fi": ("Mikä on tilisiirron maksu?", "Paljonko tilisiirto maksaa?", "Voiko sitä hoitaa?"),
}
TALK = [HumanMessage("What is throat cancer?"), AIMessage("A tumour of the larynx or pharynx.")]


@pytest.mark.parametrize("language", TURNS)
def test_an_unknown_language_errs_to_the_safe_side(language: str) -> None:
    asked, other, dependent = TURNS[language]
    for turn in (asked, other, dependent):
        assert not classify_audience(turn, opaque=False).shareable()
        assert LinguisticClassifier().classify(turn, TALK).type is not QuestionType.NEW_TOPIC
        assert resolved(turn, LocalContextualiser().contextualise(turn, TALK)) is None
    assert not VerifiedPolicy(max_error=0.1).judge(asked, other, 0.97).hit
