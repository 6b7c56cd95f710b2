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
    "es, unaccented": ("Cuanto cuesta una transferencia?", "Cual es el precio de una transferencia?", "Es grave?"),
    "fr, unaccented": ("Combien coute un virement?", "Quel est le prix d'un virement?", "Est-ce grave?"),
    "it": ("Quanto costa un bonifico?", "Qual e il costo di un bonifico?", "E caro?"),
    "pt": ("Quanto custa uma transferencia?", "Qual o preco de uma transferencia?", "Custa caro?"),
    "nl": ("Wat kost een overboeking?", "Hoe duur is een overboeking?", "Is dat duur?"),
    "af": ("Wat kos 'n betaling?", "Hoe duur is 'n betaling?", "Is dit duur?"),
    "sv": ("Vad kostar en betalning?", "Hur dyr ar en betalning?", "Ar det farligt?"),
    "da": ("Hvad koster en betaling?", "Hvor dyr er en betaling?", "Er det farligt?"),
    "cs": ("Kolik stoji prevod?", "Jaka je cena prevodu?", "Je to nebezpecne?"),
    "ro": ("Cat costa un transfer?", "Care este pretul unui transfer?", "Este scump?"),
    "hu": ("Mennyibe kerul az atutalas?", "Mi az atutalas dija?", "Ez draga?"),
    "id": ("Berapa biaya transfer?", "Harga transfer berapa?", "Apakah mahal?"),
    "sw": ("Gharama ya kutuma pesa ni kiasi gani?", "Kutuma pesa ni bei gani?", "Ni ghali?"),
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
