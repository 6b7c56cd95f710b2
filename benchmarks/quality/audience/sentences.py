"""Labelled user turns that say who may be served the answer, and how they are split.

`hand/<domain>.txt` holds sentences written by hand, `templates.txt` templates per domain; `write` makes
`audience.jsonl` of both. The labels speak of a chain that can know who asks:

* personal: the answer depends on who asks. * volatile: it changes within hours. * effect: something is to be done.
* howto_my: a general procedure, spoken with "my". * vary: something new is wanted, so what was said is no answer.

`HELD_OUT` domains take no part in fitting, nor in the choice of signs or thresholds: they were written, labelled and
committed before any result on them was seen.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
DOMAINS = (
    "bank shop travel health hr ithelp coding law kitchen home general garden transit museum gym parcel campus carhire "
    "hotel council insurance streaming school restaurant vet energy ski estate cinema dentist garage airline "
    "pharmacy library mobile salon zoo logistics office wedding desk driving festival optician builder charity bikes "
    "police facts"
).split()
HELD_OUT = ("church", "games", "farm", "tax")
CHOSEN_ON = ("theatre", "nursery", "notary")
"""For choosing thresholds and mixing weights, never for fitting; written and committed before any result was seen."""
JUDGED = ("bakery", "astronomy", "sailing")
"""For a final figure only, nothing is chosen by it; written and committed before any result on them was seen."""
LOOKED_AT = ("ferry", "brewery", "embassy")
"""Scored once, then signs were looked for in what they showed, so that only the first figures count."""
LAST = ("orchestra", "laundry", "climbing")
"""Scored once, after those signs; written and committed, like `LOOKED_AT`, before any result on either was seen."""
_KEPT = 18
_FLAGS = {"P": "personal", "V": "volatile", "E": "effect", "M": "howto_my", "R": "vary"}


@dataclass(frozen=True)
class Sentence:
    """A labelled turn."""

    text: str
    domain: str
    template: str
    personal: int = 0
    volatile: int = 0
    effect: int = 0
    howto_my: int = 0
    vary: int = 0

    @property
    def public(self) -> bool:
        """Whether anybody may be served its answer, without even "my" in it."""
        return not (self.unsafe or self.howto_my)

    @property
    def unsafe(self) -> bool:
        """Whether its answer must not be served to somebody else, or later."""
        return bool(self.personal or self.volatile or self.effect or self.vary)

    @property
    def unsafe_plain(self) -> bool:
        """Whether its answer must not be served again by a chain that can only know the words."""
        return bool((self.volatile and not self.personal) or self.effect or self.vary)


def _sentence(text: str, flags: str, domain: str, template: str) -> Sentence:
    labels = {_FLAGS[flag]: 1 for flag in flags if flag in _FLAGS}
    if "E" in flags and re.search(r"\b(?:my|our|mine)\b", text, re.IGNORECASE):
        labels["personal"] = 1
    return Sentence(text, domain, template, **labels)


def _filled(template: str) -> list[str]:
    parts = [part.split("/") if place % 2 else [part] for place, part in enumerate(re.split(r"[{}]", template))]
    texts = [re.sub(r"\s+([?.])", r"\1", " ".join("".join(each).split())) for each in itertools.product(*parts)]
    texts = list(dict.fromkeys(re.sub(r"\?[?.]+", "?", text) for text in texts))
    return texts if len(texts) <= _KEPT else random.Random(template).sample(texts, _KEPT)


def by_hand(domain: str) -> list[Sentence]:
    """The sentences of a domain that were written by hand."""
    lines = (HERE / "hand" / f"{domain}.txt").read_text("utf-8").splitlines()
    return [_sentence(text, flags, domain, "hand") for flags, text in (line.split(" ", 1) for line in lines)]


def build() -> list[Sentence]:
    """All sentences, from the hand-written files and the templates."""
    found: dict[str, Sentence] = {}
    for domain in DOMAINS:
        for sentence in by_hand(domain):
            found.setdefault(sentence.text.lower(), sentence)
    domain, number = "", 0
    for line in (HERE / "templates.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        if " | " not in line:
            domain, number = line.strip(), 0
            continue
        flags, template = line.split(" | ", 1)
        number += 1
        for text in _filled(template):
            found.setdefault(text.lower(), _sentence(text, flags, domain, f"{domain}-{number}"))
    return list(found.values())


def write() -> None:
    """Writes `audience.jsonl`."""
    lines = (json.dumps(vars(sentence), ensure_ascii=False) for sentence in build())
    (HERE / "audience.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


@cache
def load() -> tuple[Sentence, ...]:
    """The sentences as they were written."""
    lines = (HERE / "audience.jsonl").read_text("utf-8").splitlines()
    return tuple(Sentence(**json.loads(line)) for line in lines)


if __name__ == "__main__":
    write()
