"""Word lists of the contextualiser: words that are not nouns, nouns of persons, irregular plurals. English."""

from __future__ import annotations

from langchain_redis_memory.language.english import word_list
from langchain_redis_memory.language.lexicon import lexicon

FUNCTION = (lexicon("en").function - lexicon("en").imperative) | word_list("contextualise", "function")
"""Words that are never part of what a turn is about."""

VERBS = word_list("contextualise", "verbs")

ADJECTIVES = word_list("contextualise", "adjectives")
ADJECTIVE_ENDINGS = ("able", "ible", "ful", "less", "ous")

RELATIONAL = word_list("contextualise", "relational")
"""Nouns that are always of something."""

PARTNERS = word_list("contextualise", "partners")
"""Those of them that a pronoun may mean all the same: "the capital of Norway" is a city."""

VAGUE = word_list("contextualise", "vague")
"""Nouns that a pronoun rarely means."""

PLURALS = word_list("contextualise", "plurals")
SINGULARS = word_list("contextualise", "singulars")

TITLES = word_list("contextualise", "titles")
MASCULINE = word_list("contextualise", "masculine")
FEMININE = word_list("contextualise", "feminine")
PEOPLE = word_list("contextualise", "people")
