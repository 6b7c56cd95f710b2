"""Pairs of texts made for training: real sentences changed so that the answer changes, or so that it does not.

The sentences come from licensed corpora (CAsT rewrites, banking77, the GPTCache mock data, PAWS) and from a few dozen frames.
Changing real sentences rather than filling templates keeps the artefacts of templates small: both classes are made from
the same sentences, with the same frames of politeness around either.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from langchain_redis_memory.language.equivalence.contrasts import OPPOSITE_PREPOSITIONS, classes, interchangeable
from langchain_redis_memory.language.equivalence.relations import OPPOSITES
from langchain_redis_memory.language.words import lemma, wordnet

Change = Callable[[str, random.Random], "str | None"]

PLACES = ("Berlin Paris London Tokyo Madrid Rome Boston Chicago Texas California India China Canada Germany France Brazil "
          "Mexico Spain Italy Japan Egypt Kenya Delhi Mumbai Sydney Toronto Seattle Oslo Vienna Dublin").split()  # fmt: skip
PEOPLE = ("Einstein Newton Trump Obama Clinton Shakespeare Mozart Beethoven Napoleon Caesar Lincoln Darwin Tesla Edison "
          "Picasso Gandhi Mandela Churchill Messi Ronaldo Federer Nadal Alice Bob Maria John").split()  # fmt: skip
THINGS = ("Python Java Rust Docker Kubernetes Redis Postgres MySQL Excel Word Windows Linux macOS Android iPhone Netflix "
          "Spotify Amazon eBay PayPal Visa Mastercard Toyota Honda bitcoin ethereum aspirin ibuprofen paracetamol "
          "insulin diabetes asthma malaria flu cancer lupus coffee tea wine beer rice pasta bread cheese chicken salmon "
          "React Angular Django Flask TensorFlow PyTorch").split()  # fmt: skip
NUMBERS = ("2 3 4 5 6 7 8 10 12 15 20 24 25 30 40 50 60 90 100 150 200 250 365 500 1000 1914 1945 1969 1989 1999 2001 2008 "
           "2012 2015 2018 2019 2020 2021 2023 2024").split()  # fmt: skip
UNITS = "mg g kg ml km miles hours minutes days weeks months years dollars euros pounds percent degrees GB MB".split()
FRAMES = (
    "What is the capital of {place}?|Who was {person}?|When was {person} born?|How old is {person}?|What is {thing}?|"
    "How do I install {thing} on {thing2}?|What is the difference between {thing} and {thing2}?|Is {thing} better than {thing2}?|"
    "How do I get from {place} to {place2}?|What is the distance between {place} and {place2}?|flights from {place} to {place2}|"
    "How much does {thing} cost in {place}?|What is the population of {place}?|Who is the president of {place}?|"
    "Is it safe to take {n} {unit} of {thing}?|What was the weather in {place} in {year}?|Who won the world cup in {year}?|"
    "How do I convert {unit} to {unit2}?|What are the side effects of {thing}?|What are the symptoms of {thing}?|"
    "Can I use {thing} with {thing2}?|How do I migrate from {thing} to {thing2}?|What are the best restaurants in {place}?|"
    "What is the cheapest hotel in {place}?|Why did {person} leave {place}?|Did {person} meet {person2}?|"
    "How many people live in {place}?|How do I enable notifications in {thing}?|How do I turn on dark mode in {thing}?|"
    "How do I turn off the alarm?|How do I increase the size of my {thing} database?|What is the minimum wage in {place}?|"
    "Which is the longest river in {place}?|What is the highest mountain in {place}?|Who invented {thing}?|"
    "What time is it in {place}?|Can I drink {thing} before bed?|Should I take {thing} before or after meals?|"
    "What is the name of the river that flows through {place}?|How do I cancel my {thing} subscription?|"
    "How do I sort a list in {thing} in ascending order?|What is the maximum number of connections in {thing}?|"
    "Where can I buy {thing} in {place}?|How long does it take to learn {thing}?|How do I delete my {thing} account?|"
    "What happened in {place} in {year}?|Is {thing} good for my skin?|Why is {thing} so expensive in {place}?|"
    "Who wrote the biography of {person}?|What did {person} say about {person2}?|Is {person} taller than {person2}?|"
    "How can I lose weight in {n} weeks?|What is {n} percent of {n2}?|What is {n} plus {n2}?|best laptops under {n} dollars|"
    "How do I export data from {thing} to {thing2}?|Does {thing} support {thing2}?|{thing} vs {thing2}|"
    "What is the boiling point of {thing} in {unit}?|How many calories are in {n} {unit} of {thing}?|"
    "List all the countries that border {place}.|Write a poem about {place}.|Summarize the life of {person}.|"
    "Give me a recipe for {thing} with {thing2}.|Explain how {thing} works.|Tell me about {person}.|"
    "Is the shop open on monday?|Do I need a visa to travel from {place} to {place2}?|How do I send money from {place} to {place2}?|"
    "What are the advantages of {thing} over {thing2}?|Which players moved from {place} to {place2} in {year}?|"
    "Who taught {person}?|Who defeated {person}?|Who did {person} marry?|What does {person} think of {person2}?"
).split("|")  # fmt: skip


def frames(chance: random.Random, times: int) -> Iterator[str]:
    """Questions from frames."""
    for frame in FRAMES:
        for _ in range(times):
            place, place2 = chance.sample(PLACES, 2)
            person, person2 = chance.sample(PEOPLE, 2)
            thing, thing2 = chance.sample(THINGS, 2)
            unit, unit2 = chance.sample(UNITS, 2)
            n, n2 = chance.sample(NUMBERS[:26], 2)
            yield frame.format(place=place, place2=place2, person=person, person2=person2, thing=thing, thing2=thing2,
                               unit=unit, unit2=unit2, n=n, n2=n2, year=chance.choice(NUMBERS[26:]))  # fmt: skip


# --- changes that keep the answer ---


def _sub(pattern: str, *options: str) -> Change:
    compiled = re.compile(pattern, re.IGNORECASE)

    def change(text: str, chance: random.Random) -> str | None:
        if not compiled.search(text):
            return None
        return compiled.sub(chance.choice(options), text, count=1)

    return change


def _wrap(text: str, chance: random.Random) -> str | None:
    if not re.match(r"(?:what|who|when|where|why|how|which)\b", text, re.IGNORECASE):
        if re.match(r"(?:can|is|are|do|does|should|list|write|give|tell|explain|summar)", text, re.IGNORECASE):
            return chance.choice(("Please, {}", "{} Thanks!", "Hi, {}", "Hello! {}")).format(text)
        return None
    start = text[0].lower() + text[1:].rstrip("?. ")
    return chance.choice(
        (
            "Can you tell me {}?",
            "Could you please tell me {}?",
            "I would like to know {}.",
            "Do you know {}?",
            "Please tell me {}",
            "Hi, {}?",
            "Hello, {}? Thanks!",
            "I want to know {}",
            "I was wondering {}",
            "so {}?",
            "tell me {}",
            "Does anyone know {}?",
            "hey {}",
            "{} please",
        )
    ).format(start)


def _case(text: str, chance: random.Random) -> str | None:
    return chance.choice((text.lower(), text.lower().rstrip("?. "), text.rstrip("?. "), text.rstrip("?. ") + " ?"))


def _typo(text: str, chance: random.Random) -> str | None:
    words = list(re.finditer(r"\b[a-z]{6,}\b", text))
    if not words:
        return None
    word = chance.choice(words)
    at = word.start() + chance.randrange(1, len(word.group()) - 2)
    if chance.random() < 0.5:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :]


def _synonym(text: str, chance: random.Random) -> str | None:
    found = [m for m in re.finditer(r"\b[a-z]{4,}\b", text) if m.group() in SYNONYMS]
    if not found:
        return None
    word = chance.choice(found)
    return text[: word.start()] + chance.choice(SYNONYMS[word.group()]) + text[word.end() :]


SYNONYMS: dict[str, list[str]] = {}
for _line in (
    "begin start|buy purchase|big large|fast quick|smart intelligent|sick ill|movie film|car automobile|job occupation|"
    "house home|kid child|kids children|shop store|error mistake|fix repair|select choose|pick choose|create make|build make|"
    "delete remove|display show|obtain get|receive get|reset change|difference distinction|advantages benefits|"
    "disadvantages drawbacks|symptoms signs|cause reason|important significant|famous well-known|typical usual|common usual|"
    "method way|approach way|cost price|salary pay|improve better|improve enhance|reduce decrease|reduce lower|stop quit|"
    "prevent avoid|cure treat|help assist|explain describe|require need|happen occur|happened occurred|allow permit|"
    "currently now|quickly fast|easily simply|approximately about|function work|configure setup|verify check|"
    "verify confirm|transfer send|card debit card|activate enable|cancel stop|withdraw take out|phone mobile|picture photo|"
    "country nation|city town|road street|doctor physician|lawyer attorney|teacher instructor|student pupil|"
    "company firm|company business|money cash|gift present|trip journey|vacation holiday|illness disease|medicine drug|"
    "speak talk|tell inform|wrong incorrect|correct right|hard difficult|easy simple|happy glad|sad unhappy|rich wealthy|"
    "main primary|main chief|entire whole|various different|several many|effects consequences|effect impact|purpose goal|"
    "issue problem|issues problems|failed unsuccessful|declined rejected|location place|top-up topup|exchange swap|"
    "discover find|produce make|utilize use|employ use|used utilized|merge combine|return give back|enables allows"
).split("|"):
    _a, _, _b = _line.partition(" ")
    SYNONYMS.setdefault(_a, []).append(_b)
    SYNONYMS.setdefault(_b, []).append(_a)


def _front(text: str, chance: random.Random) -> str | None:
    """Moves a closing adverbial to the front."""
    found = re.search(
        r"^(.{12,}?) ((?:in|on|at|during|after|before|since|for|with) (?:[A-Z0-9]|my |the |a )[\w ]{1,24}?)([?.]?)$",
        text,
    )
    if not found or " from " in text:
        return None
    body, phrase, end = found.groups()
    body = body[0].lower() + body[1:] if not re.match(r"[A-Z]\w+ (?:is|was|did)|I\b", body) else body
    return f"{phrase[0].upper()}{phrase[1:]}, {body}{end}"


def _listed(text: str, _: random.Random) -> str | None:
    found = re.search(r"\b(\w{2,}) (and|or|vs) (\w{2,})\b", text)
    if not found or found.group(1).lower() in {"why", "how", "it", "this", "not", "more"}:
        return None
    return f"{text[: found.start()]}{found.group(3)} {found.group(2)} {found.group(1)}{text[found.end() :]}"


def _possessive(text: str, chance: random.Random) -> str | None:
    found = re.search(
        r"\bthe (capital|population|history|president|symptoms|cost|size|price|purpose|origin|minimum wage) of ([A-Z]\w+)",
        text,
    )
    return f"{text[: found.start()]}{found.group(2)}'s {found.group(1)}{text[found.end() :]}" if found else None


KEEP: list[tuple[Change, float]] = [
    (_wrap, 2.0),
    (_case, 2.0),
    (_typo, 0.7),
    (_synonym, 2.5),
    (_front, 2.0),
    (_listed, 1.0),
    (_possessive, 3.0),
    (_sub(r"\bwhat is\b", "what's", "whats"), 1.0),
    (_sub(r"^what (?:is|are) (?=(?:a |an |the )?\w+(?: \w+)?\?)", "define ", "explain ", "tell me about ", "what exactly is ",
          "describe ", "what do you mean by ", "give me an overview of "), 3.0),
    (_sub(r"^tell me about\b", "what is", "give me some information about", "I want to know about"), 2.0),
    (_sub(r"\bhow (?:do|can|could|should) (?:i|we|you)\b", "how do I", "how can I", "how to", "how do you", "how can we", "how could I",
          "how does one", "what is the best way to", "what's the way to", "is there a way to", "how would I go about", "how should I",
          "what steps do I take to", "show me how to", "what are some ways to", "how might I", "I need to know how to"), 4.0),
    (_sub(r"^can i\b", "is it possible to", "am I able to", "could I", "may I", "would it be possible to", "is it possible for me to"), 4.0),
    (_sub(r"^(?:is it possible to)\b", "can I", "could I", "can you"), 2.0),
    (_sub(r"\bi am\b", "i'm"), 1.0),
    (_sub(r"\bi have\b", "i've got", "i've"), 0.5),
    (_sub(r"\bdo not\b", "don't"), 1.0),
    (_sub(r"\bdoes not\b", "doesn't"), 1.0),
    (_sub(r"\bdoesn't\b", "does not"), 1.0),
    (_sub(r"\bcan't\b", "cannot", "can not"), 1.0),
    (_sub(r"\b(?:isn't)\b", "is not"), 1.0),
    (_sub(r"^why (?:is|are|do|does|did)\b(?=.* \w+ )", "how come", "for what reason is"), 0.4),
    (_sub(r"\bwhat are\b", "which are", "list", "tell me", "what're", "name"), 1.2),
    (_sub(r"\bwhich is\b", "what is"), 1.0),
    (_sub(r"\bhow long does it take to\b", "how much time does it take to", "how long do you need to", "how many days does it take to"), 1.0),
    (_sub(r"\bwhen was (\w+) born\b", r"what is the birth date of \1", r"when was the birth of \1"), 1.0),
    (_sub(r"\bhow many people live in (\w+)", r"what is the population of \1", r"what's the number of people who live in \1"), 1.5),
    (_sub(r"\bhow much does (.+?) cost\b", r"what is the price of \1", r"what does \1 cost", r"how much is \1"), 1.5),
    (_sub(r"\bwhat is the price of (.+?)\?", r"how much does \1 cost?"), 1.5),
    (_sub(r"^who (invented|wrote|discovered|painted|founded|killed|built) (.+?)\?", r"\2 was \1 by whom?", r"who was it that \1 \2?",
          r"which person \1 \2?"), 2.0),
    (_sub(r"\b(\w+) vs (\w+)", r"\1 versus \2", r"\1 compared to \2", r"comparison of \1 and \2"), 1.5),
    (_sub(r"\bis (\w+) better than (\w+)\?", r"is \2 worse than \1?", r"is \1 superior to \2?"), 0.8),
    (_sub(r"\ba\b", "the"), 0.3),
    (_sub(r"\bthe\b ", ""), 0.6),
    (_sub(r"\b(20\d\d|19\d\d)\b", r"the year \1"), 0.5),
    (_sub(r"\bjanuary\b", "jan"), 1.0),
    (_sub(r"\b2\b", "two"), 2.0), (_sub(r"\b3\b", "three"), 2.0), (_sub(r"\b10\b", "ten"), 2.0), (_sub(r"\b1000\b", "1,000", "thousand"), 2.0),
    (_sub(r"\bpercent\b", "%"), 2.0), (_sub(r"\bmg\b", "milligrams"), 2.0), (_sub(r"\bkg\b", "kilograms"), 2.0), (_sub(r"\bkm\b", "kilometers"), 2.0),
    (_sub(r"\bfor example\b", "for instance", "e.g."), 1.0),
    (_sub(r"\bbecause\b", "since", "as"), 1.0),
    (_sub(r"\bcan be used to\b", "is able to", "may be used to", "can"), 1.0),
    (_sub(r"\bis used to\b", "serves to", "can be used to"), 1.0),
]  # fmt: skip

# --- changes that change the answer ---


def _number(text: str, chance: random.Random) -> str | None:
    found = list(re.finditer(r"\b\d+\b", text))
    if not found:
        return None
    one = chance.choice(found)
    options = {
        str(int(one.group()[:9]) + chance.choice((-3, -2, -1, 1, 2, 3, 10))),
        one.group() + "0",
        chance.choice(NUMBERS),
    }
    options -= {one.group()}
    return text[: one.start()] + chance.choice(sorted(options)).lstrip("-") + text[one.end() :]


def _from_list(values: list[str]) -> Change:
    known = {value.lower(): value for value in values}

    def change(text: str, chance: random.Random) -> str | None:
        found = [m for m in re.finditer(r"\b\w+\b", text) if m.group().lower() in known]
        if not found:
            return None
        one = chance.choice(found)
        other = chance.choice([value for value in values if value.lower() != one.group().lower()])
        return text[: one.start()] + other + text[one.end() :]

    return change


_GRAMMAR = frozenset("to from in out for against here there do can used need up down into".split())
"""Words whose opposite mostly makes no sentence."""


def _opposite(text: str, chance: random.Random) -> str | None:
    words = wordnet()
    found = []
    for match in re.finditer(r"\b[a-z]{2,}\b", text):
        word = match.group()
        if word in _GRAMMAR:
            continue
        options = [b for a, b in OPPOSITES if a == word]
        entry = words.get(word)
        options += sorted(entry.antonyms) if entry and len(word) > 3 else []
        if options:
            found.append((match, sorted(options)))
    if not found:
        return None
    match, options = chance.choice(found)
    return text[: match.start()] + chance.choice(options) + text[match.end() :]


_SISTERS: dict[str, list[str]] = {}


def _sister(text: str, chance: random.Random) -> str | None:
    """Replaces a noun by another thing of its kind."""
    words = wordnet()
    if not _SISTERS:
        for word, entry in words.items():
            for parent in entry.parents:
                _SISTERS.setdefault(parent, []).append(word)
    found = [m for m in re.finditer(r"\b[a-z]{4,}\b", text) if m.group() in words and not words[m.group()].name]
    chance.shuffle(found)
    for match in found:
        own = words[match.group()]
        options = [
            other
            for parent in sorted(own.parents)
            if len(_SISTERS[parent]) <= 25
            for other in _SISTERS[parent]
            if other != match.group()
            and not words[other].synsets & own.synsets
            and not interchangeable(lemma(other), lemma(match.group()))
            and lemma(other) != lemma(match.group())
        ]
        if options:
            return text[: match.start()] + chance.choice(options) + text[match.end() :]
    return None


def _member(text: str, chance: random.Random) -> str | None:
    """Replaces a member of a closed class (a day, a colour, a unit, a language) by another one."""
    found = [match for match in re.finditer(r"\b[A-Za-z]{2,}\b", text) if match.group().lower() in _CLASSES]
    if not found:
        return None
    match = chance.choice(found)
    other = chance.choice([one for one in _CLASSES[match.group().lower()] if one != match.group().lower()])
    other = other.capitalize() if match.group()[0].isupper() else other
    return text[: match.start()] + other + text[match.end() :]


_CLASSES = {word: tuple(words) for words in classes() for word in words}


def _preposition(text: str, chance: random.Random) -> str | None:
    """Replaces a preposition by its opposite, where a noun phrase follows."""
    pattern = r"\b(within|outside|inside|under|above|below|over|before|after|during|until|since|into|behind|against|without|with|on|in|to|from)\b(?= (?:the|a|an|my|your|this|\d+|[A-Z]))"
    found = list(re.finditer(pattern, text))
    if not found:
        return None
    match = chance.choice(found)
    options = sorted(
        b for a, b in OPPOSITE_PREPOSITIONS if a == match.group() and b not in {"near", "far", "like", "despite"}
    )
    return text[: match.start()] + chance.choice(options) + text[match.end() :]


_ADDED = (
    "for free|in Canada|in the UK|on Windows|on a Mac|without a phone|under 500 dollars|in 2019|at night|for children|"
    "during pregnancy|for beginners|in winter|with a disability|online|by hand|after surgery|for women|in Python|"
    "for small businesses|on Sundays|without an account|for a friend|in the 19th century|from abroad|before marriage|"
    "for cats|with low income|if I am under 18|after the war|at home|as a student|on an old phone|using the command line"
).split("|")
_MODIFIERS = (
    "electric|used|small|modern|ancient|Chinese|American|female|young|elderly|wild|digital|organic|annual|average|private|"
    "public|virtual|second|chronic|cheap|abandoned|joint|foreign|red|blue|German|abusive|medieval|industrial|military|"
    "disposable|corporate|rural|diesel|gluten-free|mobile|frozen|failed|largest|oldest|pending|international|minimum"
).split("|")


def _added(text: str, chance: random.Random) -> str | None:
    end = re.search(r"[?.! ]*$", text)
    at = end.start() if end else len(text)
    return f"{text[:at]} {chance.choice(_ADDED)}{text[at:]}"


def _modified(text: str, chance: random.Random) -> str | None:
    found = list(re.finditer(r"\b(?:the|a|an|my|of|for|in) (?=[a-z]{4,})", text))
    if not found:
        return None
    one = chance.choice(found)
    return text[: one.end()] + chance.choice(_MODIFIERS) + " " + text[one.end() :]


def _dropped(text: str, chance: random.Random) -> str | None:
    """Drops a content word that stands before another one."""
    found = list(
        re.finditer(
            r"\b(?!(?:what|when|where|which|does|have|will|would|could|should|that|this|than|from|with|your|been|there|please|very|really|just)\b)[A-Za-z]{4,} (?=[a-z]{4,})",
            text,
        )
    )[1:]
    if not found:
        return None
    one = chance.choice(found)
    return text[: one.start()] + text[one.end() :]


def _negated(text: str, chance: random.Random) -> str | None:
    changed = re.sub(
        r"\b(is|are|was|were|can|could|should|does|do|did|will|would|has|have)\b(?! not|n't)", r"\1 not", text, count=1
    )
    if changed == text:
        return None
    return (
        re.sub(r"\b(is|are|was|were|could|should|does|do|did|would) not\b", r"\1n't", changed)
        if chance.random() < 0.5
        else changed
    )


def _affirmed(text: str, _: random.Random) -> str | None:
    changed = re.sub(r"n't\b| not\b", "", text, count=1)
    return changed if changed != text else None


def _swapped(text: str, chance: random.Random) -> str | None:
    """Exchanges two words of a kind that are not in one list."""
    found = [m for m in re.finditer(r"\b[A-Z][a-z]+\b|\b\d+\b", text) if m.start() > 0]
    pairs = [
        (a, b)
        for i, a in enumerate(found)
        for b in found[i + 1 :]
        if a.group() != b.group()
        and a.group().isdigit() == b.group().isdigit()
        and b.start() - a.end() > 1
        and not re.search(r"\b(?:and|or|vs|versus|between|,)\b|,|/|&", text[a.end() : b.start()])
    ]
    if not pairs:
        return None
    a, b = chance.choice(pairs)
    return text[: a.start()] + b.group() + text[a.end() : b.start()] + a.group() + text[b.end() :]


def _exchanged(text: str, chance: random.Random) -> str | None:
    """Exchanges two lower-case content words with different prepositions before them."""
    found = list(re.finditer(r"\b(?:of|in|to|from|for|with|by|on|at|than) (?:the |a |an |my )?([a-z]{4,})\b", text))
    if len(found) < 2:
        return None
    a, b = sorted(chance.sample(found, 2), key=lambda m: m.start())
    if a.group(1) == b.group(1):
        return None
    return text[: a.start(1)] + b.group(1) + text[a.end(1) : b.start(1)] + a.group(1) + text[b.end(1) :]


CHANGE: list[tuple[Change, float]] = [
    (_number, 2.5), (_opposite, 2.5), (_sister, 2.0), (_added, 2.0), (_modified, 2.0), (_dropped, 1.5), (_negated, 1.5),
    (_affirmed, 1.5), (_swapped, 4.0), (_exchanged, 3.0), (_member, 3.0), (_preposition, 2.5),
    (_from_list(PLACES), 2.5), (_from_list(PEOPLE), 2.0), (_from_list(THINGS), 2.5), (_from_list(UNITS), 2.0),
    (_sub(r"^who\b", "when", "where", "why", "what"), 0.6), (_sub(r"^when\b", "where", "why", "how"), 0.6),
    (_sub(r"^where\b", "when", "why", "how"), 0.6), (_sub(r"^how (?=do|can|does|is)", "why ", "when ", "where "), 0.8),
    (_sub(r"^why\b", "how", "when", "where"), 0.8), (_sub(r"\bhow many\b", "which", "how much"), 1.0),
    (_sub(r"^what (?=is|are|was)", "where ", "when ", "who "), 0.3),
    (_sub(r"^(?:how do i|how can i)\b", "why should I", "can I", "when should I", "should I", "who can"), 1.0),
    (_sub(r"^(?:can|should|may) i\b", "why can't I", "when should I", "why should I", "how often should I"), 1.0),
    (_sub(r"\bmy\b", "your", "his", "her", "their", "my wife's", "my son's"), 1.2), (_sub(r"\bhis\b", "her"), 1.5), (_sub(r"\bhe\b", "she"), 1.5),
    (_sub(r"\bis\b", "was", "will be"), 0.5), (_sub(r"\bare\b", "were"), 0.5), (_sub(r"\bdoes\b", "did"), 0.6), (_sub(r"\bdid\b", "does", "will"), 0.8),
    (_sub(r"\bcan\b", "should", "must"), 0.5), (_sub(r"\bshould\b", "can", "did"), 0.8),
    (_sub(r"\ball\b", "some", "only", "no"), 2.0), (_sub(r"\bsome\b", "all", "no"), 1.5), (_sub(r"\bevery\b", "only one", "no"), 2.0),
    (_sub(r"\bthe (?=best|most|first|largest|longest|cheapest|highest)", "the second ", "the least "), 1.5),
    (_sub(r"\bbest\b", "worst", "cheapest", "oldest", "second best"), 2.0), (_sub(r"\bmost\b", "least", "second most"), 2.0),
    (_sub(r"\bfirst\b", "last", "second"), 2.0), (_sub(r"\bmain\b", "hidden", "least known"), 1.0),
    (_sub(r"\btoday\b", "yesterday", "tomorrow", "last year"), 2.0), (_sub(r"\bmonday\b", "tuesday", "sunday"), 2.0),
    (_sub(r"^who (invented|wrote|killed|defeated|taught|discovered) (.+?)\?", r"who did \2 \1?"), 1.5),
    (_sub(r"^what (?:is|are) (?=(?:a |an )?\w+(?: \w+)?\?)", "who invented ", "how to use ", "where can I find ", "what is the history of ",
          "what is the cost of ", "what are the risks of ", "what are examples of ", "what is the opposite of "), 2.0),
    (_sub(r"^what (?:is|are) the (\w+) (?=of|in)", "what are the limits ", "who changed the \\1 ", "why is there a \\1 "), 1.0),
    (_sub(r"\bsymptoms\b", "causes", "treatments"), 2.0), (_sub(r"\bcauses?\b", "symptoms", "effects"), 2.0),
    (_sub(r"\bside effects\b", "benefits", "uses"), 2.0), (_sub(r"\bcapital\b", "largest city", "president", "currency"), 2.0),
    (_sub(r"\bpopulation\b", "area", "capital", "history"), 2.0),
]  # fmt: skip


def _pick(text: str, changes: list[tuple[Change, float]], chance: random.Random) -> str | None:
    for _ in range(8):
        change = chance.choices([one for one, _ in changes], [weight for _, weight in changes])[0]
        changed = change(text, chance)
        if changed and changed.strip() and changed.strip().lower() != text.strip().lower():
            return changed
    return None


def pairs(sentences: list[str], chance: random.Random) -> Iterator[tuple[str, str, int]]:
    """Two equivalent and two different pairs, or fewer, of every sentence.

    Args:
        sentences: Sentences to change.
        chance: The source of chance.

    Yields:
        Two texts, and 1 if one answer serves both.
    """
    for sentence in sentences:
        for _ in range(2):
            kept = sentence
            for _ in range(chance.choice((1, 1, 2, 3))):
                kept = _pick(kept, KEEP, chance) or kept
            if kept != sentence:
                yield sentence, kept, 1
            changed = _pick(sentence, CHANGE, chance)
            if changed:
                for _ in range(chance.choice((0, 0, 1, 2))):
                    changed = _pick(changed, KEEP, chance) or changed
                yield (sentence, changed, 0) if chance.random() < 0.5 else (changed, sentence, 0)
