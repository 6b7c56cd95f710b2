"""Signs of who is spoken of: the asker, his records, his place, and what is pointed at."""

from __future__ import annotations

from langchain_redis_memory.language.audience.words import (
    BE,
    DEFINITE,
    FIRST_PERSON,
    OWN,
    SentenceSigns,
    WordLists,
    one_of,
)
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_PLACES = frozenset("inside outside home here upstairs downstairs indoors".split())
_TITLES = frozenset("mr mrs ms dr doctor prof miss".split())
_REPORTED = lazy_pattern(
    r"\b(?:did|has|have) .{2,40}\b(?:say|said|tell|told|prescribe|decide|decided|answer|promise|write)$"
)


def person_signs(body: list[str], found: SentenceSigns, lists: WordLists) -> None:
    """Finds the signs of the first person, of the second person's records, and of what is pointed at."""
    procedure = "procedure" in found.signs
    for place, word in enumerate(body):
        before = body[place - 1] if place else ""
        after = body[place + 1] if place + 1 < len(body) else ""
        if word in OWN or (word == "me" and before in ("about", "for", "to", "from", "with", "on", "of", "let")):
            name = "own_procedure" if procedure else "own"
            found.add(name if word != "me" else "me", f"{word} {after}".strip())
        elif word == "we" and place == 2 and body[0] in ("why", "how") and before in ("do", "are", "can"):
            continue
        elif word in FIRST_PERSON:
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
    named = not (FIRST_PERSON | OWN) & set(body)
    for place, word in enumerate(body):
        if word in lists["pointing"]:
            before = body[place - 1] if place else ""
            if word == "there" and before in BE:
                continue
            if (
                word in ("it", "that", "there")
                and (before in BE or before in ("does", "that", "so", "if", "when", "will"))
                and place < 3
                and not (body[0] in ("was", "were") and place == 1 and {"that", "to", "who", "when"}.isdisjoint(body))
            ):
                continue
            if (
                word == "that"
                and place > 2
                and before not in ("is", "do", "of", "with", "about", "to", "for", "did", "does")
            ):
                continue
            if named and place > 3 and word not in ("this", "that") and not (before in BE and word == body[-1]):
                found.add("pointing_inside", word)
                continue
            found.add("pointing", word)
            if word in ("this", "that", "these", "those"):
                found.add("pointing_this", word)
            if place == 1:
                found.add("pointing_subject", word)
            break
    listing = body[0] in ("list", "status", "schedule", "order") and body[0] in lists["inform"]
    if word := one_of(body[1:] if listing else body, lists["personal_noun"]):
        place = body.index(word, 1 if listing else 0)
        before = body[place - 1] if place else ""
        if listing and before != "of" and word.endswith("s"):
            found.add("shows_own", f"list {word}")
        if place == 1 and before in ("do", "does"):
            pass
        elif before in ("a", "an") or (place > 1 and body[place - 2] in ("a", "an")):
            found.add("record_a", f"{before} {word}")
        elif word == "order" and before in ("in", "what", "which"):
            pass
        elif (
            place
            and before not in OWN | DEFINITE | {"any", "unread", "new", "next", "open", "last", "latest"}
            and not (place > 1 and body[place - 2] == "the")
        ):
            found.add("record_bare", word)
        else:
            found.add("record", word)
            if before in ("the", "any", "unread", "new", "next", "open", "last") or place == 0:
                found.add("record_mine", f"{before} {word}".strip())
    home = next((place for place, word in enumerate(body) if word in lists["home_noun"]), -1)
    if home >= 0 and "the" in body[max(0, home - 2) : home] and body[home - 1] != "first":
        found.add("home_noun", f"the {body[home]}")
    titled = next((word for word in body[1:] if word in _TITLES), "")
    if titled and not {"a", "an", "the"} & set(body[:3]):
        found.add("titled", titled)
    wrote = "full_name" in found.signs and body[-1] in ("write", "said", "say")
    if not wrote and _REPORTED.search(" ".join(body)):
        found.add("reported", " ".join(body[-2:]))
    anybody = body[1:2] and body[1] in lists["generic"]
    if not anybody and body[-1] in _PLACES and len(body) < (5 if body[-1] == "home" else 9):
        found.add("here", body[-1])
    if "you" in body and ("about me" in " ".join(body) or "remember" in body):
        found.add("me", "about me")
