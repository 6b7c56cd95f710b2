"""Signs of time and world: what changes by itself, chance, and the wish for something new."""

from __future__ import annotations

from itertools import pairwise

from langchain_redis_memory.language.audience.words import (
    BE,
    DEFINITE,
    SentenceSigns,
    WordLists,
    one_of,
    phrase_in,
    tech_word,
)
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_YEAR = lazy_pattern(r"(?:1[0-9]{3}|20[01][0-9]|202[0-4])(?:s|'s)?$")
_VERSION = frozenset("version release latest newest price ruling".split())


_HOURS = lazy_pattern(
    r"\b(?:opening|business|visiting|office|closing) (?:hours|times)\b"
    r"|\b(?:when|what time) (?:does|do) (?!my\b|our\b)[\w' -]+ (?:open|close)\b(?! today| tonight| tomorrow)"
    r"|\bwhen (?:is|are) (?!my\b|our\b)[\w' -]+ open$"
    r"|^(?:is|are) (?!it\b|there\b)[\w' -]+ open on (?:\w+days|holidays|weekends)\b"
)
"""When something is open as a rule."""
_GAUGE = lazy_pattern(
    r"\bhow (?:full|empty|charged|busy|crowded|packed|warm|cold|hot|humid|windy|loud|bright|dirty|clean|slow) "
    r"(?:is|are) "
    r"(?:the|my|our|it|[\w']+'s)\b|\bhow (?:long|short) (?:is|are) the (?:\w+ )?(?:queues?|lines?|waits?|delays?)\b"
    r"|\btemperature (?:in|at|on|outside|inside) |^(?:which|what|how many)\b.* (?:is|are) (?:currently |still |being )?"
    r"(?:showing|shown|playing|running|online|delayed|cancelled|canceled|left|taken|leading|out of order|shut)\b"
    r"|\bof the (?:day|week|moment|hour)\b|^(?:is|are) there (?:still )?[\w ]{0,24}\b(?:left|free|available)\b"
    r"|\b(?:is|are) (?:free|available|taken|booked) (?:at|on (?!\w+days\b)|tonight|tomorrow|this|next|until)\b"
)
"""Measures and states of this moment."""
_OF_WORLD = lazy_pattern(
    r"\b(?:for|of|about|during|after|with) (?:an? )?(?:\w+ )?(?:wait|delay|score)\b|\bwait$|\ban? (?:\w+ )?score\b"
)
_NOT_STATE = lazy_pattern(r"\bavailable (?:(?:for|to) all|in (?!the\b|stock\b)|as |on request)|\bcosts? extra\b")
_WORTH = lazy_pattern(
    r"\b(?:exchange|conversion|interest|mortgage|savings) rates?\b"
    r"|\bworth$|\bworth (?!it\b|the\b|an?\b|\w+ing\b)|\bprice of\b"
)
_PRESENCE = lazy_pattern(
    r"^(?:is|are) (?!there\b|it\b|this\b|that\b|an? |the (?:word|name|idea)\b)[\w'. ]{2,30} "
    r"(?:(?:in|at|back (?:in|at|from)) (?:(?:the|his|her|their) (?:office|building|desk|counter|door|room|shop|garage"
    r"|meeting|reception|lab|kitchen|yard)|home|work|lunch|school)|in today|home|awake"
    r"|around|away|on (?:leave|duty|call))$"
)
"""Whether somebody is there."""
_HOW_MUCH = lazy_pattern(r"how much (?:is|are|for)\b|how much (?:does|do) .*\b(?:cost|costs|sell|go for|charge)\b")
_COSTS = lazy_pattern(r"what (?:does|do|is|are) .*\bcosts?\b")
_CLOCK = lazy_pattern(
    r"\bwhat(?:'s| is)? ?(?:the )?(?:time|date|day|year)\b(?! (?:was|were|did|do|does)\b)|\bthe time\b"
    r"|\bdate today\b|\bdays? (?:until|till)\b|^time\b"
)
_ANY_OF = lazy_pattern(r"(?:is|are) there any\b.* (?:of|to|for|about|between|with) (?!the\b|my\b|me\b|us\b)")
_NEXT = lazy_pattern(r"\bwhen (?:will|is the next)\b|\bnext (?!step)")
_AGE = lazy_pattern(r"\bhow old is (?!the\b|a\b)")
_DRAWN = lazy_pattern(r"(?:pick|choose|roll|flip|toss|draw|throw) (?:a|an|one|me|two|heads|some)\b")
_GOING_FOR = lazy_pattern(r"\b(?:go|goes|going) (?:for|cheap)\b")
_WHEN_THE = lazy_pattern(
    r"\bwhat time (?:does|do|is|will) (?:the|my|our)\b|\bwhen (?:does|do|is|will|are) (?:the|my|our)\b"
)
_OFFERED = lazy_pattern(r"(?:do|have) you (?:have|got|still)\b|are there (?:any|free)\b|is there any\b")
_WHERE_THE = lazy_pattern(r"where(?:'s| is| are) the ")
_WHATS_ON = lazy_pattern(
    r"what(?:'s| is| are)? (?:new|up|happening|going on|on|playing"
    r"|happened(?! (?:in|during|after|before|between)\b))"
    r"\b(?! to\b| in [a-z]+ when)"
)


def time_signs(body: list[str], first: str, inside: set[str], found: SentenceSigns, lists: WordLists) -> None:
    """Notes present, past, season and day of the week."""
    year = next((word for place, word in enumerate(body) if place != 1 and _YEAR.match(word)), "")
    timeless = one_of(body, lists["timeless"])
    if year or "century" in inside:
        found.add("past_year", year or "century")
    if timeless:
        found.add("timeless", timeless)
    season = next((word for word in body if word in lists["calendar"] and word != "may"), "")
    if season:
        found.add("season", season)
    now = next((word for word in body if word in lists["now"] and not word.endswith("()")), "")
    phrase = phrase_in(body, lists.phrases["now_phrase"])
    if now or phrase:
        tech = tech_word(body, lists) and (
            "procedure" in found.signs or (first.startswith("what") and not inside & _VERSION)
        )
        found.add("now_tech" if tech else "now_past" if year else "now", phrase or now)
    hours = _HOURS.search(" ".join(body))
    if hours and not {"now", "now_tech"} & found.signs.keys():
        found.add("hours", hours[0][:40])
    day = one_of(body, lists["weekday"])
    if day and "hours" not in found.signs:
        found.add("weekday", day)


def world_signs(body: list[str], first: str, inside: set[str], found: SentenceSigns, lists: WordLists) -> None:
    """Finds the signs of what changes by itself: weather, prices, news, scores, opening, availability; and chance."""
    text = " ".join(body)
    moment = _GAUGE.search(text) or _PRESENCE.search(text)
    if moment and "timeless" not in found.signs:
        found.add("moment", moment[0][:40])
    named = "full_name" in found.signs and not {"did", "was", "were"}.isdisjoint(body[:3])
    history = "past_year" in found.signs or (named and not found.signs.keys() & {"now", "weekday"})
    here = phrase_in(body, lists.phrases["here_phrase"])
    if here:
        found.add("here", here)
    weather = one_of(body, lists["weather"])
    if weather:
        why = first in ("why", "how") and body[1:2] in (["do"], ["does"]) and body[2:3] != ["the"]
        climate = why or "like in" in text or "season" in found.signs or "timeless" in found.signs or history
        found.add("climate" if climate else "weather", weather)
        if climate and "fragment" in found.signs:
            found.signs.pop("fragment")  # "the weather in Norway in general" asks what it is
            for name in ("wh", "what", "public_fragment"):
                found.add(name)
        if (
            weather in ("weather", "forecast", "rain", "snow", "umbrella", "pollen", "raining", "snowing")
            and not climate
        ):
            found.add("weather_strong", weather)
    world = one_of(body, lists["world"])
    if world in ("wait", "delay", "score") and _OF_WORLD.search(text):
        world = ""
    if world:
        found.add("world_past" if history else "world", world)
    rate = one_of(body, lists["rate"])
    goods = one_of(body, lists["goods"])
    if rate and not _NOT_STATE.search(text):
        found.add("rate", rate)
        if goods:
            found.add("rate_goods", f"{rate} {goods}")
    if _GOING_FOR.search(text) and first in lists["asks"]:
        found.add("price", "going for")
    if _HOW_MUCH.search(text):
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
    strong = _WORTH.search(text)
    if strong and not history and not general:
        found.add("rate_strong", strong[0])
    if _COSTS.match(text):
        found.add("price", "cost")
    if "hours" not in found.signs and (first in BE or (first in lists["wh"] and inside & BE)):
        behind = reversed([*pairwise(body[1:])])
        state = next((word for before, word in behind if word in lists["available"] and before != "the"), "")
        if state == body[-1] and state in ("on", "in") and first in ("which", "what") and "the" in body[2:4]:
            state = ""  # "Which floor is the restaurant on?"
        if state in ("on", "up", "down", "out", "free", "left", "stock", "working", "back") and state != body[-1]:
            state = "" if "now" not in found.signs and inside.isdisjoint(("again", "stock")) else state
        if body[-1] in ("free", "out", "available") and "bare_general" in found.signs:
            found.signs.pop("stage", None)  # "Is parking free?" is a rule, "Are seats free?" is not
            state = ""
        if state and not inside & {"was", "were"} and not _NOT_STATE.search(text):
            found.add("state_last" if body[-1] in lists["available"] or "now" in found.signs else "state", state)
            if first in BE and body[1:2] and (body[1] in DEFINITE or body[1] not in ("a", "an", "there", "it")):
                found.add("is_state", state)
    past = one_of(body[2:], lists["past_tense_state"])
    bare = first in ("is", "are") and len(body) == 3 and body[1] not in ("it", "they")
    if past and not bare and first in ("has", "have", "did", "is", "are", "was", "were") and body[1] not in ("a", "an"):
        found.add("done_yet", f"{first} {body[1]} {past}")
    if first in ("has", "have", "hasn't"):
        found.add("has", f"{first} {' '.join(body[1:3])}")
    clock = _CLOCK.search(text)
    if (
        clock
        and not {"now_tech", "hours", "rule", "schedule"} & found.signs.keys()
        and inside.isdisjoint(("complexity", "zone"))
    ):
        found.add("clock", text[:30])
    if not {"hours", "schedule"} & found.signs.keys() and _WHEN_THE.search(text):
        found.add("when_the", text[:30])
    of_something = _ANY_OF.match(text)
    if of_something and "now" not in found.signs:
        found.add("any_of", text[:40])
    elif _OFFERED.match(text):
        found.add("offered", " ".join(body[:3]))
    if first == "where" and _WHERE_THE.match(text) and len(body) < 6:
        found.add("where_the", text)
    if _NEXT.search(text):
        found.add("next", "next")
    office = one_of(body, lists["office"])
    if (
        office
        and "hours" not in found.signs
        and first in ("who", "who's")
        and (not history)
        and "was" not in inside
        and "were" not in inside
    ):
        found.add("office", office)
    if (
        (
            first == "who"
            or "number one" in text
            or (first == "did" and ("now" in found.signs or body[-1] in ("win", "won", "lead")))
        )
        and (inside & {"win", "won", "lead", "leads", "leading", "playing", "winning", "wins"} or "number one" in text)
        and not history
    ):
        found.add("contest", "won")
    if _AGE.search(text):
        found.signs.pop("how_physical", None)
        found.add("age", "how old is")
    drawn = _DRAWN.match(text)
    if (drawn or inside & lists["random"]) and first not in lists["wh"] | lists["auxiliary"]:
        found.add("random", next(iter(sorted(inside & lists["random"])), body[0]))
        if drawn:
            found.add("vary", drawn[0])
    if _WHATS_ON.match(text) and not history:
        found.add("whats_on", " ".join(body[:3]))


_ANEW = lazy_pattern(r"\b(?:another|a new|other|different|else)\b|^(?:something|an?) \w+er(?: \w+)?(?: please)?$")
_MORE = lazy_pattern(r"\b(?:an?|some|any|something|anything) (?:(?:more|less) \w+|(\w+er)) ?(?:\w+)?$")
"""Something in a higher degree than what was said: "a cheaper hotel"."""
_ELSE = lazy_pattern(
    r"^(?:what|who|where|which|any|anything|is there|are there)\b.{0,24}\b(?:else|other|another)\b(?! than)"
)
"""A request, and a question, for something other than what was said."""


def _asks_anew(text: str, first: str, lists: WordLists) -> str:
    if first in lists["asks"] | {"any", "anything"}:
        if first in lists["wh"] and "what" not in first and first != "which":
            return ""
        anew = _ELSE.search(text) if len(text) < 60 else None
    else:
        giving = first in lists["produce"] | {
            "tell",
            "ask",
            "show",
            "name",
            "try",
            "play",
            "quiz",
            "pick",
            "something",
            "a",
            "an",
        }
        anew = _ANEW.search(text[:40]) if giving or len(text) < 30 else None
    if not anew and (more := _MORE.search(text)) and (not more[1] or more[1] in lists["comparative"]):
        anew = more
    return anew[0] if anew else ""


def vary_signs(body: list[str], first: str, inside: set[str], found: SentenceSigns, lists: WordLists) -> None:
    """Finds the signs that something new is wanted, so that a stored answer does not serve."""
    if "procedure" in found.signs:
        return
    text = " ".join(body)
    if phrase := (phrase_in(body, lists.phrases["vary_phrase"]) if len(body) < 10 else "") or _asks_anew(
        text, first, lists
    ):
        found.add("vary", phrase)
        return
    if first in lists["asks"]:
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
