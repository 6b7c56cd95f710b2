"""The signs in a turn that tell who may be served its answer: person, time, and what is asked to be done.

A turn is read sentence by sentence. Sentences that ask or order something carry the signs of their own; sentences that
only tell something ("I moved house.") are the situation that the others are asked in. Each sign has a name and is 0 or
1; the weights of `weights.json` say what it speaks for. Public forms (definitions, procedures, history, general
subjects) are signs as well, because a turn without any sign is nobody's to share.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from langchain_redis_memory.language.classify.tokens import read

_SENTENCES = 8
"""Sentences that are read, from the end of the turn."""
_YEAR = re.compile(r"(?:1[0-9]{3}|20[01][0-9]|202[0-4])(?:s|'s)?$")
_OWN = frozenset({"my", "mine", "our", "ours", "myself"})
_I = frozenset({"i", "i'm", "i've", "i'd", "i'll", "im", "ive", "we", "we're", "we've", "we'd", "us", "me"})
_BE = frozenset({"is", "are", "was", "were", "isn't", "aren't", "am"})
_VERSION = frozenset("version release latest newest price ruling".split())
_CLOCK = frozenset("time day date year month else happened happens in for on".split())
_CAPABLE = frozenset(
    "support have allow work contain use need exist cause count help keep run expire last mean lower".split()
)
_SHORT = frozenset("it me us on off up no ok in so to do go is".split())
_TELLERS = _I | _OWN | frozenset("the it she he they outlook you".split())
_AMBIGUOUS_TECH = frozenset("go windows swift rust c excel node".split())
_MADE = frozenset(
    "poem story function limerick joke essay summary example recipe regex script query haiku song riddle class "
    "program article paragraph menu advert overview synonym questions tips ideas quote".split()
)
_CODE = frozenset(
    "sort convert reverse parse read write iterate merge split join filter remove check count find get replace loop "
    "concatenate flatten format print import declare initialise initialize".split()
)
_GRANTED = frozenset("access rights permission permissions admin refund money".split())
_LEADS = (
    "tell me",
    "i wonder",
    "i'd like to know",
    "i want to know",
    "i would like to know",
    "do you know",
    "i need to know",
    "i was wondering",
    "any idea",
    "show me",
    "explain",
    "explain to me",
)
_WISHES = ("would it be possible for you to", "would it be possible to", "is it possible for you to", "would you mind")
_DOING = frozenset("open start make get brew clean vacuum find give show help check fix tell read write".split())
_DEFINITE = frozenset({"the", "this", "that", "these", "those"})


@dataclass(frozen=True)
class WordLists:
    """The English words that signs are made of, and its phrases as tuples of words."""

    words: dict[str, frozenset[str]]
    phrases: dict[str, tuple[tuple[str, ...], ...]]

    def __getitem__(self, name: str) -> frozenset[str]:
        return self.words[name]


@cache
def word_lists() -> WordLists:
    """The word lists, read once per process."""
    found = json.loads((resources.files(__package__) / "words.json").read_text("utf-8"))
    phrases = {
        name: tuple(tuple(phrase.split()) for phrase in value)
        for name, value in found.items()
        if name.endswith("_phrase")
    }
    words = {name: frozenset(value) for name, value in found.items() if isinstance(value, list) and name not in phrases}
    return WordLists(words, phrases)


@dataclass
class SentenceSigns:
    """The signs of one sentence, with the words that each was found in."""

    signs: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, words: str = "") -> None:
        """Notes a sign; the first words stay."""
        self.signs.setdefault(name, words)


def signs(turn: str) -> list[dict[str, str]]:
    """The signs of every sentence that asks or orders, or of all where none does.

    Args:
        turn: What the user said.

    Returns:
        Per sentence the names of its signs, with the words that speak for each; at least one sentence.
    """
    found = _sentences(turn)
    if not found:
        return [{"unreadable": turn.strip()[:40]}]
    lists = word_lists()
    every = [_sentence(words, mark, lists) for words, mark in found]
    asking = [each for each in every if "tells" not in each]
    telling = [each for each in every if "tells" in each]
    if not asking:
        return [{**each, "only_tells": ""} for each in telling]
    context: dict[str, str] = {}
    for each in telling:
        for name in ("own", "i", "i_situation"):
            if name in each:
                context.setdefault(f"context_{name}", each[name])
    if telling:
        context.setdefault("context", "")
    idle = {"context_idle": ""} if telling else {}
    result = [{**each, **_in_context(each, context, idle)} for each in asking]
    if any("unreadable" in each for each in every):
        result = [{**each, "unreadable": ""} for each in result]
    return result


def _in_context(each: dict[str, str], context: dict[str, str], idle: dict[str, str]) -> dict[str, str]:
    """What the situation adds to a sentence: little where it asks something general that stands alone."""
    if "nobody" in each and not {"no_public", "pointing_inside"} & each.keys():
        return idle
    used = {"pointing", "i", "i_procedure", "pointing_inside", "own"} & each.keys()
    return {**context, "context_used": next(iter(sorted(used)))} if context and used else context


def _sentences(turn: str) -> list[tuple[list[str], str]]:
    """The words of each sentence, in lower case, with the mark it ends with."""
    tokens, lists = read(turn), word_lists()
    low, found, start = tokens.low, [], 0
    asks = lists["wh"] | lists["auxiliary"]
    for place, mark in enumerate(tokens.stop):
        last = place + 1 == len(low)
        short = (
            mark == "." and (len(low[place]) < 3 or low[place] in ("mrs", "prof", "etc")) and low[place] not in _SHORT
        )
        turns = mark in (",", "\u2014") and not last and low[place + 1] in asks and low[start] in _TELLERS
        if last or turns or (mark in ("?", "!", ".", "\n", ";") and not short):
            found.append((low[start : place + 1], "." if turns else mark))
            start = place + 1
    return found[:1] + found[1:][-_SENTENCES:]


def _sentence(words: list[str], mark: str, lists: WordLists) -> dict[str, str]:
    """The signs of one sentence."""
    found = SentenceSigns()
    at, polite = _start(words, lists)
    body = words[at:] or words
    first, second, third = (*body[:3], "", "", "")[:3]
    inside = set(body)
    _readable(body, found, lists)
    _form(body, mark, polite, found, lists)
    _person(body, found, lists)
    _time(body, first, inside, found, lists)
    _world(body, first, inside, found, lists)
    _vary(body, first, inside, found, lists)
    _public(body, first, second, third, inside, found, lists)
    _joint(found)
    return found.signs


def _start(words: list[str], lists: WordLists) -> tuple[int, bool]:
    """Where the sentence starts behind its fillers, and whether it is put as a polite request ("could you ...")."""
    at = 0
    filler = lists["filler"]
    while at < len(words) - 1 and words[at] in filler:
        at += 1
    for lead in _LEADS:
        size = lead.count(" ") + 1
        if (
            words[at + size : at + size + 1]
            and words[at + size] in lists["wh"]
            and " ".join(words[at : at + size]) == lead
        ):
            return at + size, False
    if (
        words[at + 1 : at + 2]
        and words[at] in ("in", "at", "on", "for", "to", "by", "from")
        and words[at + 1] in lists["wh"]
    ):
        return at + 1, False
    text = " ".join(words[at : at + 7])
    for wish in _WISHES:
        if text.startswith(wish) and len(words) > at + wish.count(" ") + 1:
            return at + wish.count(" ") + 1, True
    head = words[at : at + 2]
    if head and head[0] in ("can", "could", "would", "will", "may") and head[1:] == ["you"] and len(words) > at + 2:
        rest = at + 2
        while rest < len(words) - 1 and (words[rest] in filler or words[rest] in ("like", "to", "mind", "be", "able")):
            rest += 1
        if head[0] in ("can", "may") and _general_can(words[rest:], lists):
            return at, False
        if words[rest : rest + 2] == ["tell", "me"] and words[rest + 2 : rest + 3] and words[rest + 2] in lists["wh"]:
            return rest + 2, False
        return rest, True
    return at, False


def _general_can(rest: list[str], lists: WordLists) -> bool:
    """Whether "can you ..." asks what one can do: "can you dry-clean silk", not "can you clean the floor"."""
    named = _DEFINITE | _OWN | _I | lists["pointing"] | {"for", "please", "some"}
    return (
        rest[0] not in lists["act_strong"] | lists["inform"] | _DOING
        and named.isdisjoint(rest)
        and not any(word.isdigit() for word in rest)
        and len(rest) > 1
    )


def _readable(body: list[str], found: SentenceSigns, lists: WordLists) -> None:
    foreign = sum(word in lists["foreign"] for word in body)
    english = sum(word in lists["english"] for word in body)
    odd = sum(not word.isascii() for word in body)
    if foreign > english or odd * 2 > len(body) or (len(body) > 3 and not english and not _latin_known(body, lists)):
        found.add("unreadable", " ".join(body)[:40])


def _latin_known(body: list[str], lists: WordLists) -> bool:
    """Whether any word is one that the lists know, so that a telegram is still English."""
    return any(word in group for word in body for group in lists.words.values() if group is not lists["foreign"])


def _form(body: list[str], mark: str, polite: bool, found: SentenceSigns, lists: WordLists) -> None:
    """Question, order, statement or fragment."""
    first, second, third = (*body[:3], "", "", "")[:3]
    act, strong, inform, produce = lists["act"], lists["act_strong"], lists["inform"], lists["produce"]
    if _procedure(body):
        found.add("procedure", " ".join(body[:4]))
    if first in lists["wh"]:
        found.add("wh")
        if first in ("how", "how's"):
            if second in ("high", "tall", "heavy", "big", "hot", "deep", "fast", "strong", "old", "large"):
                found.add("how_physical", f"how {second}")
            elif second in (
                "much",
                "many",
                "long",
                "far",
                "old",
                "high",
                "big",
                "often",
                "hot",
                "cold",
                "tall",
                "heavy",
            ):
                found.add(f"how_{second if second in ('much', 'many', 'long', 'far') else 'measure'}")
        elif first in ("what", "what's", "whats", "which"):
            found.add("what")
        else:
            found.add(f"wh_{first.removesuffix(chr(39) + 's')}")
        return
    base = polite or None
    if first in ("i", "i'd", "id", "we", "we'd", "i'm", "let's", "lets", "let"):
        rest = _wish(body)
        if rest is not None:
            found.add("wish", " ".join(body[: rest + 1]))
            word = body[rest] if rest < len(body) else ""
            if word in ("know", "understand", "learn", "ask", "see", "hear"):
                found.add("wish_know", " ".join(body[: rest + 1]))
            else:
                found.add("order", " ".join(body[: rest + 1]))
            return
        if first in ("let's", "lets", "let"):
            found.add("order", " ".join(body[:3]))
            return
        if first == "i" and second == "wonder":
            found.add("wish_know", "i wonder")
            return
        found.add("tells" if mark != "?" else "asks_flat")
        return
    if first in ("do", "go") and (second in ("it", "that", "this", "not", "ahead") or len(body) == 1):
        found.add("order", f"{first} {second}".strip())
        return
    if (
        first in ("could", "can", "would")
        and second in ("someone", "somebody", "anyone", "anybody")
        and {"me", "my"} & set(body)
    ):
        found.add("order", f"{first} {second}")
        return
    if not polite and first in lists["auxiliary"] and len(body) > 1 and first not in ("don't",):
        found.add("aux")
        found.add("aux_can" if first in ("can", "could", "may") else f"aux_{'be' if first in _BE else 'do'}")
        if second in ("i", "we"):
            general = first in ("can", "may") and third not in ("afford", "have", "get", "eat", "still")
            found.add("can_i" if general else "aux_i", f"{first} {second}")
        elif second in ("it", "there") and len(body) < 5:
            found.add("aux_it", " ".join(body[:3]))
        elif second in ("a", "an", "one", "you", "it") or second in lists["generic"]:
            found.add("aux_generic")
        elif second == "the":
            found.add("aux_the", " ".join(body[:4]))
        elif second in ("there", "any", "anyone", "anybody"):
            found.add("aux_there", " ".join(body[:3]))
        return
    if first in inform or (first in ("help",) and "understand" in body):
        if first == "tell" and second not in ("me", "us"):
            found.add("order", f"{first} {second}")
        else:
            found.add("inform")
            if first != "tell" or "about" in body[:4]:
                found.add("inform_about")
            if _MADE & set(body[1:6]):
                found.add("made", next(word for word in body[1:6] if word in _MADE))
        return
    if first in produce:
        giving = second in ("me", "us", "a", "an", "the", "some", "all", "my", "any", "three", "two", "five", "how")
        kind = "produce" if giving or first not in ("make", "create", "get", "help", "look") else "order"
        if "send" in body[1:4]:
            kind = "order"
        if kind == "produce" and (
            first in ("get", "make", "create")
            or _GRANTED & set(body)
            or {"email", "mail", "message", "note"} & set(body[1:4])
        ):
            kind = "order"
        found.add(kind, " ".join(body[:3]))
        if third in ("a", "an", "example", "examples") or second in ("a", "an"):
            found.add("produce_a")
        if kind == "produce" and _MADE & set(body[1:6]):
            found.add("made", next(word for word in body[1:6] if word in _MADE))
        return
    if first in _CODE and _tech(body, lists):
        found.add("code_request", " ".join(body[:3]))
        return
    if body[-1] == "status":
        found.add("fragment", "status")
        found.add("status", " ".join(body[-2:]))
        return
    if first in ("track", "check", "show", "list", "see", "view") and (_OWN | {"orders", "status"}) & set(body):
        found.add("shows_own", " ".join(body[:3]))
    if first in act or first in strong:
        found.add("order", " ".join(body[:3]))
        if first in strong:
            found.add("order_strong", first)
        return
    if first in (
        "it's",
        "it",
        "he",
        "she",
        "they",
        "there",
        "the",
        "my",
        "our",
        "this",
        "that",
        "his",
        "her",
        "you",
        "your",
    ) and (mark != "?" and len(body) > 2 and _verb(body)):
        found.add("tells")
        if first in ("it's", "it"):
            found.add("complaint", " ".join(body[:4]))
        return
    found.add("fragment" if base is None else "order", " ".join(body[:4]))
    if len(body) <= 3:
        found.add("short")
    if body[-1] in ("on", "off", "up", "down", "please") or second in ("on", "off", "up", "down"):
        found.add("order_tail", " ".join(body[-2:]))


def _tech(body: list[str], lists: WordLists) -> str:
    """A word for a programming tool in the sentence; one that is an everyday word as well only behind a preposition."""
    for place, word in enumerate(body):
        if word in lists["tech"]:
            before = body[place - 1] if place else ""
            if (
                word not in _AMBIGUOUS_TECH
                or before in ("in", "on", "with", "using", "for")
                or (place and before in ("is", "does") and body[-1] != word)
            ):
                return word
    return ""


def _verb(body: list[str]) -> bool:
    """Whether a sentence that starts with its subject seems to have a verb."""
    known = _BE | {"has", "have", "had", "do", "does", "did", "can", "could", "will", "would", "says", "keeps", "want"}
    return "'" in body[0] or any(
        word in known or word.endswith(("ed", "n't")) or word.endswith("s") for word in body[1:6]
    )


def _procedure(body: list[str]) -> bool:
    """Whether a general procedure is asked for: "how do I ...", "where can I ...", "what should I do if ..."."""
    first, second, third = (*body[:3], "", "", "")[:3]
    if first == "how" and (
        second == "to"
        or (
            second in ("do", "can", "could", "should", "does", "would") and third in ("i", "you", "one", "we", "people")
        )
    ):
        return True
    if first == "where" and second in ("do", "can", "could", "should") and third in ("i", "you", "one", "we"):
        return True
    if first == "who" and second in ("do", "should", "can") and third in ("i", "you", "we"):
        return True
    text = " ".join(body[:8])
    if first in ("what", "what's") and re.match(
        r"what (?:do|should|can|must|documents do|forms do) (?:i|you|one|we) (?:need to|have to|do if|do when|bring|do to)"
        r"|what(?:'s| is) the (?:best |easiest |right |quickest )?way (?:to|of)|what (?:happens|should happen) (?:if|when|to|at)"
        r"|what are the steps|what (?:documents|forms|papers) ",
        text,
    ):
        return True
    return bool(
        re.match(
            r"(?:is it possible|what is the procedure|is there a way|how (?:long|often|much) (?:should|must)) ", text
        )
    )


def _wish(body: list[str]) -> int | None:
    """The place of the verb that somebody wants done: "I'd like you to ...", "we want to ...", "I need a ..."."""
    place = 1
    low = body
    if low[0] in ("i", "we") and len(low) > 1 and low[1] in ("would", "really", "just", "hereby", "also"):
        place = 2
    if low[0] == "i'm" and low[1:2] != ["going"]:
        return None
    if place < len(low) and low[place] in ("like", "want", "need", "wanna", "wish", "love", "going", "hereby", "have"):
        wished = low[place]
        place += 1
        if wished == "have":
            return None
        if low[place : place + 1] == ["you"]:
            place += 1
        if low[place : place + 1] == ["to"]:
            place += 1
        return place
    if "hereby" in low[:3]:
        return place
    return None


def _person(body: list[str], found: SentenceSigns, lists: WordLists) -> None:
    """First person, second person's records, and what is pointed at."""
    procedure = "procedure" in found.signs
    for place, word in enumerate(body):
        before = body[place - 1] if place else ""
        after = body[place + 1] if place + 1 < len(body) else ""
        if word in _OWN or (word == "me" and before in ("about", "for", "to", "from", "with", "on", "of", "let")):
            name = "own_procedure" if procedure else "own"
            found.add(name if word != "me" else "me", f"{word} {after}".strip())
        elif word == "we" and place == 2 and body[0] in ("why", "how") and before in ("do", "are", "can"):
            continue
        elif word in _I:
            if word in ("me", "us"):
                if place > 2:
                    found.add("me", f"{before} {word}")
                continue
            found.add("i_procedure" if procedure else "i", f"{before} {word} {after}".strip())
            if before in lists["tell_i"] and not (procedure and place < 3):
                found.add("aux_i", f"{before} {word}")
            if after in lists["situation"] or "'" in word:
                found.add("i_situation", f"{word} {after}".strip())
    if sum(word in ("i", "i'm", "i've") for word in body) > 1:
        found.add("i_twice")
    named = not (_I | _OWN) & set(body)
    for place, word in enumerate(body):
        if word in lists["pointing"]:
            before = body[place - 1] if place else ""
            if (
                word in ("it", "that", "there")
                and (before in _BE or before in ("does", "that", "so", "if", "when", "will"))
                and place < 3
            ):
                continue
            if (
                word == "that"
                and place > 2
                and before not in ("is", "do", "of", "with", "about", "to", "for", "did", "does")
            ):
                continue
            if named and place > 3 and word not in ("this", "that") and not (before in _BE and word == body[-1]):
                found.add("pointing_inside", word)
                continue
            found.add("pointing", word)
            if word in ("this", "that", "these", "those"):
                found.add("pointing_this", word)
            if place == 1:
                found.add("pointing_subject", word)
            break
    if any(word in lists["personal_noun"] for word in body):
        word = next(word for word in body if word in lists["personal_noun"])
        place = body.index(word)
        before = body[place - 1] if place else ""
        if place == 0 and word in lists["inform"]:
            pass
        elif before in ("a", "an"):
            found.add("record_a", f"{before} {word}")
        elif (
            place
            and before not in _OWN | _DEFINITE | {"any", "unread", "new", "next", "open", "last", "latest"}
            and not (place > 1 and body[place - 2] == "the")
        ):
            found.add("record_bare", word)
        else:
            found.add("record", word)
            if before in ("the", "any", "unread", "new", "next", "open", "last") or place == 0:
                found.add("record_mine", f"{before} {word}".strip())
    home = next((place for place, word in enumerate(body) if word in lists["home_noun"]), -1)
    if home >= 0 and "the" in body[max(0, home - 2) : home]:
        found.add("home_noun", f"the {body[home]}")
    if re.search(
        r"\b(?:did|has|have) .{2,40}\b(?:say|said|tell|told|prescribe|decide|decided|answer|promise|write)$",
        " ".join(body),
    ):
        found.add("reported", " ".join(body[-2:]))
    if body[-1] in ("inside", "outside", "home", "here", "upstairs", "downstairs", "indoors") and len(body) < (
        5 if body[-1] == "home" else 9
    ):
        found.add("here", body[-1])
    if "you" in body and ("about me" in " ".join(body) or "remember" in body):
        found.add("me", "about me")


def _time(body: list[str], first: str, inside: set[str], found: SentenceSigns, lists: WordLists) -> None:
    year = next((word for word in body if _YEAR.match(word)), "")
    timeless = next((word for word in body if word in lists["timeless"]), "")
    if year or "century" in inside:
        found.add("past_year", year or "century")
    if timeless:
        found.add("timeless", timeless)
    season = next((word for word in body if word in lists["calendar"] and word != "may"), "")
    if season:
        found.add("season", season)
    now = next((word for word in body if word in lists["now"] and not word.endswith("()")), "")
    phrase = _phrase(body, lists.phrases["now_phrase"])
    if now or phrase:
        tech = _tech(body, lists) and (
            "procedure" in found.signs or (first.startswith("what") and not inside & _VERSION)
        )
        found.add("now_tech" if tech else "now_past" if year else "now", phrase or now)
    day = next((word for word in body if word in lists["weekday"]), "")
    if day:
        found.add("weekday", day)


def _phrase(body: list[str], phrases: tuple[tuple[str, ...], ...]) -> str:
    """The first of the phrases in the sentence."""
    text = f" {' '.join(body)} "
    return next((" ".join(phrase) for phrase in phrases if f" {' '.join(phrase)} " in text), "")


def _world(body: list[str], first: str, inside: set[str], found: SentenceSigns, lists: WordLists) -> None:
    """What changes by itself: weather, prices, news, scores, opening, availability; and chance."""
    text = " ".join(body)
    history = "past_year" in found.signs
    here = _phrase(body, lists.phrases["here_phrase"])
    if here:
        found.add("here", here)
    weather = next((word for word in body if word in lists["weather"]), "")
    if weather:
        climate = "like in" in text or "season" in found.signs or "timeless" in found.signs or history
        found.add("climate" if climate else "weather", weather)
        if (
            weather in ("weather", "forecast", "rain", "snow", "umbrella", "pollen", "raining", "snowing")
            and not climate
        ):
            found.add("weather_strong", weather)
    world = next((word for word in body if word in lists["world"]), "")
    if world:
        found.add("world_past" if history else "world", world)
    rate = next((word for word in body if word in lists["rate"]), "")
    goods = next((word for word in body if word in lists["goods"]), "")
    if rate:
        found.add("rate", rate)
        if goods:
            found.add("rate_goods", f"{rate} {goods}")
    if re.search(r"how much (?:is|are|does|do|for)\b", text):
        found.add("how_much_is", "how much")
        if "cost" in inside or first == "how":
            found.add("price", "how much")
    if goods and first not in lists["wh"]:
        found.add("goods", goods)
    general = (
        first in ("how", "why")
        and body[1:2]
        and body[1] in ("do", "does", "are", "is")
        and body[-1] not in lists["available"]
    )
    strong = re.search(
        r"\b(?:exchange|conversion|interest|mortgage|savings) rates?\b|\bworth$|\bworth (?!it)|\bprice of\b", text
    )
    if strong and not history and not general:
        found.add("rate_strong", strong[0])
    if re.match(r"what (?:does|do|is|are) .*\bcosts?\b", text):
        found.add("price", "cost")
    if first in _BE or (first in lists["wh"] and inside & _BE):
        state = next((word for word in reversed(body[2:]) if word in lists["available"]), "")
        if state in ("on", "up", "down", "out", "free", "left", "stock", "working", "back") and state != body[-1]:
            state = "" if "now" not in found.signs and inside.isdisjoint(("again", "stock")) else state
        if state and not inside & {"was", "were"}:
            found.add("state_last" if body[-1] in lists["available"] or "now" in found.signs else "state", state)
            if first in _BE and body[1:2] and (body[1] in _DEFINITE or body[1] not in ("a", "an", "there", "it")):
                found.add("is_state", state)
    past = next((word for word in body[2:] if word in lists["past_tense_state"]), "")
    if past and first in ("has", "have", "did", "is", "are", "was", "were") and body[1] not in ("a", "an"):
        found.add("done_yet", f"{first} {body[1]} {past}")
    if first in ("has", "have", "hasn't"):
        found.add("has", f"{first} {' '.join(body[1:3])}")
    if re.search(
        r"\bwhat(?:'s| is)? ?(?:the )?(?:time|date|day|year)\b|\bthe time\b|\bdate today\b|\bdays? (?:until|till)\b|^time\b",
        text,
    ):
        if not (
            "complexity" in inside or "now_tech" in found.signs or "time does" in text and history or "zone" in inside
        ):
            found.add("clock", text[:30])
    if re.search(r"\bwhat time (?:does|do|is|will)\b|\bwhen (?:does|do|is|will|are) (?:the|my|our)\b", text):
        found.add("when_the", text[:30])
    if re.match(r"(?:do|have) you (?:have|got|still)\b|are there (?:any|free)\b|is there any\b", text):
        found.add("offered", " ".join(body[:3]))
    if first == "where" and re.match(r"where(?:'s| is| are) the ", text) and len(body) < 6:
        found.add("where_the", text)
    if re.search(r"\bwhen (?:will|is the next)\b|\bnext (?!step)", text):
        found.add("next", "next")
    office = next((word for word in body if word in lists["office"]), "")
    if office and first in ("who", "who's") and (not history) and "was" not in inside and "were" not in inside:
        found.add("office", office)
    if (
        first in ("who", "did")
        and (inside & {"win", "won", "lead", "leading", "playing", "winning"} or "number one" in text)
        and not history
    ):
        found.add("contest", "won")
    if re.search(r"\bhow old is (?!the\b|a\b)", text):
        found.signs.pop("how_physical", None)
        found.add("age", "how old is")
    if inside & lists["random"] or re.match(
        r"(?:pick|choose|roll|flip|toss|draw|throw) (?:a|an|one|me|two|heads|some)\b", text
    ):
        if first not in lists["wh"] and first not in lists["auxiliary"]:
            found.add("random", next(iter(sorted(inside & lists["random"])), body[0]))
    if (
        re.match(
            r"what(?:'s| is| are)? (?:new|up|happening|happened|going on|on|playing)\b(?! to\b| in [a-z]+ when)", text
        )
        and not history
    ):
        found.add("whats_on", " ".join(body[:3]))


def _vary(body: list[str], first: str, inside: set[str], found: SentenceSigns, lists: WordLists) -> None:
    """Something new is wanted, so that what was said is no answer."""
    if "procedure" in found.signs:
        return
    phrase = _phrase(body, lists.phrases["vary_phrase"])
    if phrase and len(body) < 10:
        found.add("vary", phrase)
        return
    if first in lists["wh"] | lists["auxiliary"] and "else" not in inside:
        return
    for place, word in enumerate(body):
        if word in lists["vary"]:
            after = body[place + 1 : place + 3]
            things = lists["vary_thing"] | ({"that", "it", "this"} if word.startswith("re") else set())
            near = not after or not things.isdisjoint(after)
            if (
                near
                and (word != "new" or first in ("give", "tell", "show", "i"))
                and (word != "more" or len(body) <= 3)
            ):
                found.add("vary", " ".join((word, *after)))
                if len(body) < 8 or "order" not in found.signs:
                    return


def _public(
    body: list[str], first: str, second: str, third: str, inside: set[str], found: SentenceSigns, lists: WordLists
) -> None:
    """Forms of what anybody may ask and be told the same."""
    signs_ = found.signs
    text = " ".join(body)
    if re.match(r"(?:what(?:'s|s| is| are)|what was|define|explain|describe) ", text):
        rest = body[1:] if first in ("what's", "whats", "define", "explain", "describe") else body[2:]
        if rest[:1] and rest[0] in ("a", "an"):
            found.add("definition_a", text[:40])
        elif rest[:1] and rest[0] not in _DEFINITE and rest[0] not in _OWN:
            found.add("definition", text[:40])
        elif rest[:1] == ["the"]:
            found.add("what_the", text[:40])
    if re.search(r"\bwhat (?:does|do) .{1,60}\b(?:mean|do|stand for|return)$|\bmeaning of\b|\bdefinition of\b", text):
        found.add("meaning", text[:40])
    noun = next((word for word in body[:7] if word in lists["public_noun"]), "")
    if noun:
        found.add("public_noun", noun)
        if "fragment" in signs_:
            found.add("public_fragment", noun)
    tech = _tech(body, lists)
    if tech:
        found.add("tech", tech)
    now_ = signs_.keys() & {"now", "state_last", "world", "weather", "is_state"}
    if (
        re.match(
            r"(?:(?:what|who)(?:'s|s| is| are| was| were)|(?:tell|give) me) the [a-z' -]+ (?:of|in|for|between) (?!me\b|my\b|our\b|this\b|the (?:living|kitchen|bed))",
            text,
        )
        and not now_
        and "office" not in signs_
    ):
        found.add("what_the_of", text[:40])
    if (
        re.match(r"(?:what|who|which)\b.* (?:the )?(?:most|best|[a-z]{3,}est) ", text)
        and not now_
        and "latest" not in inside
    ):
        found.add("superlative", text[:40])
    subjects = lists["personal_noun"] | lists["home_noun"] | lists["auxiliary"] | _DEFINITE | _OWN | _CLOCK
    if first in ("which", "what") and second not in subjects and not now_:
        found.add("which_noun", f"{first} {second}")
    if (
        first in ("do", "does", "are", "can", "is")
        and not inside & (_OWN | _I | _DEFINITE)
        and not now_
        and len(body) > 3
    ):
        if (
            second.endswith("s")
            and len(second) > 3
            and second not in lists["personal_noun"] | lists["home_noun"] | lists["pointing"]
        ):
            found.add("general_plural", f"{first} {second}")
        if inside & _CAPABLE and second not in ("you", "there", "anyone"):
            found.add("capability", f"{first} {second}")
    if first == "why" and second in ("is", "are") and third == "the" and not signs_.keys() & {"home_noun", "record"}:
        found.add("why_the", text[:40])
    if (
        not now_
        and first in ("why", "how")
        and (second in ("do", "does", "is", "are", "was", "did") and third not in _OWN | _I | _DEFINITE)
    ):
        found.add("general_why", " ".join(body[:3]))
    if any(word in ("a", "an") for word in body[1:6]):
        found.add("indefinite")
    if any(word in lists["generic"] for word in body[1:4]):
        found.add("generic", next(word for word in body[1:4] if word in lists["generic"]))
    if "any" in body[:4]:
        found.add("any", "any")
    if first in lists["auxiliary"] and second not in _DEFINITE | _OWN | _I | lists["pointing"] | {
        "there",
        "any",
        "you",
        "anyone",
    }:
        found.add("general_aux", f"{first} {second}")
    if second in (
        "was",
        "were",
        "did",
        "invented",
        "wrote",
        "discovered",
        "built",
        "painted",
        "designed",
        "founded",
        "created",
    ):
        if first in lists["wh"] and third not in _OWN | _I | _DEFINITE | {"it"}:
            found.add("past_fact", f"{first} {second}")
        elif first in ("who", "when", "why") and third == "the":
            found.add("past_fact_the", f"{first} {second}")
    if "can" in body[:1] and re.search(r"\bbe [a-z]+(?:ed|en|t|n|d)\b", text):
        found.add("passive", text[:40])
    if "the" in inside:
        found.add("definite")


def _joint(found: SentenceSigns) -> None:
    """Pairs of signs that say more together."""
    signs_ = found.signs
    if signs_.keys() & {"i"} and not signs_.keys() & {"can_i", "procedure", "wish_know", "inform"}:
        found.add("i_plain", signs_["i"])
    if "any" in signs_ and "fragment" in signs_:
        found.add("any_fragment", "any")
    if "procedure" in signs_ and not signs_.keys() & {"own_procedure", "pointing", "me"}:
        found.add("procedure_plain", signs_["procedure"])
    if not signs_.keys() & {"own", "own_procedure", "i", "i_procedure", "me", "pointing", "record"}:
        found.add("nobody")
    if "can_i" in signs_ and not signs_.keys() & {"own", "me", "pointing"} and "indefinite" in signs_:
        found.add("can_i_general", signs_["can_i"])
    if not signs_.keys() & {
        "now",
        "weather",
        "rate",
        "world",
        "state_last",
        "here",
        "clock",
        "price",
        "weekday",
        "is_state",
    }:
        found.add("timeless_words")
    public = {
        "what_the_of",
        "superlative",
        "which_noun",
        "why_the",
        "how_physical",
        "inform_about",
        "made",
        "code_request",
        "past_fact_the",
        "definition",
        "definition_a",
        "meaning",
        "public_noun",
        "general_why",
        "past_fact",
        "generic",
        "passive",
    }
    if not signs_.keys() & (
        public | {"procedure", "indefinite", "past_year", "timeless", "general_aux", "tech", "inform"}
    ):
        found.add("no_public")
