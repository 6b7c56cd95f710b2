"""Signs of who is spoken of: the asker, his records, his place, and what is pointed at."""

from __future__ import annotations

from langchain_redis_memory.language.audience.words import (
    BE,
    DEFINITE,
    FIRST_PERSON,
    OWN,
    Phrasing,
    Sentence,
    one_of,
)

_PLACES = frozenset("inside outside home here upstairs downstairs indoors".split())
_TITLES = frozenset("mr mrs ms dr doctor prof miss".split())
_TO_ME = frozenset("about for to from with on of let".split())
_A = frozenset(("a", "an"))
_OPEN = frozenset("any unread new next open last".split())
_WHICH = OWN | DEFINITE | _OPEN | {"latest"}
_EXPLETIVE = BE | frozenset("does that so if when will".split())
"""Words before an "it" or "that" that may point at nothing."""
_OF_THAT = frozenset("is do of with about to for did does".split())
_REPORTED = Phrasing(
    "did has have",
    r"\b(?:did|has|have) .{2,40}\b(?:say|said|tell|told|prescribe|decide|decided|answer|promise|write)$",
)
_ASKER = FIRST_PERSON | OWN
_KIN = frozenset("dad daddy grandad granddad grandma grandpa granny mama mom mommy mum mummy nana papa".split())
"""Words that name the asker's own kin where nothing says whose."""
_KIN_OF_A_NAME = _KIN | frozenset(("aunt", "auntie", "aunty", "cousin", "uncle"))
_BEFORE_A_NAME = frozenset("about and by for from if of or than that to when whether with".split()) | {""}
"""Words that a name may follow, besides those that questions open with."""


_TEXTS = (
    "text document file image picture photo screenshot pdf spreadsheet snippet article passage paragraph email message "
    "letter report page transcript slide slides presentation contract conversation csv video recording essay chart "
    "diagram log code table data sentence"
)
_A_TEXT = f"(?:{_TEXTS.replace(' ', '|')})"
_SHOWN = "(?:uploaded|attached|pasted|enclosed|forwarded|highlighted)"
_GIVEN = Phrasing(
    f"uploaded attached pasted enclosed forwarded highlighted above attachment attachments {_TEXTS}",
    rf"\b(?:the|this|that|these|those) (?:\w+ )?(?:{_SHOWN}|above|attachments?)\b"
    r"(?! (?:average|to|by)\b)"
    rf"|^(?:summari[sz]e|translate|explain|describe|read|check) {_SHOWN} "
    rf"|\b(?:the|this|that) (?:\w+ )?{_A_TEXT} (?:above|below|{_SHOWN}|here)\b"
    r"|^(?:summari[sz]e|translate|proofread|paraphrase|rewrite|rephrase|shorten|analy[sz]e|read|explain|describe"
    rf"|correct) (?:me )?(?:the|this|that) {_A_TEXT}(?: (?:in|into|to|for|as|briefly|please|aloud|out)\b(?! the\b).*)?$"
    rf"|^what(?:'s| is| does) (?:in |on )?the {_A_TEXT}(?: (?:say|contain|show|about))?$",
)
"""A thing of this conversation: what was uploaded, or a text that nothing says which it is of."""
_PRIVATE = (
    "account address allowance application appointment appointments balance basket booking bookings bonus calendar "
    "cart claim contract diagnosis email grade grades iban income inbox invoice invoices itinerary licence limit "
    "medication messages order orders overtime package parcel passport password payment payments payslip phone pin "
    "prescription profile refund rent reservation salary shift statement subscription ticket tickets timesheet "
    "transactions vouchers wage wages"
)
_OF_A_NAME = Phrasing(
    _PRIVATE,
    r"(?<!\ba )(?<!\ban )\b(?!(?:what|who|when|where|how|that|it|he|she|there|here|let|one|someone|somebody|anyone"
    r"|today|everyone|tomorrow|person|people|user|customer|employee|patient|company|firm|bank|country|state|world)'s)"
    rf"[^\W\d_]+'s (?:[\w-]+ ){{0,2}}?(?:{_PRIVATE.replace(' ', '|')})"
    r"(?: (?:numbers?|status|history|details|total|dates?|address(?:es)?|limit|is|was|in|for|on|at|due|arrive|now)\b.*"
    r")?$",
)
"""What somebody who is named has, as only few are told: "Ana's balance"."""


def person_signs(s: Sentence) -> None:
    """Finds the signs of the first person, of the second person's records, and of what is pointed at."""
    _speaker(s)
    _kin(s)
    _pointing(s)
    _records(s)
    if given := _GIVEN.search(s):
        s.add("given", given[0][:40])
    if "s" in s.letters and not s.has("procedure") and not s.tech and (private := _OF_A_NAME.search(s)):
        s.add("of_a_name", private[0][:40])
    home = s.body.index(noun) if (noun := s.one_of("home_noun")) else 0
    if home and "the" in s.body[max(0, home - 2) : home] and s.body[home - 1] != "first":
        s.add("home_noun", f"the {s.body[home]}")
    if _A.isdisjoint(s.body[:3]) and "the" not in s.body[:3]:
        s.note("titled", one_of(s.body[1:], _TITLES))
    if not (s.has("full_name") and s.last in ("write", "said", "say")) and _REPORTED.search(s):
        s.add("reported", " ".join(s.body[-2:]))
    anybody = s.second in s.lists["generic"]
    if not anybody and s.last in _PLACES and len(s.body) < (5 if s.last == "home" else 9):
        s.add("here", s.last)
    if "you" in s.inside and ("about me" in s.text or "remember" in s.inside):
        s.add("me", "about me")


def _speaker(s: Sentence) -> None:
    if _ASKER.isdisjoint(s.inside):
        return
    procedure = s.has("procedure")
    for place, before, word, after in s.around():
        if word in OWN or (word == "me" and before in _TO_ME):
            s.add("me" if word == "me" else "own_procedure" if procedure else "own", f"{word} {after}".strip())
        elif word in ("me", "us"):
            s.note("me", f"{before} {word}" if place > 2 else "")
        elif word in FIRST_PERSON and not (
            word == "we" and place == 2 and s.first in ("why", "how") and before in ("do", "are", "can")
        ):
            s.add("i_procedure" if procedure else "i", f"{before} {word} {after}".strip())
            if before in s.lists["tell_i"] and not (procedure and place < 3):
                s.add("aux_i", f"{before} {word}")
            if after in s.lists["situation"] or "'" in word:
                s.add("i_situation", f"{word} {after}".strip())
    if sum(word in ("i", "i'm", "i've") for word in s.body) > 1:
        s.add("i_twice")


def _kin(s: Sentence) -> None:
    """Kin spoken of as by a name, which is the asker's: "where did grandpa live", "when was aunt Edith born"."""
    if _KIN_OF_A_NAME.isdisjoint(s.letters):
        return
    opens = s.lists["asks"]
    for _, before, word, after in s.around():
        name = word.removesuffix("'s")
        if before not in _BEFORE_A_NAME and before not in opens:
            continue
        if name in _KIN or (word in _KIN_OF_A_NAME and after and after not in opens and after not in _BEFORE_A_NAME):
            s.add("own", f"{word} {after}".strip())


def _pointing(s: Sentence) -> None:
    if s.lists["pointing"].isdisjoint(s.inside):
        return
    named = _ASKER.isdisjoint(s.inside)
    for place, before, word, _ in s.around():
        if word not in s.lists["pointing"] or _points_at_nothing(s, place, before, word):
            continue
        if named and place > 3 and word not in ("this", "that") and not (before in BE and word == s.last):
            s.add("pointing_inside", word)
            continue
        s.add("pointing", word)
        s.note("pointing_this", word if word in ("this", "that", "these", "those") else "")
        s.note("pointing_subject", word if place == 1 else "")
        return


def _points_at_nothing(s: Sentence, place: int, before: str, word: str) -> bool:
    """Whether a word only opens a clause: "is there ...", "is it true that ...", "the day that ..."."""
    was_it = s.first in ("was", "were") and place == 1 and {"that", "to", "who", "when"}.isdisjoint(s.inside)
    return (
        (word == "there" and before in BE)
        or (word in ("it", "that", "there") and before in _EXPLETIVE and place < 3 and not was_it)
        or (word == "that" and place > 2 and before not in _OF_THAT)
    )


_RULED = frozenset("policy policies rule rules terms conditions procedure".split())
_FILED = frozenset(
    "approvals attachments bills claims contacts contracts documents drafts emails files folders inquiries invoices "
    "issues leads logs notes notifications receipts reports requests shipments tasks tickets timesheets".split()
)


def _records(s: Sentence) -> None:
    """Signs of the asker's records: "my order", "the next invoice"."""
    listing = s.first in ("list", "status", "schedule", "order") and s.first in s.lists["inform"]
    nouns = s.lists["personal_noun"]
    own = [] if nouns.isdisjoint(s.inside) else [at for at in range(listing, len(s.body)) if s.body[at] in nouns]
    records = [place for place in own if _RULED.isdisjoint(s.body[place + 1 : place + 2])]
    if own and not records:
        return  # "the refund policy": a rule about refunds
    if not records:
        if listing and len(s.body) <= 4 and (filed := one_of(s.body[1:], _FILED)) and "of" not in s.body:
            s.add("shows_own lists_filed", f"list {filed}")  # a longer order says of what
        return
    place = records[0]
    word = s.body[place]
    before, two_before = s.body[place - 1] if place else "", s.body[place - 2] if place > 1 else ""
    if len(own) > len(records) and not word.endswith("s"):
        s.add("record", word)  # "the refund policy for order 12": what rules this one
        s.note("record_ruled", word)
        return
    if listing and before != "of" and word.endswith("s"):
        s.add("shows_own", f"list {word}")
    if before in _A or two_before in _A:
        s.add("record_a", f"{before} {word}")
    elif (place == 1 and before in ("do", "does")) or (word == "order" and before in ("in", "what", "which")):
        return
    elif place and before not in _WHICH and two_before != "the":
        s.add("record_bare", word)
    else:
        s.add("record", word)
        s.note("record_mine", f"{before} {word}".strip() if before in _OPEN | {"the"} or not place else "")
