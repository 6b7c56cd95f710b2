"""Signs of what anybody may ask and be told the same, and pairs of signs that say more together."""

from __future__ import annotations

from langchain_redis_memory.language.audience.words import (
    DEFINITE,
    FIRST_PERSON,
    OWN,
    SentenceSigns,
    WordLists,
    one_of,
    tech_word,
)
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_CAPABLE = frozenset(
    "support have allow work contain use need exist cause count help keep run expire last mean lower".split()
)


_PUBLIC = frozenset(
    (
        "hours rule facility schedule lasting thing_defined who_general what_the_of superlative which_noun why_the "
        "how_physical inform_about made code_request past_fact_the definition definition_a meaning public_noun "
        "general_why past_fact generic passive procedure indefinite past_year timeless general_aux tech inform "
        "sum how_general how_works what_of bare_general"
    ).split()
)
"""Signs of what anybody may ask."""
_OF_NOW = frozenset(
    (
        "now weather rate world state_last here clock price weekday is_state moment stage "
        "perfect bookable who_holds tally release gauge gauge_size it_state the_state name_state"
    ).split()
)
"""Signs of what changes."""
_NAMED_ONES = DEFINITE | OWN | FIRST_PERSON
_ANAPHORIC = _NAMED_ONES | {"it", "they", "you"}
_DEFINES = lazy_pattern(r"(?:what(?:'s|s| is| are)|what was|define|explain|describe) ")
_MEANS = lazy_pattern(
    r"\bwhat (?:does|do) .{1,60}\b(?:mean|do|stand for|return|contain|consist of|look like|taste like)$"
    r"|\bmeaning of\b|\bdefinition of\b"
)
_WHAT_THE_OF = lazy_pattern(
    r"(?:(?:what|who)(?:'s|s| is| are| was| were)|(?:tell|give) me) the "
    r"[a-z' -]+ (?:of|in|for|between) (?!me\b|my\b|our\b|this\b|the (?:living|kitchen|bed))"
)
_SUPERLATIVE = lazy_pattern(r"(?:what|who|which)\b.* (?:the )?(?:most|best|[a-z]{3,}est) ")
_PASSIVE = lazy_pattern(r"\bbe [a-z]+(?:ed|en|t|n|d)\b")


def public_signs(
    body: list[str], first: str, second: str, third: str, inside: set[str], found: SentenceSigns, lists: WordLists
) -> None:
    """Forms of what anybody may ask and be told the same."""
    signs_ = found.signs
    text = " ".join(body)
    now_ = signs_.keys() & {"now", "state_last", "world", "weather", "is_state", "moment", "stage", "perfect"}
    if _DEFINES.match(text):
        rest = body[1:] if first in ("what's", "whats", "define", "explain", "describe") else body[2:]
        if rest[:1] and rest[0] in ("a", "an"):
            found.add("definition_a", text[:40])
        elif rest[:1] and rest[0] not in DEFINITE and rest[0] not in OWN:
            found.add("definition", text[:40])
        elif rest[:1] == ["the"]:
            found.add("what_was_the" if second in ("was", "were") else "what_the", text[:40])
    if _MEANS.search(text):
        found.add("meaning", text[:40])
    noun = one_of(body[:7], lists["public_noun"])
    if noun:
        found.add("public_noun", noun)
        if "fragment" in signs_:
            found.add("public_fragment", noun)
    tech = tech_word(body, lists)
    if tech:
        found.add("tech", tech)
    if _WHAT_THE_OF.match(text) and not now_ and "office" not in signs_:
        found.add("what_the_of", text[:40])
    if _SUPERLATIVE.match(text) and not now_ and "latest" not in inside:
        found.add("superlative", text[:40])
    if first in ("which", "what") and second not in lists["subjects"] and not now_ and "you_do" not in signs_:
        found.add("which_noun", f"{first} {second}")
    if first in ("do", "does", "are", "can", "is") and not inside & _NAMED_ONES and not now_ and len(body) > 2:
        if (
            second.endswith("s")
            and len(second) > 3
            and (first == "do" or second not in lists["personal_noun"])
            and second not in lists["home_noun"] | lists["pointing"]
        ):
            found.add("general_plural", f"{first} {second}")
        if inside & _CAPABLE and second not in ("you", "there", "anyone"):
            found.add("capability", f"{first} {second}")
    unlike = "than" in inside or "so" in inside
    named = signs_.keys() & {"home_noun", "record"}
    if first == "why" and second in ("is", "are") and third == "the" and not unlike and not named:
        found.add("why_the", text[:40])
    if (
        not now_
        and first in ("why", "how")
        and "stage" not in signs_
        and (second in ("do", "does", "is", "are", "was", "did"))
        and (third not in _NAMED_ONES or (third == "we" and body[:2] == ["why", "do"]))
    ):
        found.add("general_why", " ".join(body[:3]))
    if any(word in ("a", "an") for word in body[1:6]):
        found.add("indefinite")
    if "you_do" not in signs_ and any(word in lists["generic"] for word in body[1:4]):
        found.add("generic", next(word for word in body[1:4] if word in lists["generic"]))
    if "any" in body[:4]:
        found.add("any", "any")
    if first in lists["auxiliary"] and second not in lists["certain"]:
        found.add("general_aux", f"{first} {second}")
    if second in (
        "was",
        "were",
        "did",
    ) or (first == "who" and second in lists["created"]):
        if first in lists["wh"] and third not in _ANAPHORIC:
            if signs_.keys().isdisjoint(("past_definite", "titled")):
                found.add("past_fact", f"{first} {second}")
        elif first in ("who", "when", "why") and third == "the" and "past_the" not in signs_:
            found.add("past_fact_the", f"{first} {second}")
    if (
        "full_name" in signs_
        and not inside & (OWN | FIRST_PERSON)
        and not signs_.keys()
        & ({"now", "state_last", "weather", "is_state", "weekday", "reported", "moment", "stage", "perfect"})
    ):
        found.add("about_name")
        if first in ("did", "was", "were") or second in ("did", "was", "were") or third in ("did", "was", "were"):
            found.add("past_name")
    if "can" in body[:1] and _PASSIVE.search(text):
        found.add("passive", text[:40])
    if "the" in inside:
        found.add("definite")


def joint_signs(found: SentenceSigns) -> None:
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
    if signs_.get("can_i", "").endswith("we"):
        found.add("can_we", signs_["can_i"])
    if "rates" in signs_:
        signs_.pop("how_general", None)
    if "can_i" in signs_ and signs_.keys() & {"pointing", "context_used"}:
        found.add("can_i_this", signs_["can_i"])
    if signs_.keys().isdisjoint(_OF_NOW):
        found.add("timeless_words")
    if signs_.keys().isdisjoint(_PUBLIC):
        found.add("no_public")
