"""The form of a sentence: question, order, wish, statement, fragment, or asking for a procedure."""

from __future__ import annotations

from langchain_redis_memory.language.audience.sentences import LEAD
from langchain_redis_memory.language.audience.words import BE, OWN, SentenceSigns, WordLists, tech_word
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


def form_signs(body: list[str], mark: str, polite: bool, found: SentenceSigns, lists: WordLists) -> None:
    """Finds the signs of the sentence's form: question, order, statement or fragment."""
    first, second, third = (*body[:3], "", "", "")[:3]
    if mark == LEAD:
        found.add("tells")
        found.add("lead")
        return
    text = " ".join(body)
    definite = second in ("the", "my", "our", "this", "that", "it") or any(
        word.isdigit() for word in text.partition(" be ")[0].split()
    )
    asked = first in ("can", "could", "may", "would") and ("please" in body or definite or first == "could")
    if (
        asked
        and _PASSIVE.search(text)
        and (first == "could" or {"by", "with", "without", "if", "when"}.isdisjoint(body))
    ):
        found.add("order", text[:40])
        found.add("wish", text[:40])
        return
    if mark != "?" and first not in lists["wh"] and (due := _DUE.search(text)):
        found.add("order", due[0])
        found.add("wish", due[0])
        return
    act, strong, inform, produce = lists["act"], lists["act_strong"], lists["inform"], lists["produce"]
    if is_procedure(body):
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
            word = body[rest] if rest < len(body) else ""
            if word in ("know", "understand", "learn", "ask", "see", "hear"):
                found.add("wish_know", " ".join(body[: rest + 1]))
            else:
                found.add("wish", " ".join(body[: rest + 1]))
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
    if first == "have" and second in ("someone", "somebody", "the", "this", "my") and mark != "?":
        found.add("order", f"{first} {second}")
        return
    if (
        first in ("could", "can", "would", "will")
        and second in ("someone", "somebody", "anyone", "anybody", "the")
        and {"me", "us", "my"} & set(body[2:])
        and (second != "the" or not {"me", "us"}.isdisjoint(body[3:6]))
    ):
        found.add("order", f"{first} {second}")
        return
    if not polite and first in lists["auxiliary"] and len(body) > 1 and first not in ("don't",):
        found.add("aux")
        found.add("aux_can" if first in ("can", "could", "may") else f"aux_{'be' if first in BE else 'do'}")
        if second in ("i", "we"):
            general = first in ("can", "may") and third not in ("afford", "have", "get", "eat", "still")
            found.add("can_i" if general else "aux_i", f"{first} {second}")
        elif second in ("it", "there") and len(body) < 5:
            found.add("aux_it", " ".join(body[:3]))
        elif second in ("a", "an", "one", "you", "it") or second in lists["generic"]:
            found.add("aux_generic")
        elif second == "the":
            found.add("aux_the" if first not in ("was", "were") else "was_the", " ".join(body[:4]))
        elif second in ("there", "any", "anyone", "anybody"):
            found.add("aux_there", " ".join(body[:3]))
        return
    if first in inform or (first in ("help",) and "understand" in body):
        if first == "tell" and second not in ("me", "us", "about"):
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
    if first in _CODE and tech_word(body, lists):
        found.add("code_request", " ".join(body[:3]))
        return
    if body[-1] == "status":
        found.add("fragment", "status")
        found.add("status", " ".join(body[-2:]))
        return
    if first in ("track", "check", "show", "list", "see", "view") and (OWN | {"orders", "status"}) & set(body):
        found.add("shows_own", " ".join(body[:3]))
    if first in act or first in strong:
        found.add("order", " ".join(body[:3]))
        if first in strong:
            found.add("order_strong", first)
        return
    if first in (
        "it's",
        "that's",
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


def _verb(body: list[str]) -> bool:
    """Whether a sentence that starts with its subject seems to have a verb."""
    known = BE | {"has", "have", "had", "do", "does", "did", "can", "could", "will", "would", "says", "keeps", "want"}
    return "'" in body[0] or any(
        word in known or word.endswith(("ed", "n't")) or word.endswith("s") for word in body[1:6]
    )


def is_procedure(body: list[str]) -> bool:
    """Returns whether a general procedure is asked for: "how do I ...", "where can I ...", "what do I do if ..."."""
    first, second, third = (*body[:3], "", "", "")[:3]
    if first == "how" and (
        second == "to"
        or (
            second in ("do", "can", "could", "should", "does", "would") and third in ("i", "you", "one", "we", "people")
        )
    ):
        return True
    if first == "where" and second in ("do", "can", "could", "should") and third in ("i", "you", "one", "we"):
        return body[3:] != [] and not (body[3] in ("have", "need") and body[4:6] == ["to", "be"])
    if first == "who" and second in ("do", "should", "can") and third in ("i", "you", "we"):
        return True
    text = " ".join(body[:8])
    if not {"my", "our"}.isdisjoint(body) and _ADVICE.match(text):
        return True
    if first in ("what", "what's") and _STEPS.match(text):
        return True
    return bool(_METHOD.match(text))


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
