"""Signs of what anybody may ask and be told the same, and pairs of signs that say more together."""

from __future__ import annotations

from langchain_redis_memory.language.audience.words import DEFINITE, FIRST_PERSON, OWN, Phrasing, Sentence, one_of
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_CAPABLE = frozenset(
    "support have allow work contain use need exist cause count help keep run expire last mean lower".split()
)
_PUBLIC = (
    "hours rule facility schedule lasting thing_defined who_general what_the_of superlative which_noun why_the "
    "how_physical inform_about made code_request past_fact_the definition definition_a meaning public_noun "
    "general_why past_fact generic passive procedure indefinite past_year timeless general_aux tech inform "
    "sum how_general how_works what_of bare_general".split()
)
"""Signs of what anybody may ask."""
_OF_NOW = (
    "now weather rate world state_last here clock price weekday is_state moment stage perfect bookable who_holds tally "
    "release gauge gauge_size it_state the_state name_state".split()
)
"""Signs of what changes."""
_CHANGES = "now state_last world weather is_state moment stage perfect".split()
_CHANGES_OF_NAMES = "now state_last weather is_state weekday reported moment stage perfect".split()
_NAMED_ONES = DEFINITE | OWN | FIRST_PERSON
_ANAPHORIC = _NAMED_ONES | {"it", "they", "you"}
_WAS = frozenset(("was", "were", "did"))
_IS_SO = frozenset("do does is are was did".split())
_DEFINES = lazy_pattern(r"(?:what(?:'s|s| is| are)|what was|define|explain|describe) ")
_MEANS = Phrasing(
    "what meaning definition",
    r"\bwhat (?:does|do) .{1,60}\b(?:mean|do|stand for|return|contain|consist of|look like|taste like)$"
    r"|\bmeaning of\b|\bdefinition of\b",
)
_WHAT_THE_OF = lazy_pattern(
    r"(?:(?:what|who)(?:'s|s| is| are| was| were)|(?:tell|give) me) the "
    r"[a-z' -]+ (?:of|in|for|between) (?!me\b|my\b|our\b|this\b|the (?:living|kitchen|bed))"
)
_SUPERLATIVE = lazy_pattern(r"(?:what|who|which)\b.* (?:the )?(?:most|best|[a-z]{3,}est) ")
_PASSIVE = lazy_pattern(r"\bbe [a-z]+(?:ed|en|t|n|d)\b")


def public_signs(s: Sentence) -> None:
    """Finds the forms of what anybody may ask and be told the same."""
    first, second, third, lists, shown = s.first, s.second, s.third, s.lists, s.text[:40]
    lasts = not s.has(*_CHANGES)
    _defines(s)
    if _MEANS.search(s):
        s.add("meaning", shown)
    noun = one_of(s.body[:7], lists["public_noun"])
    s.note("public_noun public_fragment" if s.has("fragment") else "public_noun", noun)
    s.note("tech", s.tech)
    if lasts and not s.has("office") and _WHAT_THE_OF.match(s.text):
        s.add("what_the_of", shown)
    if lasts and "latest" not in s.inside and _SUPERLATIVE.match(s.text):
        s.add("superlative", shown)
    if lasts and first in ("which", "what") and second not in lists["subjects"] and not s.has("you_do"):
        s.add("which_noun", f"{first} {second}")
    if lasts and first in ("do", "does", "are", "can", "is") and len(s.body) > 2 and _NAMED_ONES.isdisjoint(s.inside):
        plural = second.endswith("s") and len(second) > 3
        personal = (first != "do" and second in lists["personal_noun"]) or second in lists["home_noun"]
        if plural and not personal and second not in lists["pointing"]:
            s.add("general_plural", f"{first} {second}")
        if s.inside & _CAPABLE and second not in ("you", "there", "anyone"):
            s.add("capability", f"{first} {second}")
    if first == "why" and second in ("is", "are") and third == "the" and not s.has("home_noun", "record"):
        s.note("why_the", "" if {"than", "so"} & s.inside else shown)
    if (
        lasts
        and first in ("why", "how")
        and (second in _IS_SO or (first == "why" and second == "don't" and third not in lists["certain"]))
    ):
        ours = third in _NAMED_ONES and (first, second, third) != ("why", "do", "we")
        s.note("general_why", "" if ours or s.has("stage") else s.opening(3))
    if not {"a", "an"}.isdisjoint(s.body[1:6]):
        s.add("indefinite")
    if not s.has("you_do"):
        s.note("generic", one_of(s.body[1:4], lists["generic"]))
    s.note("any", "any" if "any" in s.body[:4] else "")
    if first in lists["auxiliary"] and second not in lists["certain"]:
        s.add("general_aux", f"{first} {second}")
    _past_facts(s)
    if first == "can" and _PASSIVE.search(s.text):
        s.add("passive", shown)
    if "the" in s.inside:
        s.add("definite")


def _defines(s: Sentence) -> None:
    """Signs of what asks for a definition: "what is taurine", "explain the doppler effect"."""
    if not _DEFINES.match(s.text):
        return
    word = s.second if s.first in ("what's", "whats", "define", "explain", "describe") else s.third
    if word in ("a", "an"):
        s.add("definition_a", s.text[:40])
    elif word == "the":
        s.add("what_was_the" if s.second == "was" else "what_the", s.text[:40])
    elif word not in DEFINITE | OWN:
        s.add("definition", s.text[:40])


def _past_facts(s: Sentence) -> None:
    """Signs of what happened, and is told alike to everybody."""
    first, second, third, lists = s.first, s.second, s.third, s.lists
    if second in _WAS or (first == "who" and second in lists["created"]):
        if first in lists["wh"] and third not in _ANAPHORIC:
            s.note("past_fact", "" if s.has("past_definite", "titled") else f"{first} {second}")
        elif first in ("who", "when", "why") and third == "the" and not s.has("past_the"):
            s.add("past_fact_the", f"{first} {second}")
    if s.has("full_name") and s.inside.isdisjoint(OWN | FIRST_PERSON) and not s.has(*_CHANGES_OF_NAMES):
        s.add("about_name" if _WAS.isdisjoint(s.body[:3]) else "about_name past_name")


_JOINT = tuple(
    (name, frozenset(present.split()), frozenset(absent.split()))
    for name, present, absent in (
        ("i_plain", "i", "can_i procedure wish_know inform"),
        ("any_fragment", "any fragment", ""),
        ("procedure_plain", "procedure", "own_procedure pointing me"),
        ("nobody", "", "own own_procedure i i_procedure me pointing record"),
        ("can_i_general", "can_i indefinite", "own me pointing"),
    )
)
"""Signs that stand together: the name of all, those that are there, and those that are not."""
_SHOWN = {"i_plain": "i", "any_fragment": "any", "procedure_plain": "procedure", "can_i_general": "can_i"}
"""The sign whose words they show."""


def joint_signs(s: Sentence) -> None:
    """Notes pairs of signs that say more together."""
    for name, present, absent in _JOINT:
        if present <= s.signs.keys() and absent.isdisjoint(s.signs):
            s.add(name, s.signs[_SHOWN[name]] if name in _SHOWN else "")
    can_i = s.signs.get("can_i", "")
    s.note("can_we", can_i if can_i.endswith("we") else "")
    if s.has("rates"):
        s.drop("how_general")
    s.note("can_i_this", can_i if s.has("pointing") else "")
    if not s.has(*_OF_NOW):
        s.add("timeless_words")
    if not s.has(*_PUBLIC):
        s.add("no_public")
