"""Signs of time and world: what changes by itself, chance, and the wish for something new."""

from __future__ import annotations

from itertools import pairwise

from langchain_redis_memory.language.audience.words import BE, Phrasing, Sentence, one_of
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_YEAR = lazy_pattern(r"(?:1[0-9]{3}|20[01][0-9]|202[0-4])(?:s|'s)?$")
_VERSION = frozenset("version release latest newest price ruling".split())
_HOURS = Phrasing(
    "hours times open close",
    r"\b(?:opening|business|visiting|office|closing) (?:hours|times)\b"
    r"|\b(?:when|what time) (?:does|do) (?!my\b|our\b)[\w' -]+ (?:open|close)\b(?! today| tonight| tomorrow)"
    r"|\bwhen (?:is|are) (?!my\b|our\b)[\w' -]+ open$"
    r"|^(?:is|are) (?!it\b|there\b)[\w' -]+ open on (?:\w+days|holidays|weekends)\b",
)
"""When something is open as a rule."""
_GAUGE = Phrasing(
    "how temperature showing shown playing running online delayed cancelled canceled left taken leading "
    "order shut day week moment hour free available booked",
    r"\bhow (?:full|empty|charged|busy|crowded|packed|warm|cold|hot|humid|windy|loud|bright|dirty|clean|slow) "
    r"(?:is|are) "
    r"(?:the|my|our|it|[\w']+'s)\b|\bhow (?:long|short) (?:is|are) the (?:\w+ )?(?:queues?|lines?|waits?|delays?)\b"
    r"|\btemperature (?:in|at|on|outside|inside) |^(?:which|what|how many)\b.* (?:is|are) (?:currently |still |being )?"
    r"(?:showing|shown|playing|running|online|delayed|cancelled|canceled|left|taken|leading|out of order|shut)\b"
    r"|\bof the (?:day|week|moment|hour)\b|^(?:is|are) there (?:still )?[\w ]{0,24}\b(?:left|free|available)\b"
    r"|\b(?:is|are) (?:free|available|taken|booked) (?:at|on (?!\w+days\b)|tonight|tomorrow|this|next|until)\b",
)
"""Measures and states of this moment."""
_OF_WORLD = lazy_pattern(
    r"\b(?:for|of|about|during|after|with) (?:an? )?(?:\w+ )?(?:wait|delay|score)\b|\bwait$|\ban? (?:\w+ )?score\b"
)
_NOT_STATE = lazy_pattern(r"\bavailable (?:(?:for|to) all|in (?!the\b|stock\b)|as |on request)|\bcosts? extra\b")
_WORTH = Phrasing(
    "rate rates worth price",
    r"\b(?:exchange|conversion|interest|mortgage|savings) rates?\b"
    r"|\bworth$|\bworth (?!it\b|the\b|an?\b|\w+ing\b)|\bprice of\b",
)
_PRESENCE = lazy_pattern(
    r"^(?:is|are) (?!there\b|it\b|this\b|that\b|an? |the (?:word|name|idea)\b)[\w'. ]{2,30} "
    r"(?:(?:in|at|back (?:in|at|from)) (?:(?:the|his|her|their) (?:office|building|desk|counter|door|room|shop|garage"
    r"|meeting|reception|lab|kitchen|yard)|home|work|lunch|school)|in today|home|awake"
    r"|around|away|on (?:leave|duty|call))$"
)
"""Whether somebody is there."""
_HOW_MUCH = Phrasing("much", r"how much (?:is|are|for)\b|how much (?:does|do) .*\b(?:cost|costs|sell|go for|charge)\b")
_COSTS = lazy_pattern(r"what (?:does|do|is|are) .*\bcosts?\b")
_CLOCK = Phrasing(
    "time date day year days whattime whatdate whatday whatyear stime sdate sday syear istime isdate isday isyear",
    r"\bwhat(?:'s| is)? ?(?:the )?(?:time|date|day|year)\b(?! (?:was|were|did|do|does)\b)|\bthe time\b"
    r"|\bdate today\b|\bdays? (?:until|till)\b|^time\b|\b(?:current|exact|local|official) time\b",
)
_TIME = lazy_pattern(
    r"what(?:'s|s| is)? the (?:(?:current|exact|local|official|present|right|waiting) )?time"
    r"(?: (?:in|at|over|now|there|here)\b|$)"
)
"""The time of day, or how long one waits; "what is the delivery time" asks for a rule."""
_ANY_OF = lazy_pattern(r"(?:is|are) there any\b.* (?:of|to|for|about|between|with) (?!the\b|my\b|me\b|us\b)")
_NEXT = Phrasing("when next", r"\bwhen (?:will|is the next)\b|\bnext (?!step)")
_AGE = Phrasing("old", r"\bhow old is (?!the\b|a\b)")
_DRAWN = lazy_pattern(r"(?:pick|choose|roll|flip|toss|draw|throw) (?:a|an|one|me|two|heads|some)\b")
_GOING_FOR = Phrasing("go goes going", r"\b(?:go|goes|going) (?:for|cheap)\b")
_WHEN_THE = Phrasing(
    "when time",
    r"\bwhat time (?:does|do|is|will) (?:the|my|our)\b|\bwhen (?:does|do|is|will|are) (?:the|my|our)\b",
)
_OFFERED = lazy_pattern(r"(?:do|have) you (?:have|got|still)\b|are there (?:any|free)\b|is there any\b")
_WHERE_THE = lazy_pattern(r"where(?:'s| is| are) the ")
_WHATS_ON = lazy_pattern(
    r"what(?:'s| is| are)? (?:new|up|happening|going on|on|playing"
    r"|happened(?! (?:in|during|after|before|between)\b))"
    r"\b(?! to\b| in [a-z]+ when)"
)


_ELAPSED = Phrasing(
    "ago since until till passed elapsed",
    r"^how (?:long|many (?:\w+ )?(?:years|months|weeks|days|hours|minutes|seconds|decades|centuries)) (?:ago\b"
    r"|(?:is|has) it (?:been )?(?:since|until|till)\b|(?:have|has) (?:passed|elapsed|gone by)\b|(?:until|till|since)\b"
    r"|(?:are|is) (?:there |it )?(?:left )?(?:until|till|since)\b)",
)
"""A time that is counted from now."""
_CALENDAR = Phrasing(
    "it this today we",
    r"^(?:what|which) (?:\w+ ){0,3}(?:week|month|season|quarter|weekday|term|semester|day|year|date)(?: of the \w+)? "
    r"(?:is it|is this|is today|are we (?:in|on|at)|do we have|have we got)"
    r"(?: (?:now|today|currently|again|right now|(?:in|at|over) (?!which\b).*))?$",
)
"""The date, in whatever it is counted."""
_RESULT = lazy_pattern(
    r"how did (?!i |we |you |they |it |that |he |she )(?:[\w'.&-]+ ){1,4}(?:play|do|perform|fare|finish|score|get on)"
    r"(?: (?:at|in|against|on|over|away) .*)?$"
)
"""How a contest went for somebody; which one says only the day."""


_STRONG = frozenset("weather forecast rain snow umbrella pollen raining snowing".split())
"""Words that alone ask for the weather of now."""
_TURNS = frozenset("on up down out free left stock working back".split())
_ASKED_DONE = frozenset("has have did is are was were".split())
_CONTEST = frozenset("win won lead leads leading playing winning wins".split())
_WAS = frozenset(("was", "were"))


def time_signs(s: Sentence) -> None:
    """Notes present, past, season and day of the week."""
    year = next((word for place, word in enumerate(s.body) if place != 1 and word[0] in "12" and _YEAR.match(word)), "")
    s.note("past_year", year or ("century" if "century" in s.inside else ""))
    s.note("timeless", s.one_of("timeless"))
    s.note("season", s.one_of("season"))
    if now := s.phrase("now_phrase") or s.one_of("now"):
        version = s.first.startswith("what") and _VERSION.isdisjoint(s.inside)
        tech = s.tech and (s.has("procedure") or version)
        s.add("now_tech" if tech else "now_past" if year else "now", now)
    if (hours := _HOURS.search(s)) and not s.has("now", "now_tech"):
        s.add("hours", hours[0][:40])
    if not s.has("hours"):
        s.note("weekday", s.one_of("weekday"))


def world_signs(s: Sentence) -> None:
    """Finds the signs of what changes by itself: weather, prices, news, scores, opening, availability; and chance."""
    if (moment := _GAUGE.search(s) or _PRESENCE.match(s.text)) and not s.has("timeless"):
        s.add("moment", moment[0][:40])
    named = s.has("full_name") and not {"did", "was", "were"}.isdisjoint(s.body[:3])
    history = s.has("past_year") or (named and not s.has("now", "weekday"))
    s.note("here", s.phrase("here_phrase"))
    if s.first in s.lists["wh"]:
        _moves(s, history)
    _weather(s, history)
    world = s.one_of("world")
    if not history and not (world in ("wait", "delay", "score") and _OF_WORLD.search(s.text)):
        s.note("world", world)
    _prices(s, history)
    if not s.has("hours") and (s.first in BE or (s.first in s.lists["wh"] and s.inside & BE)):
        _state(s)
    past = one_of(s.body[2:], s.lists["past_tense_state"])
    bare = s.first in ("is", "are") and len(s.body) == 3 and s.second not in ("it", "they")
    if past and not bare and s.first in _ASKED_DONE and s.second not in ("a", "an"):
        s.add("done_yet", f"{s.first} {s.second} {past}")
    if s.first in ("has", "have", "hasn't"):
        s.add("has", f"{s.first} {' '.join(s.body[1:3])}")
    if "time" in s.inside and (found := _TIME.match(s.text)):
        s.drop("rule")
        s.add("clock", found[0])
    if not s.has("now_tech", "hours", "rule", "schedule") and s.inside.isdisjoint(("complexity", "zone")):
        s.note("clock", s.text[:30] if _CLOCK.search(s) else "")
    if not s.has("hours", "schedule") and _WHEN_THE.search(s):
        s.add("when_the", s.text[:30])
    if not s.has("now") and _ANY_OF.match(s.text):
        s.add("any_of", s.text[:40])
    elif _OFFERED.match(s.text):
        s.add("offered", s.opening(3))
    if s.first == "where" and len(s.body) < 6 and _WHERE_THE.match(s.text):
        s.add("where_the", s.text)
    if _NEXT.search(s):
        s.add("next", "next")
    if s.first in ("who", "who's") and not s.has("hours") and not history and _WAS.isdisjoint(s.inside):
        s.note("office", s.one_of("office"))
    if not history:
        _contest(s)
    if _AGE.search(s):
        s.drop("how_physical")
        s.add("age", "how old is")
    _chance(s)
    if not history and _WHATS_ON.match(s.text):
        s.add("whats_on", s.opening(3))


def _moves(s: Sentence, history: bool) -> None:
    """What is another from day to day though nothing in it says "now"."""
    found = None
    if s.first == "how":
        if s.second == "did":
            found = None if history else _RESULT.match(s.text)
        elif s.second == "old":
            office = s.third in ("is", "are") and not s.has("timeless") and s.one_of("office")
            s.note("moves", s.text[:40] if office else "")
        elif s.second in ("long", "many"):
            found = _ELAPSED.search(s)
            if s.second == "many" and s.has("stage") and s.last in s.lists["stage"]:
                s.add("moves", s.text[:40])  # "how many jobs are queued"
    elif (s.first in ("what", "which")) and not s.has("season"):
        found = _CALENDAR.search(s)
    if found:
        s.add("moves", found[0][:40])


def _weather(s: Sentence, history: bool) -> None:
    weather = s.one_of("weather")
    if not weather:
        return
    why = s.first in ("why", "how") and s.second in ("do", "does") and s.third != "the"
    if not (why or "like in" in s.text or history or s.has("season", "timeless")):
        s.add("weather weather_strong" if weather in _STRONG else "weather", weather)
        return
    s.add("climate", weather)
    if s.has("fragment"):
        s.drop("fragment")  # "the weather in Norway in general" asks what it is
        s.add("wh what public_fragment")


def _prices(s: Sentence, history: bool) -> None:
    rate, goods = s.one_of("rate"), s.one_of("goods")
    if rate and not _NOT_STATE.search(s.text):
        s.add("rate", rate)
        s.note("rate_goods", goods and f"{rate} {goods}")
    if s.first in s.lists["asks"] and _GOING_FOR.search(s):
        s.add("price", "going for")
    if _HOW_MUCH.search(s):
        s.add("how_much_is", "how much")
        s.note("price", "how much" if "cost" in s.inside or s.first == "how" else "")
    if s.first not in s.lists["wh"]:
        s.note("goods", goods)
    asks_how = s.first in ("how", "why") and s.second in ("do", "does", "are", "is")
    if not history and not (asks_how and s.last not in s.lists["available"]) and (strong := _WORTH.search(s)):
        s.add("rate_strong", strong[0])
    if _COSTS.match(s.text):
        s.add("price", "cost")


def _state(s: Sentence) -> None:
    """Signs of a state that is asked for: "is the pool open", "which seats are free"."""
    available = s.lists["available"]
    behind = reversed([*pairwise(s.body[1:])])
    state = next((word for before, word in behind if word in available and before != "the"), "")
    if state == s.last and state in ("on", "in") and s.first in ("which", "what") and "the" in s.body[2:4]:
        state = ""  # "Which floor is the restaurant on?"
    if state in _TURNS and state != s.last and not s.has("now") and s.inside.isdisjoint(("again", "stock")):
        state = ""
    if s.last in ("free", "out", "available") and s.has("bare_general"):
        s.drop("stage")  # "Is parking free?" is a rule, "Are seats free?" is not
        state = ""
    if state and _WAS.isdisjoint(s.inside) and not _NOT_STATE.search(s.text):
        s.add("state_last" if s.last in available or s.has("now") else "state", state)
        if s.first in BE and s.second not in ("a", "an", "there", "it", ""):
            s.add("is_state", state)


def _contest(s: Sentence) -> None:
    best = "number one" in s.text
    won = s.first == "did" and (s.has("now") or s.last in ("win", "won", "lead"))
    if best or ((s.first == "who" or won) and s.inside & _CONTEST):
        s.add("contest", "won")


def _chance(s: Sentence) -> None:
    drawn, random = _DRAWN.match(s.text), s.inside & s.lists["random"]
    if (drawn or random) and s.first not in s.lists["asks"]:
        s.add("random", min(random, default=s.first))
        s.note("vary", drawn[0] if drawn else "")


_ANEW = lazy_pattern(r"\b(?:another|a new|other|different|else)\b|^(?:something|an?) \w+er(?: \w+)?(?: please)?$")
_MORE = lazy_pattern(r"\b(?:an?|some|any|something|anything) (?:(?:more|less) \w+|(\w+er)) ?(?:\w+)?$")
"""Something in a higher degree than what was said: "a cheaper hotel"."""
_ELSE = lazy_pattern(
    r"^(?:what|who|where|which|any|anything|is there|are there)\b.{0,24}\b(?:else|other|another)\b(?! than)"
)
"""A request, and a question, for something other than what was said."""
_GIVES = frozenset("tell ask show name try play quiz pick something a an".split())


def _asks_anew(s: Sentence) -> str:
    if s.first in s.lists["asks"] | {"any", "anything"}:
        if s.first in s.lists["wh"] and "what" not in s.first and s.first != "which":
            return ""
        anew = _ELSE.search(s.text) if len(s.text) < 60 else None
    else:
        giving = s.first in s.lists["produce"] | _GIVES
        anew = _ANEW.search(s.text[:40]) if giving or len(s.text) < 30 else None
    if not anew and (more := _MORE.search(s.text)) and (not more[1] or more[1] in s.lists["comparative"]):
        anew = more
    return anew[0] if anew else ""


def vary_signs(s: Sentence) -> None:
    """Finds the signs that something new is wanted, so that a stored answer does not serve."""
    if s.has("procedure"):
        return
    if phrase := (s.phrase("vary_phrase") if len(s.body) < 10 else "") or _asks_anew(s):
        s.add("vary", phrase)
        return
    if s.first in s.lists["asks"]:
        return
    if s.lists["vary"].isdisjoint(s.inside):
        return
    for place, _, word, _ in s.around():
        if word not in s.lists["vary"] or (word == "new" and s.first not in ("give", "tell", "show", "i")):
            continue
        after = s.body[place + 1 : place + 3]
        things = s.lists["vary_thing"] | ({"that", "it", "this"} if word.startswith("re") else set())
        if (after and things.isdisjoint(after)) or (word == "more" and len(s.body) > 3):
            continue
        s.add("vary", " ".join((word, *after)))
        if len(s.body) < 8 or not s.has("order"):
            return
