"""What one text says, apart from its meaning: the parts that an embedding blurs.

`read(text)` gives the content words in order with what stands before them, and the numbers, negations, question type,
scope, modality, time, person, literals and names. Politeness and contractions are removed first, phrasings that mean
the same (`is it possible to`, `can I`) are made one. A reading is a value without reference to any other text, so it
is kept for the next comparison (a bounded cache).

Long because of its word lists and phrasings.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from langchain_redis_memory.language.equivalence.wordnet import GRADABLE, degree, is_name, lemma, lexicon

LONGEST = 2000
"""Characters of a text that are looked at. Longer texts are equivalent only if they are the same."""
_CACHED = 4096


class Word(NamedTuple):
    """A content word: its lemma, its weight, the preposition that governs it, its neighbours, and whether it is a name."""

    lemma: str
    weight: float
    preposition: str
    before: str
    after: str
    name: bool
    place: int


class ParsedQuestion(NamedTuple):
    """What one text says; see the module."""

    key: str
    words: tuple[Word, ...]
    tokens: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]
    question: str
    asks: bool
    subject: str
    negations: int
    marks: dict[str, frozenset[str]]
    literals: frozenset[str]
    symbols: tuple[str, ...]
    particles: frozenset[str]
    passive: bool
    wh_role: str
    compared: tuple[str, str] | None
    english: float
    pairs: frozenset[tuple[str, str]]
    joined: frozenset[str]


_PLAIN = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": " - ",
                        "\u27e6": " ", "\u27e7": " "})  # fmt: skip
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
_LITERAL = re.compile(
    r"\"[^\"]{1,200}\"|`[^`]{1,200}`|(?<!\w)'[^']{2,80}'(?!\w)|https?://\S+|\b[\w.+-]{1,64}@[\w-]{1,64}\.[\w.]{1,64}|"
    r"(?<![\w/])/?(?:[\w.-]+/){2,}[\w.-]*|\b\w{1,80}(?:[.:]{1,2}\w{1,80}){0,9}\(\)|\b[A-Za-z]\w*_\w+\b|\b[a-z]+[A-Z]\w*\b|"
    r"(?<!\w)--?[a-zA-Z][\w-]*\b|\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\b|\b[A-Za-z]+\d+\w*\b|\b[\da-f]{8,}\b"
)
_CONTRACTIONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\b(?:can't|cannot|cant)\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"\b(is|are|was|were|do|does|did|has|have|had|could|would|should|must|need|might|ai)n'?t\b", r"\1 not"),
        (r"\blet's\b", "let us"),
        (r"\b(what|who|where|when|why|how|that|there|here|it|he|she)(?:'s|s(?= (?:the|a|an|my|your|up)\b))", r"\1 is"),
        (r"'re\b", " are"),
        (r"'ve\b", " have"),
        (r"'ll\b", " will"),
        (r"\bi'?m\b", "i am"),
        (r"(?<=[a-z])'d\b", " would"),
        (r"(?<=\w) ?'s\b|(?<=s)'(?=\s)", " 's"),
    )
)
_BARE = re.compile(
    r"\b(?:can(?:no)?t|im|(?:is|are|was|were|do|does|did|has|have|had|could|would|should)nt|(?:what|who|where|how|that)s)\b"
)
_SYMBOLS = re.compile(r"c\+\+|c#|f#|\.net\b")
_PHRASES = (
    # politeness and frames
    (r"^(?:hi|hello|hey|ok(?:ay)?|so|well|um+|oh|thanks|thank you)(?: there| all| everyone)?[,.! ]+", ""),
    (r"\b(?:please|pls|plz|kindly)\b[, ]*", ""),
    (r"[,. ]*\b(?:thanks|thank you|cheers)(?: (?:a lot|so much|very much|in advance))?[!. ]*$", ""),
    (
        r"^(?:(?:can|could|would|will) (?:you|someone|anyone|anybody|somebody) (?:tell|explain(?: to)?|show|help|let) "
        r"(?:me|us)(?: know)?(?: understand)?(?= (?:what|who|when|where|why|how|which|if|whether)\b)|"
        r"(?:do you (?:happen to )?know|does any(?:one|body) know|any (?:idea|clue))"
        r"(?= (?:what|who|when|where|why|how|which|if|whether)\b)|"
        r"i (?:want|need|would like|am (?:trying|looking)|wanted) to (?:know|find out|understand|learn)"
        r"(?= (?:what|who|when|where|why|how|which|if|whether)\b)|"
        r"i (?:am|was) (?:just )?(?:wondering|curious)(?: to know)?(?= (?:what|who|when|where|why|how|which|if|whether)\b)|"
        r"(?:tell|show|explain to|remind|let) (?:me|us)(?: know)?"
        r"(?= (?:what|who|when|where|why|how|which|if|whether)\b)|explain(?= (?:what|who|when|where|why|how)\b)|"
        r"i have a question[:,.]?) ",
        "",
    ),
    (r"^(?:if|whether) ", ""),
    # definitions
    (
        r"^(?:(?:can|could|would) you )?(?:(?:tell|teach) (?:me|us) (?:something |more )?about|explain|define|describe|"
        r"give (?:me |us )?(?:an |a )?(?:short |brief )?"
        r"(?:explanation|definition|description|overview|introduction|summary) (?:of|to)|"
        r"what (?:exactly |really |actually )?(?:is|are) (?:exactly |meant by )?(?:the )?(?:meaning|definition) of|"
        r"what (?:is|are) meant by|what do you mean by|i (?:want|would like|need) to (?:know|learn|understand)(?: more)? "
        r"about|meaning of|definition of)(?: (?:the )?(?:term|word|concept|meaning)(?: of)?)?(?= \S)",
        "what is",
    ),
    (r"^what (?:does|do) (?:the (?:term|word) )?(.{1,60}?) (?:mean|stand for)\b(?! (?:for|to|by))", r"what is \1"),
    # ways
    (
        r"\b(?:what (?:is|are|would be|can be) |is there |are there |do you know |tell me |suggest |i need |any )"
        r"(?:(?:the|a|an|some|any) )?(?:(?:possible|good|different|various|correct|right|proper|common) )*"
        r"(?:ways?|methods?|steps|procedure|process|means|approach(?:es)?) (?:i (?:can|could|should)|we can|one can|you can|"
        r"for me to|to|of|that i can|in which i can|for)\b",
        "how do i",
    ),
    (r"\b(?:in what|in which|what|which) (?:ways?|manner) (?:can|could|do|does|should)\b", "how do"),
    (r"\bhow (?:can|could|do|does|would|might|should|may|shall) (?:i|we|you|one|people|someone|somebody|anyone)"
     r"(?: be able to| go about| get to)?\b", "how do i"),
    (r"\bhow (?:i|we|you|one) (?:can|could|should|would|might|may)\b", "how do i"),
    (r"\bhow (?:am i|are we|is one) (?:able|supposed) to\b", "how do i"),
    (r"\b(?:show|teach|tell) (?:me|us) how to\b|\bhow to\b|\bhow would i go about\b|\binstructions (?:for|on how to|to)\b|"
     r"\bhelp me\b(?= \w+ )", "how do i"),
    (r"\bhow (?:is it possible|would it be possible) to\b", "how do i"),
    (r"\bhow do i (?:go about|manage to)\b", "how do i"),
    # possibility
    (r"\b(?:is it|would it be|will it be|is there (?:a|any)|was it) (?:possible|possibility|feasible|allowed|permitted|okay|ok)"
     r"(?: for (?:me|us|you|one|someone|people))? to\b", "can i"),
    (r"^(?:am i|are we|are you|is one) (?:able|allowed|permitted) to\b", "can i"),
    (r"^(?:can|could|may|might) (?:i|we|you|one|someone|somebody|anyone)\b", "can i"),
    (r"\bis there (?:a|any|some) way (?:to|for me to|i can|that i can|of)\b", "how do i"),
    (r"^should (?:we|you|one)\b", "should i"),
    # reasons
    (r"\b(?:what (?:is|are|was|were) (?:the |some |your )?(?:main |possible |real )?(?:reasons?|causes?) "
     r"(?:for which|for|why|behind|that|of)|for what reasons?|what (?:makes|made|causes|caused)|how come|how is it that|"
     r"what for|reason (?:why|for|behind))\b", "why"),
    # times, places, amounts, people
    (r"\b(?:at what time|what time|(?:on|in|at) (?:what|which) (?:day|date|year|month|time|century|period)|what year|"
     r"what date|what day|which year|since when)\b(?! is it)", "when"),
    (r"\bwhat (?:is|was) the (?:date|time|year)(?: (?:of|when|that|for))\b", "when is"),
    (r"\b(?:in|at|from|to) (?:what|which) (?:place|city|country|location|state|town|region)\b|\bwhat is the location of\b|"
     r"\b(?:what|which) (?:is the )?places?\b", "where"),
    (r"\b(?:what|which) (?:person|people|man|woman|guy|individual)s?\b", "who"),
    (r"\b(?:what (?:is|was|are) the )?(?:total |exact )?number of\b", "how many"),
    (r"\b(?:what (?:is|was|are) the )?(?:total |exact )?amount of\b", "how much"),
    (r"\bwhat (?:is|are|was|would be|will be) the (?:price|cost|costs|prices)(?: (?:of|for))\b|"
     r"\bhow much (?:does|do|did|will|would|is|are)(?: it)? (.{1,60}) cost\b", r"how much is \1"),
    (r"\bhow (?:large|big) (?:is|are)\b", "how big is"),
    # shorter forms of one thing
    (r"\bin order to\b|\bso as to\b", "to"),
    (r"\b(?:at the moment|right now|nowadays|these days|at present|presently)\b", "currently"),
    (r"\ba lot of|lots of|plenty of\b", "many"),
    (r"\bthe u\.? ?s\.?(?: ?a)?(?![a-z])|\bunited states(?: of america)?\b|\bu\.s\.(?:a\.)?", "u.s."),
    (r"\bthe u\.? ?k\.?(?![a-z])|\bunited kingdom\b|\bgreat britain\b|\bu\.k\.", "u.k."),
    (r"\bartificial intelligence\b", "ai"),
    (r"\bmachine learning\b", "ml"),
    (r"\bnew york(?: city)?\b", "new_york"),
    (r"\bno longer\b", "not now"),
    (r"\b(?:get|getting) rid of\b", "remove"),
    (r"\bset up\b", "setup"),
    (r"\blog[ -](in|out|on|off)\b|\bsign[ -](in|out|on|off|up)\b", r"log\1\2"),
    (r"\bwhether or not\b|\bor not\b", ""),
    (r"\bnot only\b", ""),
    (r"\bkinds? of|sorts? of|types? of\b", "type of"),
)  # fmt: skip
_PHRASE = tuple(
    (re.compile(pattern), plain, pattern[0] == "^" and "|\\b" not in pattern) for pattern, plain in _PHRASES
)
_TOKEN = re.compile(r"\u27e6\d+\u27e7|u\.[sk]\.|new_york|[^\W\d_]+(?:'(?!s\b)[^\W\d_]+)*|'s|\d+(?:[.,:]\d+)*|[^\w\s]")
_NUMBERS = {
    word: str(value)
    for value, words in enumerate(
        "zero|one first|two second ii|three third iii|four fourth iv|five fifth|six sixth vi|seven seventh vii|eight eighth "
        "viii|nine ninth ix|ten tenth|eleven eleventh xi|twelve twelfth xii dozen|thirteen|fourteen|fifteen|sixteen|seventeen|"
        "eighteen|nineteen".split("|")
    )
    for word in words.split()
} | {
    word: str(10 * value + 20)
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())
}
_NUMBERS |= {"hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000", "trillion": "10" + "0" * 11,
             "twice": "2", "half": "0.5", "double": "2", "triple": "3", "lakh": "100000", "crore": "10000000"}  # fmt: skip
_ORDINARY = frozenset({"one", "first", "second", "half", "double"})
"""Number words with another use: a number only where there is another sign of it."""
_MONTHS = {
    form: name
    for name in "january february march april may june july august september october november december".split()
    for form in (name, name[:3])
    if form not in {"may", "mar", "jun", "dec", "sep", "oct", "march"}
} | {"sept": "september", "oct": "october", "nov": "november", "dec": "december", "march": "march"}
_DAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())
_UNITS = frozenset(
    "% kilogram gram milligram microgram mcg pound ounce oz ton meter kilometer centimeter millimeter mile inch foot yard "
    "liter milliliter gallon cup tablespoon teaspoon second minute hour day week month year millisecond century decade "
    "dollar euro pound rupee yen cent megabyte gigabyte terabyte kilobyte kb byte bit mhz ghz hz watt kw volt amp celsius "
    "fahrenheit kelvin degree mph kmh am pm k m bn lb g l usd c f $ \u20ac \u00a3 \u00a5 \u20b9 acre hectare calorie kcal".split()
)
_UNIT_NAMES = {"$": "dollar", "\u20ac": "euro", "\u00a3": "pound", "\u20b9": "rupee", "k": "thousand", "m": "million",
               "bn": "billion", "g": "gram", "l": "liter", "mcg": "microgram", "oz": "ounce", "kb": "kilobyte"}  # fmt: skip

_PREPOSITIONS = frozenset(
    "of in on at to for from by with about into over after before between under above during against without within "
    "through since until till around near behind below beyond across along among per via onto upon than as like off out up "
    "down away back toward towards except despite versus outside inside".split()
)
_FUNCTION = _PREPOSITIONS | frozenset(
    "a an the and or but if then so because is be been am are was were do did does done have has had having can could will "
    "would shall should may might must i you he she it we they me him her us them my your his its our their mine yours "
    "hers ours theirs this that these those who whom whose which what when where why how not no nor yes there here also "
    "too very just some any each every both either neither such same else let ever really actually exactly 's one "
    "someone somebody anyone anybody oneself myself yourself himself herself itself themselves ourselves while "
    "though although whether that's etc even still yet again only more most less least many much few all first last "
    "other another s t".split()
)
_LIGHT = frozenset(
    "get make go use give take way thing good like want need know find people person look come tell say think show "
    "work help try mean keep put let seem start happen possible able become possible different certain main important "
    "actual current various kind type part place time lot sort something anything someone everything example "
    "currently explain describe list name question answer idea tip suggest recommend".split()
)
_MARKS = {
    "scope": "all each every some any only both either neither none most few many much several first last next previous "
    "always never sometimes often usually rarely more less least almost nearly exactly approximately "
    "about-n entire whole average total per".split(),
    "modal": "should ought must shall will would can could may might need".split(),
    "time": "today yesterday tomorrow tonight now currently past future ancient recently recent modern new latest last-t "
    "next-t previous upcoming daily weekly monthly yearly annually morning evening night afternoon weekend ago".split(),
    "hedge": "why".split(),
}
_MARK = {word: kind for kind, words in _MARKS.items() for word in words}
_MODAL = {"could": "can", "may": "can", "might": "can", "ought": "should", "need": "should", "must": "should",
          "would": "will", "shall": "will"}  # fmt: skip
_NEGATIVE = frozenset(
    "not no non never without none nobody nothing neither nor unable nowhere hardly barely lack except".split()
)
_PARTICLES = frozenset("on off in out up down before after with without over under above below into inside outside to from "
                       "for against more less most least left right".split())  # fmt: skip
_PERSONS = {"i": "1", "me": "1", "my": "1", "mine": "1", "myself": "1", "we": "1p", "us": "1p", "our": "1p", "ours": "1p",
            "you": "2", "your": "2", "yours": "2", "yourself": "2", "he": "m", "him": "m", "his": "m", "himself": "m",
            "she": "f", "her": "f", "hers": "f", "herself": "f", "they": "3p", "them": "3p", "their": "3p",
            "theirs": "3p", "it": "n", "its": "n"}  # fmt: skip
_OWNERS = frozenset("my our your his her their mine ours yours hers theirs".split())
_PAST = frozenset("did was were had".split())
_PRESENT = frozenset("is are do does has have am".split())
_BE = frozenset("is are was were be been being get got".split())
_TYPES = (
    ("how many", re.compile(r"\bhow many\b")),
    ("how much", re.compile(r"\bhow much\b")),
    ("how long", re.compile(r"\bhow long\b")),
    ("how often", re.compile(r"\bhow (?:often|frequently)\b")),
    ("how far", re.compile(r"\bhow far\b")),
    ("how old", re.compile(r"\bhow old\b")),
    (
        "how big",
        re.compile(r"\bhow (?:big|tall|high|deep|wide|fast|heavy|good|bad|hard|difficult|easy|safe|effective)\b"),
    ),
    ("why", re.compile(r"^(?:\W|\w+ ){0,2}?why\b")),
    ("how do", re.compile(r"\bhow do i\b|^how do\b")),
    (
        "how",
        re.compile(r"^(?:\W|and |so |but )*how\b|\bhow (?:does|do|is|are|can|did|was|will|would|has|have|should)\b"),
    ),
    ("when", re.compile(r"^(?:\W|\w+ ){0,2}?when\b")),
    ("where", re.compile(r"^(?:\W|\w+ ){0,2}?where\b")),
    ("who", re.compile(r"^(?:\W|\w+ ){0,2}?(?:who|whom|whose)\b")),
    ("can", re.compile(r"^can i\b")),
    ("what", re.compile(r"^(?:\W|\w+ ){0,3}?(?:what|which)\b")),
    (
        "polar",
        re.compile(r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must|am)\b"),
    ),
    ("why", re.compile(r"\bwhy\b")),
    ("what", re.compile(r"\b(?:what|which)\b")),
)
_AGENT = re.compile(r"\b(?:is|are|was|were|be|been|being)(?: \w+){0,2} (?:\w+ed|\w+en|made|done|built|sold|won|shot|held|"
                    r"led|told|sung|said|kept|lost|found|bought|taught|caught|cut|hit|put|read|run)\b(?: \w+){0,4} by\b")  # fmt: skip
_WHO_PASSIVE = re.compile(
    r"\bwho (?:is|was|were|are|got|has been|had been|will be) (?:\w+ed|\w+en|shot|sent|won|hit|led)\b"
)
_WHO_BY = re.compile(r"\bby whom\b|\bwho\b.*\bby$")


_OPENS = re.compile(
    r"(?:who|whom|whose|what|which|when|where|why|how|is|are|was|were|do|does|did|can|could|will|would|should)\b"
)


def _question(text: str, asks: bool) -> str:
    for name, pattern in _TYPES:
        if pattern.search(text):
            return name
    return "ask" if asks else "tell"


def _who(text: str) -> str:
    """What a `who` stands for: the one who does, or the one to whom it is done."""
    if "who" not in text:
        return ""
    if _WHO_BY.search(text):
        return "subject"
    if re.search(r"\bwhom\b|\bwho (?:did|does|do) (?!not\b)", text) or _WHO_PASSIVE.search(text):
        return "object"
    if re.search(r"\bwho (?:has|have|had|will|would|can|should) (?:the|a|my|your|his|he|she|they|i|you|we)\b", text):
        return "object"
    return "subject" if re.search(r"\bwho (?!is\b|was\b|are\b|were\b|am\b)", text) else ""


_ENDING = re.compile(r"[\s?.!\u2026,;:]+$")


@lru_cache(_CACHED)
def key_of(text: str) -> str:
    """A text without what never changes an answer: Unicode forms, white space, ending punctuation, capitals of prose.

    Words that mix capitals and digits or underscores in their inside are identifiers and keep their case.

    Args:
        text: Any text.

    Returns:
        The key: two texts with one key are the same question.
    """
    plain = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    plain = _SPACE.sub(" ", plain).strip()
    plain = _ENDING.sub("", plain) or plain
    return " ".join(word if _IDENTIFIER.search(word) else word.casefold() for word in plain.split(" "))


_IDENTIFIER = re.compile(r"[a-z][A-Z]|[_/\\=<>{}()\[\]`\"]|\w[.:]\w|\d[A-Za-z]|[A-Za-z]\d|^-")


@lru_cache(_CACHED)
def read(text: str) -> ParsedQuestion:
    """Reads one text, of which the first `LONGEST` characters are looked at.

    Args:
        text: Any text.

    Returns:
        What it says.
    """
    raw = unicodedata.normalize("NFKC", text[:LONGEST]).translate(_PLAIN)
    raw = _SPACE.sub(" ", raw).strip()
    found: list[str] = []

    def hold(match: re.Match[str]) -> str:
        found.append(match.group())
        return f" \u27e6{len(found) - 1}\u27e7 "

    held = _LITERAL.sub(hold, raw)
    capitals = {word.lower() for word in re.findall(r"(?<=[\w,;:] )[A-Z][\w-]*", held)}
    lower = held.lower()
    if "'" in lower or _BARE.search(lower):
        for pattern, plain in _CONTRACTIONS:
            lower = pattern.sub(plain, lower)
    lower = _SYMBOLS.sub(lambda match: f" {match.group().translate(_SPELT)} ", lower)
    if "u.s" not in lower and re.search(r"\bUS\b", held):
        lower = re.sub(r"\bus\b", "u.s.", lower)
    lower = _ENDING.sub("", lower)
    for pattern, plain, anchored in _PHRASE:
        if not anchored or pattern.match(lower):
            lower = pattern.sub(plain, lower, 1 if anchored else 0)
    lower = _SPACE.sub(" ", lower).strip()
    return _assemble(text, lower, "?" in raw, capitals, found)


_SPELT = str.maketrans({"+": "p", "#": "s", ".": "d"})


def _assemble(text: str, lower: str, asks: bool, capitals: set[str], held: list[str]) -> ParsedQuestion:
    words: list[Word] = []
    tokens: list[str] = []
    numbers: list[tuple[str, str]] = []
    symbols: list[str] = []
    marks: dict[str, set[str]] = {"scope": set(), "modal": set(), "time": set(), "person": set(), "tense": set(), "degree": set(),
                                   "owner": set()}  # fmt: skip
    particles: set[str] = set()
    literals: set[str] = set()
    negations = known = counted = 0
    preposition = before = ""
    joined: set[str] = set()
    raw = _TOKEN.findall(lower)
    question = _question(lower, asks)
    generic = question in {"how do", "can", "how", "where", "what", "why"}
    subject = speaker = ""
    last_number = False
    counted_numbers = 0
    for at, term in enumerate(raw):
        following = raw[at + 1] if at + 1 < len(raw) else ""
        if term[0] == "\u27e6":
            literal = held[int(term[1:-1])]
            literal = literal.strip("\"'`") if literal[0] in "\"'`" else literal.rstrip(".,;")
            literals.add(literal)
            words.append(Word(literal, 1.3, preposition, before, _peek(raw, at), True, at))
            tokens.append(literal)
            before, last_number = literal, False
            continue
        number = term if term[0].isdigit() else _NUMBERS.get(term, "")
        if number and term in _ORDINARY and not _counts(term, raw, at):
            number = ""
        if number:
            if term[0].isdigit():
                number = number.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{2,3})+", number) else number
                number = re.sub(r"^0+(?=\d)", "", re.sub(r"[.](?:0|00)$", "", number))
            numbers, last_number = _add_number(numbers, number, last_number and not term[0].isdigit())
            unit = following if following else ""
            if at and raw[at - 1] in _UNIT_NAMES:
                numbers[-1] = (numbers[-1][0], _UNIT_NAMES[raw[at - 1]])
            elif unit in {"th", "st", "nd", "rd"}:
                pass
            elif lemma(unit) in _UNITS:
                unit = lemma(unit)
                numbers[-1] = (numbers[-1][0], _UNIT_NAMES.get(unit, unit))
            tokens.append(number)
            if words and words[-1].lemma[0] == "#" and words[-1].place == at - 1 and len(numbers) == counted_numbers:
                words.pop()
            counted_numbers = len(numbers)
            words.append(Word(f"#{numbers[-1][0]}", 1.0, preposition, before, _peek(raw, at), False, at))
            before = number
            continue
        if last_number and term in {"th", "st", "nd", "rd"}:
            continue
        was_number, last_number = last_number, False
        if not term[0].isalpha() and term != "'s":
            if term in _UNIT_NAMES or term == "%":
                continue
            if unicodedata.category(term[0])[0] == "S" or term in "*/&@#":
                symbols.append(term)
            continue
        counted += 1
        base = lemma(term)
        if term in _MONTHS:
            base = _MONTHS[term]
        plain, grade = degree(term)
        if grade:
            marks["degree"].add(grade)
            base = plain
        elif term in {"more", "most", "less", "least"}:
            marks["degree"].add(term)
        if term in _NEGATIVE:
            negations += 1
        if term in _PARTICLES:
            particles.add(term)
        person = _PERSONS.get(term)
        if person:
            if not speaker and term in {"i", "you", "we", "he", "she", "they"}:
                speaker = person[0]
            if term in _OWNERS:
                owner = person.rstrip("p") if person in {"1", "1p"} else person
                marks["owner"].add("own" if generic and owner == (speaker or "1") else term)
            if not subject and term in {"i", "you", "we", "he", "she", "they"}:
                subject = "1" if generic and person in {"1", "1p", "2"} else person
            if generic and person in {"1", "1p", "2"} and subject == "1":
                person = "self"
            marks["person"].add(person)
        kind = _MARK.get(term)
        if kind == "modal":
            marks["modal"].add(_MODAL.get(term, term))
        elif kind in marks:
            marks[kind].add(term)
        if term in _PAST:
            marks["tense"].add("past")
        elif term in _PRESENT:
            marks["tense"].add("present")
        elif term == "will":
            marks["tense"].add("future")
        if term in _FUNCTION:
            known += 1
            if term in _PREPOSITIONS:
                preposition = term
            elif term in {"and", "or", "'s"}:
                if term != "'s":
                    joined.add(before)
            elif term not in {"the", "a", "an", "my", "your", "his", "her", "its", "our", "their"}:
                preposition = ""
            if term in {"same", "other", "another"}:
                marks["scope"].add(term)
            tokens.append(term)
            continue
        if term in lexicon() or base in lexicon():
            known += 1
        if was_number and base in _UNITS:
            weight = 0.5
        elif base in _LIGHT:
            weight = 0.35
        else:
            weight = 1.0
        name = term in capitals or is_name(base) or term in _DAYS or term in _MONTHS
        words.append(Word(base, weight * (1.3 if name else 1.0), preposition, before, _peek(raw, at), name, at))
        tokens.append(base)
        before = base
    chain = [word.lemma for word in words]
    adjacent = frozenset(pairwise(chain))
    return ParsedQuestion(
        key=key_of(text[:LONGEST]),
        words=tuple(words),
        tokens=tuple(tokens),
        numbers=tuple(numbers),
        question=question,
        asks=asks or _OPENS.match(lower) is not None,
        subject=subject,
        negations=negations,
        marks={kind: frozenset(values) for kind, values in marks.items()},
        literals=frozenset(literals),
        symbols=tuple(symbols),
        particles=frozenset(particles),
        passive=_AGENT.search(lower) is not None,
        wh_role=_who(lower),
        compared=_compared(tokens),
        english=known / counted if counted else 0.0,
        pairs=adjacent,
        joined=frozenset(joined),
    )


def _peek(raw: list[str], at: int) -> str:
    return raw[at + 1] if at + 1 < len(raw) else ""


def _counts(term: str, raw: list[str], at: int) -> bool:
    """Whether a number word with another use is a number here."""
    following = raw[at + 1] if at + 1 < len(raw) else ""
    previous = raw[at - 1] if at else ""
    if term == "one":
        return lemma(following) in _UNITS or following in {"hundred", "thousand", "million", "billion"}
    if term in {"first", "second"}:
        return previous in {"the", "a", "my", "your", "his", "her"} and bool(following) and following not in _FUNCTION
    return term == "half" and following in {"a", "an", "of"}


def _add_number(numbers: list[tuple[str, str]], number: str, joins: bool) -> tuple[list[tuple[str, str]], bool]:
    """Adds a number; `twenty` `five` and `3` `million` become one."""
    if joins or (numbers and number in {"100", "1000", "1000000", "1000000000"} and numbers[-1][1] == "?"):
        try:
            last, now = float(numbers[-1][0]), float(number)
        except ValueError:
            return [*numbers, (number, "")], True
        value = last * now if now >= 100 else last + now
        return [*numbers[:-1], (f"{value:.12g}", "")], True
    return [*numbers, (number, "")], True


def _compared(tokens: list[str]) -> tuple[str, str] | None:
    """The words on both sides of a `than`."""
    if "than" not in tokens:
        return None
    at = tokens.index("than")
    left = [term for term in tokens[:at] if term not in _FUNCTION and term not in GRADABLE]
    right = [term for term in tokens[at + 1 :] if term not in _FUNCTION and term not in GRADABLE]
    return (left[0], right[0]) if left and right else None
