"""Fits the weights of the audience classifier: `python -m benchmarks.training.audience`, in a minute or two.

Fitted on the sentences of `benchmarks/quality/audience` without the held-out domains, and on home_intents and
banking77 by their intents where `AUDIENCE_DATA` names the folder that has them. Thresholds come from scores of
sentences whose domain took no part in the fit (some domains are left out at a time), weighed so that a template counts
like a few sentences written by hand. Nothing is random. The common words of the patterns are written to `words.json`.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import langchain_redis_memory
from benchmarks.quality.audience.sentences import DOMAINS, Sentence, load
from benchmarks.training.logit import fit_sparse, model
from langchain_redis_memory.language import turn_tokens
from langchain_redis_memory.language.audience.linguistic import WHOLE, AudienceWeights, weigh
from langchain_redis_memory.language.audience.signs import SentenceSigns, signs
from langchain_redis_memory.language.audience.verdict import QUESTIONS, AudienceVerdict
from langchain_redis_memory.language.audience.words import word_lists

KINDS = ("unsafe", "plain", "volatile", "effect", "vary")
"""What has a threshold: being unsafe in any way, also on a chain that knows nobody, and what must be known of a turn
that only one user is served."""
RELATED = {"bank": "banking77", "home": "home_intents"}
RISKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
STRENGTH, PATTERN_STRENGTH = 0.5, 4.0
"""How strongly the weight of a sign, and of a pattern of words, is pulled to what is expected, in cases."""
COMMON_IN, PATTERN_IN, PATTERN_TIMES = 6, 4, 6
"""In how many domains a word occurs that is common; in how many a pattern that has a weight, and how often."""
GROUPS = 8
"""So many times some of the domains are left out."""
MARGINS = {"unsafe": 0.7, "plain": 1.2}
"""What thresholds are multiplied by: the signs were chosen with the development domains in view, so unsafe turns of
one that nobody had in view score lower. Chosen on `CHOSEN_ON`, where up to 1.1 and 1.5 nothing unsafe is shared."""
EVERY, INTENT_WEIGHT = 4, 0.24
"""One in so many sentences of the intent sets is used, and counts this much: their intents are rough labels."""
NEVER_AGAINST = {
    "personal": (
        "own own_procedure me i i_procedure aux_i i_situation here record record_mine context_own context_i "
        "context_i_situation context_used i_plain pointing_this "
        "pointing home_noun reported did_the you_did third_person past_the past_who "
        "where_the any_fragment unreadable only_tells full_name about_name past_name titled gauge gauge_size "
        "it_state the_state past_definite can_i_this can_we you_do name_state judged"
    ),
    "volatile": (
        "now weather weather_strong rate rate_goods rate_strong world state_last contest office here next "
        "clock whats_on random price is_state weekday age when_the offered home_noun status shows_own moment stage "
        "perfect bookable who_holds tally release gauge gauge_size it_state the_state name_state "
        "rates"
    ),
    "effect": "order order_strong order_tail wish complaint only_tells",
    "vary": "vary random",
}
NEVER_AGAINST[WHOLE] = " ".join(NEVER_AGAINST.values())
"""Signs that may not speak against it, whatever the data says."""
_PUBLIC_FORMS = {
    "definition": -1.0,
    "definition_a": -1.5,
    "meaning": -2.0,
    "public_noun": -1.0,
    "general_why": -1.5,
    "past_fact": -1.0,
    "procedure_plain": -1.0,
    "what_the_of": -1.0,
    "superlative": -1.0,
    "which_noun": -1.0,
    "general_plural": -1.0,
    "capability": -1.0,
    "past_fact_the": -1.0,
    "how_far": -0.5,
    "hours": -2.0,
    "why_the": -1.0,
    "how_physical": -1.0,
    "code_request": -3.0,
    "made": -2.0,
    "inform_about": -1.0,
    "past_year": -2.0,
    "timeless": -1.0,
    "generic": -1.0,
    "general_aux": -0.5,
    "passive": -1.0,
    "rule": -1.5,
    "facility": -1.5,
    "schedule": -1.5,
    "lasting": -1.0,
    "thing_defined": -1.5,
    "who_general": -1.0,
    "indefinite": -0.5,
    "what_of": -0.5,
    "sum": -3.0,
    "how_general": -0.7,
    "how_works": -1.5,
    "bare_general": -0.7,
    "public_fragment": -1.0,
}


def _names_of(priors: dict[str, dict[str, float]]) -> set[str]:
    return {name for prior in priors.values() for name in prior}


PRIOR = {
    "personal": _PUBLIC_FORMS
    | {
        "own": 3.0,
        "own_procedure": 0.5,
        "aux_i": 2.0,
        "me": 1.5,
        "here": 2.0,
        "record_mine": 1.0,
        "pointing": 1.0,
        "context_used": 3.0,
        "i_plain": 1.0,
        "pointing_this": 1.0,
        "any_fragment": 1.0,
        "home_noun": 2.0,
        "reported": 2.5,
        "did_the": 2.5,
        "past_the": 2.0,
        "past_who": 2.0,
        "you_did": 2.0,
        "third_person": 2.0,
        "titled": 2.0,
        "where_the": 1.0,
        "status": 2.0,
        "shows_own": 1.0,
        "gauge": 1.0,
        "it_state": 1.0,
        "past_definite": 1.5,
        "can_i_this": 1.5,
        "can_we": 1.0,
        "you_do": 1.5,
        "name_state": 1.0,
    },
    "volatile": _PUBLIC_FORMS
    | dict.fromkeys(
        (
            "now weather_strong rate_strong contest office moment clock whats_on random price is_state state_last "
            "weekday age stage perfect bookable who_holds tally release"
        ).split(),
        2.5,
    )
    | {
        "world": 2.0,
        "rate": 1.0,
        "weather": 1.0,
        "done_yet": 1.0,
        "has": 1.0,
        "next": 1.0,
        "when_the": 1.5,
        "here": 1.5,
        "offered": 2.0,
        "status": 2.5,
        "shows_own": 2.0,
        "home_noun": 1.5,
        "office": 4.0,
        "age": 3.5,
        "gauge": 2.0,
        "it_state": 2.0,
        "the_state": 1.0,
        "gauge_size": 1.5,
        "rates": 3.0,
        "name_state": 1.5,
    },
    "effect": {
        "order": 3.0,
        "order_strong": 1.0,
        "order_tail": 1.0,
        "wish": 1.0,
        "only_tells": 1.0,
        "made": -2.0,
        "code_request": -3.0,
        "produce_a": -1.0,
        "public_fragment": -2.0,
    },
    "vary": {"vary": 3.0, "random": 3.0},
}
PRIOR[WHOLE] = {name: max((prior.get(name, 0.0) for prior in PRIOR.values()), key=abs) for name in _names_of(PRIOR)}
"""The weights that are expected before any data is seen; they stand where a domain has no example of a sign."""
OUT = Path(langchain_redis_memory.__file__).parent / "language" / "audience" / "weights.json"
WORDS = OUT.parent / "words.json"
Array = npt.NDArray[np.float64]

_EFFECT = (
    "alarm_remove alarm_set audio_volume_down audio_volume_mute audio_volume_up calendar_remove calendar_set "
    "email_addcontact email_sendemail iot_cleaning iot_coffee iot_hue_lightchange iot_hue_lightdim iot_hue_lightoff "
    "iot_hue_lighton iot_hue_lightup iot_wemo_off iot_wemo_on lists_createoradd lists_remove music_settings "
    "play_audiobook play_game play_music play_podcasts play_radio social_post takeaway_order transport_taxi "
    "transport_ticket"
).split()
HELD_INTENTS = frozenset(
    (
        "alarm_query iot_hue_lightdim transport_traffic email_sendemail qa_currency lists_remove qa_maths "
        "audio_volume_up"
    ).split()
)
"""Intents that nothing is fitted on."""
_PERSONAL = (
    "alarm_query calendar_query email_query email_querycontact lists_query takeaway_query social_query"
).split()
_VOLATILE = (
    "weather_query news_query datetime_query qa_currency qa_stock transport_traffic transport_query "
    "recommendation_events recommendation_movies"
).split()
_PUBLIC = "qa_definition qa_maths cooking_recipe qa_factoid".split()
_BANK_PERSONAL = (
    "card_arrival declined_card_payment declined_cash_withdrawal declined_transfer failed_transfer "
    "pending_card_payment "
    "pending_cash_withdrawal pending_top_up top_up_failed top_up_reverted transaction_charged_twice "
    "card_payment_not_recognised cash_withdrawal_not_recognised direct_debit_payment_not_recognised "
    "Refund_not_showing_up balance_not_updated_after_bank_transfer extra_charge_on_statement "
    "wrong_amount_of_cash_received"
).split()
_OF_THE_DAY = re.compile(r"\b(?:newest|latest|recent|current|currently|now|today|near me|my|me|I|cost|price)\b")
"""Signs of questions in CAsT whose answer changes after all, or is one person's."""
_BANK_PUBLIC = "age_limit country_support fiat_currency_support supported_cards_and_currencies atm_support".split()


def home(folder: Path) -> list[tuple[Sentence, frozenset[str]]]:
    """The requests to a home assistant whose intent tells labels, each with the heads that it tells."""
    found: list[tuple[Sentence, frozenset[str]]] = []
    for line in (folder / "home_intents.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        text, intent = row["text"], row["intent"]
        if intent in _EFFECT:
            found.append((Sentence(text, "home_intents", intent, effect=1), frozenset({"effect", "volatile"})))
        elif intent in _PERSONAL:
            found.append((Sentence(text, "home_intents", intent, personal=1), frozenset({"personal", "effect"})))
        elif intent in _VOLATILE:
            found.append((Sentence(text, "home_intents", intent, volatile=1), frozenset({"volatile", "effect"})))
        elif intent in _PUBLIC:
            found.append((Sentence(text, "home_intents", intent), frozenset(QUESTIONS)))
    return found


def intents(folder: Path) -> list[tuple[Sentence, frozenset[str]]]:
    """Sentences of the intent sets, with the labels that their intent tells."""
    found = [pair for pair in home(folder) if pair[0].template not in HELD_INTENTS]
    for line in (folder / "banking77_train.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        text, intent = row["text"], row["category"]
        if intent in _BANK_PERSONAL:
            found.append((Sentence(text, "banking77", intent, personal=1), frozenset({"personal"})))
        elif intent in _BANK_PUBLIC:
            found.append((Sentence(text, "banking77", intent), frozenset({"personal", "volatile"})))
    return found[::EVERY] + _asked_of_the_world(folder)


def _asked_of_the_world(folder: Path) -> list[tuple[Sentence, frozenset[str]]]:
    """Questions of people to a search system about the world (TREC CAsT), written out: anybody's, and of any day."""
    rows = map(json.loads, (folder / "conversation_turns.jsonl").read_text("utf-8").splitlines())
    texts = dict.fromkeys(row["rewrite"] for row in rows if row["source"].startswith("cast"))
    heads = frozenset(QUESTIONS) - {"personal"}  # that a search system knows nobody tells nothing of chains that may
    return [(Sentence(text, "cast", "cast"), heads) for text in texts if not _OF_THE_DAY.search(text)]


def folder() -> Path | None:
    """The folder of the intent sets, if there is one."""
    place = os.environ.get("AUDIENCE_DATA")
    return Path(place) if place else None


def importance(rows: Sequence[Sentence]) -> Array:
    """What each sentence counts: by hand 1, of a template so that all of it count like four."""
    size = Counter(row.template for row in rows)
    return np.array([1.0 if row.template == "hand" else min(1.0, 4 / size[row.template]) for row in rows])


_SIGNS: dict[str, list[SentenceSigns]] = {}


def read(text: str) -> list[SentenceSigns]:
    """The signs of a text, remembered."""
    if text not in _SIGNS:
        _SIGNS[text] = signs(text)
    return _SIGNS[text]


def names_in(text: str) -> list[str]:
    """The names of the signs and patterns of a text's last sentence."""
    last = read(text)[-1]
    return [*last.named, *last.patterns()]


def common_words(rows: Iterable[Sentence]) -> str:
    """The words that occur in many domains."""
    seen: dict[str, set[str]] = {}
    for row in rows:
        for word in turn_tokens.read(row.text).low:
            seen.setdefault(word, set()).add(row.domain)
    return " ".join(sorted(word for word, domains in seen.items() if len(domains) >= COMMON_IN))


def _weighed(rows: Sequence[Sentence]) -> list[str]:
    """The signs and patterns that get a weight: signs that occur or are expected, patterns of several domains."""
    times = Counter(name for row in rows for name in names_in(row.text))
    domains: dict[str, set[str]] = {}
    for row in rows:
        for name in names_in(row.text):
            if ":" in name:
                domains.setdefault(name, set()).add(row.domain)
    expected = _names_of(PRIOR)
    signs_ = {name for name, count in times.items() if count >= 5 and ":" not in name} | expected
    many = {name for name, seen in domains.items() if len(seen) >= PATTERN_IN and times[name] >= PATTERN_TIMES}
    return [*sorted(signs_), *sorted(many)]


def train(rows: Sequence[Sentence], extra: Iterable[tuple[Sentence, frozenset[str]]] = ()) -> dict[str, Any]:
    """Fits every head: what is written, without thresholds."""
    counted = importance(rows)
    cases = [(row, frozenset(QUESTIONS), weight) for row, weight in zip(rows, counted, strict=True)]
    cases += [(row, heads, INTENT_WEIGHT) for row, heads in extra]
    names = _weighed([row for row, _, _ in cases])
    place = {name: number for number, name in enumerate(names)}
    few = sum(":" not in name for name in names)
    pull = np.where(np.arange(len(names)) < few, STRENGTH, PATTERN_STRENGTH)
    written: dict[str, Any] = {}
    weights = []
    for head in (*QUESTIONS, WHOLE):
        # What is somebody's own changes by what he does: that is his answers' short lifetime, and not what this asks.
        mine = [
            (row, weight)
            for row, heads, weight in cases
            if (head in heads and not (head == "volatile" and row.personal and row.volatile))
            or (head == WHOLE and not row.howto_my and (row.unsafe or "personal" in heads))
        ]
        present = [[place[name] for name in names_in(row.text) if name in place] for row, _ in mine]
        y = np.array([float(getattr(row, head)) for row, _ in mine])
        w = np.array([weight for _, weight in mine])
        never = NEVER_AGAINST[head].split()
        direction = np.array([1.0 if name in never else 0.0 for name in names])
        prior = np.array([PRIOR[head].get(name, 0.0) for name in names])
        found = fit_sparse(present, y, w, prior, direction, pull)
        written[head] = model(names[:few], np.append(found[:few], found[-1]))
        weights.append(found[few:-1].round(2))
    patterns = zip(names[few:], np.transpose(weights).tolist(), strict=True)
    return {**written, "patterns": {name: " ".join(map(str, each)) for name, each in patterns if any(each)}}


Scored = tuple[Sentence, AudienceVerdict, AudienceVerdict]
"""A sentence as it is judged for an opaque chain, and for a plain one."""


def left_out(
    rows: Sequence[Sentence], extra: Sequence[tuple[Sentence, frozenset[str]]]
) -> Iterator[tuple[str, dict[str, Any], list[Scored]]]:
    """Per development domain the weights that it had no part in, and its sentences as they judge them."""
    for group in (DOMAINS[start::GROUPS] for start in range(GROUPS)):
        related = {RELATED.get(domain) for domain in group}
        written = train(
            [row for row in rows if row.domain not in group],
            [(row, heads) for row, heads in extra if row.domain not in related],
        )
        weights = AudienceWeights.parse(written)
        for domain in group:
            mine = [row for row in rows if row.domain == domain]
            read_ = [(row, read(row.text)) for row in mine]
            yield (
                domain,
                written,
                [(row, weigh(each, weights, opaque=True), weigh(each, weights, opaque=False)) for row, each in read_],
            )


def thresholds(scored: Sequence[Scored]) -> dict[str, dict[str, float]]:
    """By kind and risk: the probability that all but that share of the sentences of the kind reach.

    Only sentences written by hand count; a template has one form, and the easy ones would hide the hard ones.
    """
    found = {}
    for kind in KINDS:
        by_hand = [case for case in scored if case[0].template == "hand"]
        if kind == "unsafe":  # what is asked for with "my" is never everyone's at a small risk
            mine = [
                (row, 1.0 if verdict.own_procedure else verdict.p_unsafe) for row, verdict, _ in by_hand if row.unsafe
            ]
        elif kind == "plain":
            mine = [(row, plain.p_unsafe) for row, _, plain in by_hand if row.unsafe_plain]
        elif kind == "volatile":
            mine = [(row, verdict.p_volatile) for row, verdict, _ in by_hand if row.volatile and not row.personal]
        else:
            mine = [(row, getattr(verdict, f"p_{kind}")) for row, verdict, _ in by_hand if getattr(row, kind)]
        values = np.array([value for _, value in mine])
        weight = importance([row for row, _ in mine])
        order = np.argsort(values, kind="stable")
        share = np.cumsum(weight[order]) / weight.sum()
        margin = MARGINS.get(kind, 1.0)
        at = {risk: int(np.searchsorted(share, risk, side="right")) for risk in RISKS}
        found[kind] = {str(risk): round(margin * float(values[order][place]), 5) for risk, place in at.items()}
    return found


def _json(written: dict[str, Any]) -> str:
    """The weights as they are written: a line each."""
    patterns = ",\n".join(f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in written["patterns"].items())
    text = json.dumps({**written, "patterns": {}}, indent=1)
    return text.replace('"patterns": {}', f'"patterns": {{\n{patterns}\n }}') + "\n"


def main() -> None:
    """Fits and writes the weights."""
    rows = load()
    place = folder()
    extra = intents(place) if place else []
    known = json.loads(WORDS.read_text("utf-8"))
    WORDS.write_text(json.dumps({**known, "common": common_words(rows)}, indent=1) + "\n", "utf-8")
    word_lists.cache_clear()
    bounds = thresholds([pair for _, _, scored in left_out(rows, extra) for pair in scored])
    note = (
        f"Fitted by benchmarks/training/audience.py on {len(rows)} sentences of benchmarks/quality/audience (CC0), "
        f"domains {', '.join(DOMAINS)}"
    )
    if extra:
        note += (
            f", and {len(extra)} sentences of NLU-Evaluation-Data (home_intents, Liu et al. 2019, CC BY 4.0) and "
            "banking77 (PolyAI, CC BY 4.0), labelled by their intents"
        )
    written = {"note": f"{note}.", **train(rows, extra), "thresholds": bounds}
    OUT.write_text(_json(written), "utf-8")
    print(note)
    for kind, by_risk in bounds.items():
        print(kind, by_risk)


if __name__ == "__main__":
    main()
