"""The form of a sentence: question, order, wish, statement, fragment, or asking for a procedure."""

from __future__ import annotations

from langchain_redis_memory.language.audience.sentences import LEAD
from langchain_redis_memory.language.audience.words import BE, OWN, Sentence, one_of
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_MADE = frozenset(
    "poem story function limerick joke essay summary example recipe regex script query haiku song riddle class "
    "program article paragraph menu advert overview synonym questions tips ideas quote".split()
)
_CODE = frozenset(
    "sort convert reverse parse read write iterate merge split join filter remove check count find get replace loop "
    "concatenate flatten format print import declare initialise initialize".split()
)
_GRANTED = frozenset("access rights permission permissions admin refund money".split())
_SENT = frozenset("send email mail message note".split())
_GIVING = frozenset("me us a an the some all my any three two five how".split())
_DEFINITE = frozenset("the my our this that it".split())
_CONDITION = frozenset("by with without if when".split())
_PHYSICAL = frozenset("high tall heavy big hot deep fast strong old large".split())
_MEASURED = frozenset("much many long far often cold".split())
_SPEAKER = frozenset("i i'd id we we'd i'm let's lets let".split())
_SUBJECT = frozenset("it's that's it he she they there the my our this that his her you your".split())
_WISHED = frozenset("like want need wanna wish love going hereby have".split())
_KNOWS = frozenset("know understand learn ask see hear".split())
_VERB = BE | frozenset("has have had do does did can could will would says keeps want".split())
_ANYBODY = frozenset("i you one we people".split())

_ADVICE = lazy_pattern(
    r"(?:when|what|how (?:long|often|much|deep|far|high|early|late|soon|many \w+)) "
    r"(?:(?:should|must) (?:i|you|one|we)|(?<=long )can i|(?<=soon )can i|do (?:i|you|we) (?:have|need) to) "
    r"(?!come\b|pay\b|arrive\b|expect\b|go\b|know\b)"
    r"|what can (?:i|you|one|we) do (?:about|against|to|with|if|when)\b"
    r"|when is the best time to\b"
)
"""General advice that is asked for with "my": how deep one should dig a pond."""
_PASSIVE = lazy_pattern(r"\bbe (?:\w+(?:ed|en|t|n|d)|made|done)\b")
_DUE = lazy_pattern(r"\b(?:(?:has|have|needs?|ought) to|must|should) be \w+(?:ed|en|t|n|d)\b")
"""Something is to be done: "order 7 needs to be cancelled"."""
_STEPS = lazy_pattern(
    r"what (?:do|should|can|must|documents do|forms do) (?:i|you|one|we) "
    r"(?:need to|have to|do if|do when|bring|do to)"
    r"|what(?:'s| is) the (?:best |easiest |right |quickest )?way (?:to|of)"
    r"|what (?:happens|should happen) (?:if|when|to|at)"
    r"|what are the steps|what (?:documents|forms|papers) "
)
_METHOD = lazy_pattern(
    r"(?:is it possible|what is the procedure|is there a way|how (?:long|often|much) (?:should|must)) "
)


def form_signs(s: Sentence) -> None:
    """Finds the signs of the sentence's form: question, order, statement or fragment; the first that fits."""
    if s.mark == LEAD:
        s.add("tells lead")
        return
    if done := _passive_order(s):
        s.add("order wish", done)
        return
    if _is_procedure(s):
        s.add("procedure", s.opening(4))
    if s.first in s.lists["wh"]:
        _question(s)
    elif s.first in _SPEAKER:
        _wish(s)
    elif _asks_somebody(s):
        s.add("order", s.opening(2))
    elif not s.polite and s.first in s.lists["auxiliary"] and len(s.body) > 1 and s.first != "don't":
        _yes_or_no(s)
    elif s.first in s.lists["inform"] or (s.first == "help" and "understand" in s.body):
        _inform(s)
    elif s.first in s.lists["produce"]:
        _produce(s)
    elif s.first in _CODE and s.tech:
        s.add("code_request", s.opening(3))
    elif s.last == "status":
        s.add("fragment", "status")
        s.add("status", " ".join(s.body[-2:]))
    else:
        _order_or_fragment(s)


def _passive_order(s: Sentence) -> str:
    """What is to be done: "could my order be cancelled", "order 7 needs to be cancelled"."""
    if "be" not in s.letters:
        return ""
    definite = s.second in _DEFINITE or any(word.isdigit() for word in s.text.partition(" be ")[0].split())
    asked = s.first == "could" or (
        s.first in ("can", "may", "would") and ("please" in s.inside or definite) and _CONDITION.isdisjoint(s.inside)
    )
    if asked and _PASSIVE.search(s.text):
        return s.text[:40]
    due = None if s.mark == "?" or s.first in s.lists["wh"] else _DUE.search(s.text)
    return due[0] if due else ""


def _question(s: Sentence) -> None:
    s.add("wh")
    if s.first not in ("how", "how's"):
        what = s.first in ("what", "what's", "whats", "which")
        s.add("what" if what else f"wh_{s.first.removesuffix(chr(39) + 's')}")
    elif s.second in _PHYSICAL:
        s.add("how_physical", f"how {s.second}")
    elif s.second in _MEASURED:
        s.add("how_measure" if s.second in ("often", "cold") else f"how_{s.second}")


def _wish(s: Sentence) -> None:
    """What somebody wants done or wants to know, or else tells: "I'd like you to ...", "we want to ...", "I need a"."""
    rest = _wished(s.body)
    if rest is not None:
        knows = rest < len(s.body) and s.body[rest] in _KNOWS
        s.add("wish_know" if knows else "wish order", s.opening(rest + 1))
    elif s.first in ("let's", "lets", "let"):
        s.add("order", s.opening(3))
    elif s.first == "i" and s.second == "wonder":
        s.add("wish_know", "i wonder")
    else:
        s.add("asks_flat" if s.mark == "?" else "tells")


def _wished(body: list[str]) -> int | None:
    """The place of the verb that somebody wants done."""
    place = 2 if body[0] in ("i", "we") and body[1:2] and body[1] in _SOFTLY else 1
    if body[0] == "i'm" and body[1:2] != ["going"]:
        return None
    if place >= len(body) or body[place] not in _WISHED:
        return place if "hereby" in body[:3] else None
    if body[place] == "have":
        return None
    for word in ("you", "to"):
        place += body[place + 1 : place + 2] == [word]
    return place + 1


_SOFTLY = frozenset("would really just hereby also".split())


def _asks_somebody(s: Sentence) -> bool:
    """Whether it is an order without its verb: "go ahead", "have someone ...", "could the clerk send me ..."."""
    rest = s.body[2:]
    return (
        (s.first in ("do", "go") and (s.second in ("it", "that", "this", "not", "ahead") or not s.second))
        or (s.first == "have" and s.second in ("someone", "somebody", "the", "this", "my") and s.mark != "?")
        or (
            s.first in ("could", "can", "would", "will")
            and s.second in ("someone", "somebody", "anyone", "anybody", "the")
            and not {"me", "us", "my"}.isdisjoint(rest)
            and (s.second != "the" or not {"me", "us"}.isdisjoint(rest[1:4]))
        )
    )


def _yes_or_no(s: Sentence) -> None:
    s.add("aux")
    s.add("aux_can" if s.first in ("can", "could", "may") else "aux_be" if s.first in BE else "aux_do")
    if s.second in ("i", "we"):
        own = s.first not in ("can", "may") or s.third in ("afford", "have", "get", "eat", "still")
        s.add("aux_i" if own else "can_i", s.opening(2))
    elif s.second in ("it", "there") and len(s.body) < 5:
        s.add("aux_it", s.opening(3))
    elif s.second in ("a", "an", "one", "you", "it") or s.second in s.lists["generic"]:
        s.add("aux_generic")
    elif s.second == "the":
        s.add("was_the" if s.first in ("was", "were") else "aux_the", s.opening(4))
    elif s.second in ("there", "any", "anyone", "anybody"):
        s.add("aux_there", s.opening(3))


def _inform(s: Sentence) -> None:
    if s.first == "tell" and s.second not in ("me", "us", "about"):
        s.add("order", f"{s.first} {s.second}")
        return
    s.add("inform")
    if s.first != "tell" or "about" in s.body[:4]:
        s.add("inform_about")
    s.note("made", one_of(s.body[1:6], _MADE))


def _produce(s: Sentence) -> None:
    order = (
        s.first in ("get", "make", "create")
        or (s.first in ("help", "look") and s.second not in _GIVING)
        or not (_GRANTED.isdisjoint(s.inside) and _SENT.isdisjoint(s.body[1:4]))
    )
    s.add("order" if order else "produce", s.opening(3))
    if s.third in ("a", "an", "example", "examples") or s.second in ("a", "an"):
        s.add("produce_a")
    if not order:
        s.note("made", one_of(s.body[1:6], _MADE))


def _order_or_fragment(s: Sentence) -> None:
    if s.first in ("track", "check", "show", "list", "see", "view") and s.inside & (OWN | {"orders", "status"}):
        s.add("shows_own", s.opening(3))
    if s.first in s.lists["act"] or s.first in s.lists["act_strong"]:
        s.add("order", s.opening(3))
        s.note("order_strong", s.first if s.first in s.lists["act_strong"] else "")
    elif s.first in _SUBJECT and s.mark != "?" and len(s.body) > 2 and _has_verb(s.body):
        s.add("tells")
        s.note("complaint", s.opening(4) if s.first in ("it's", "it") else "")
    else:
        s.add("order" if s.polite else "fragment", s.opening(4))
        if len(s.body) <= 3:
            s.add("short")
        if s.last in ("on", "off", "up", "down", "please") or s.second in ("on", "off", "up", "down"):
            s.add("order_tail", " ".join(s.body[-2:]))


def _has_verb(body: list[str]) -> bool:
    """Whether a sentence that starts with its subject seems to have a verb."""
    return "'" in body[0] or any(word in _VERB or word.endswith(("ed", "n't", "s")) for word in body[1:6])


def _is_procedure(s: Sentence) -> bool:
    """Whether a general procedure is asked for: "how do I ...", "where can I ...", "what do I do if ..."."""
    anybody = s.third in _ANYBODY
    if s.first == "how" and (s.second == "to" or (s.second in _HOW and anybody)):
        return True
    if s.first == "where" and s.second in ("do", "can", "could", "should") and anybody and s.third != "people":
        return s.body[3:] != [] and not (s.body[3] in ("have", "need") and s.body[4:6] == ["to", "be"])
    if s.first == "who" and s.second in ("do", "should", "can") and s.third in ("i", "you", "we"):
        return True
    text = s.opening(8)
    advice = not {"my", "our"}.isdisjoint(s.inside) and _ADVICE.match(text)
    return bool(advice or (s.first in ("what", "what's") and _STEPS.match(text)) or _METHOD.match(text))


_HOW = frozenset("do can could should does would".split())
