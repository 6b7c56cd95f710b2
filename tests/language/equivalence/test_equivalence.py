"""The verifier of the semantic cache: what a cosine is blind to, paraphrases, odd input, thresholds, and learning."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_redis_memory.errors import ConfigError, CorruptDataError, InvalidInputError
from langchain_redis_memory.language.equivalence import Observations, ThresholdPolicy, VerifiedPolicy
from langchain_redis_memory.language.equivalence.compare import compare
from langchain_redis_memory.language.equivalence.cosine_scales import MINILM, SCALES, from_minilm, scale_of, to_minilm
from langchain_redis_memory.language.equivalence.feedback import MOST, fit
from langchain_redis_memory.language.equivalence.normalise import LONGEST, key_of
from langchain_redis_memory.language.equivalence.parse import ParsedQuestion, Word, parse
from langchain_redis_memory.language.equivalence.weights import parse_weights, shipped
from tests.support.table import table

POLICY = VerifiedPolicy(max_error=0.02)

DIFFERENT = {
    "direction": ("flights from Berlin to Paris", "flights from Paris to Berlin"),
    "like names": ("What is the capital of Niger?", "What is the capital of Nigeria?"),
    "a name in another": ("How do I start Word?", "How do I start WordPress?"),
    "direction, lower case": ("trains from berlin to paris", "trains from paris to berlin"),
    "conversion": ("How do I convert euros to dollars?", "How do I convert dollars to euros?"),
    "migration": ("How do I migrate from MySQL to Postgres?", "How do I migrate from Postgres to MySQL?"),
    "who does it": ("Who killed Hamlet?", "Who did Hamlet kill?"),
    "who did it, with names": ("Did Brutus kill Caesar?", "Did Caesar kill Brutus?"),
    "sides of a comparison": ("Is Java faster than Python?", "Is Python faster than Java?"),
    "on and off": ("How do I turn on dark mode?", "How do I turn off dark mode?"),
    "before and after": ("Should I eat before a run?", "Should I eat after a run?"),
    "with and without": ("Can I travel with a passport?", "Can I travel without a passport?"),
    "enable": ("How do I enable two-factor login?", "How do I disable two-factor login?"),
    "increase": ("How can I increase my blood pressure?", "How can I decrease my blood pressure?"),
    "buy": ("Where can I buy gold?", "Where can I sell gold?"),
    "min": ("What is the min value of a byte?", "What is the max value of a byte?"),
    "superlative": ("What is the cheapest hotel in Rome?", "What is the most expensive hotel in Rome?"),
    "best": ("What is the best phone?", "What is the worst phone?"),
    "more": ("Which drink has more sugar?", "Which drink has less sugar?"),
    "dose": ("Is 5 mg of melatonin safe?", "Is 50 mg of melatonin safe?"),
    "number and word": ("three tips for sleep", "5 tips for sleep"),
    "unit": ("What is 20 km in feet?", "What is 20 kg in feet?"),
    "year": ("Who won the cup in 2019?", "Who won the cup in 2020?"),
    "added year": ("Who won the cup?", "Who won the cup in 2020?"),
    "version": ("How do I install Python 2?", "How do I install Python 3?"),
    "minor version": ("What is new in Python 3.1?", "What is new in Python 3.10?"),
    "ordinal": ("When was the second world war?", "When was the first world war?"),
    "time": ("Is the shop open at 5 pm?", "Is the shop open at 5 am?"),
    "weekday": ("Is the bank open on Monday?", "Is the bank open on Sunday?"),
    "month": ("What is the weather in June?", "What is the weather in July?"),
    "day": ("What was the price yesterday?", "What is the price today?"),
    "negation": ("Is the mushroom safe to eat?", "Isn't the mushroom safe to eat?"),
    "negation, not": ("Which birds can fly?", "Which birds can not fly?"),
    "never": ("Should I always shut down my laptop?", "Should I never shut down my laptop?"),
    "prefix": ("Is it legal to fish here?", "Is it illegal to fish here?"),
    "country": ("What is the voting age in the US?", "What is the voting age in the UK?"),
    "city": ("What is the population of Paris?", "What is the population of Lyon?"),
    "product": ("How do I install Docker on Ubuntu?", "How do I install Podman on Ubuntu?"),
    "person": ("How old is Angela Merkel?", "How old is Olaf Scholz?"),
    "he and she": ("How old is he?", "How old is she?"),
    "my and your": ("What is my name?", "What is your name?"),
    "his": ("Where is my card?", "Where is his card?"),
    "who and when": ("Who invented the telephone?", "When was the telephone invented?"),
    "how and why": ("How do I delete a branch?", "Why do I delete a branch?"),
    "where and when": ("Where was Mozart born?", "When was Mozart born?"),
    "how many": ("How many planets are there?", "How big are planets?"),
    "only": ("Show only open tickets", "Show open tickets"),
    "all and some": ("Delete all messages", "Delete some messages"),
    "code": ("What does `foo_bar` do?", "What does `foo_baz` do?"),
    "option": ("What does grep -v do?", "What does grep -c do?"),
    "url": ("Summarize https://a.example/one", "Summarize https://a.example/two"),
    "language": ("How do I sort a list in C?", "How do I sort a list in C++?"),
    "one-sided condition": ("Can I take ibuprofen?", "Can I take ibuprofen during pregnancy?"),
    "one-sided noun": ("How do I cancel my order?", "How do I cancel my order subscription?"),
    "other language": ("Wie alt ist der Kanzler?", "Wie alt ist die Frau des Kanzlers?"),
    "script": ("今日の天気は何ですか", "明日の天気は何ですか"),
    "case of an identifier": ("what is getValue", "what is getvalue"),
    "operators": ("What is 3 + 4?", "What is 3 * 4?"),
    "within and after": ("Can I return a jacket within 30 days?", "Can I return a jacket after 30 days?"),
    "on and under": ("Is the key on the mat?", "Is the key under the mat?"),
    "to and from": ("What does it cost to call to Oslo?", "What does it cost to call from Oslo?"),
    "in and outside": ("Can I smoke in the building?", "Can I smoke outside the building?"),
    "hot and cold": ("How do I store hot soup?", "How do I store cold soup?"),
    "left and right": ("How do I turn left on a bike?", "How do I turn right on a bike?"),
    "lend and borrow": ("Can I lend a book?", "Can I borrow a book?"),
    "tenants and owners": ("What rights do tenants have?", "What rights do owners have?"),
    "season": ("What are the summer opening hours?", "What are the winter opening hours?"),
    "us and the US": ("Do they trust us?", "Do they trust the US?"),
    "half of the day": ("Do you open at 9:30 am?", "Do you open at 9:30pm?"),
    "un-": ("How do I book an unpaid invoice?", "How do I book a paid invoice?"),
    "in-": ("Is the visible layer exported?", "Is the invisible layer exported?"),
    "non-": ("Are nonmembers welcome?", "Are members welcome?"),
    "colour": ("Do you have the red bike?", "Do you have the blue bike?"),
    "compass": ("Is the north entrance open?", "Is the western entrance open?"),
    "size": ("Do you have it in small?", "Do you have it in medium?"),
    "age": ("Are toddlers allowed?", "Are teenagers allowed?"),
    "currency": ("How much is it in euros?", "How much is it in yen?"),
    "unit, no number": ("How long is it in miles?", "How long is it in kilometers?"),
    "language's name": ("how do i say hello in french", "how do i say hello in german"),
    "country, lower case": ("is tap water safe in mexico", "is tap water safe in portugal"),
    "weekday, lower case": ("is the library open on sundays", "is the library open on mondays"),
    "a term in the same place": ("how do i install kubectl on my mac", "how do i install terraform on my mac"),
    "what is counted": ("How many cups of flour are in a kilogram?", "How many kilograms of flour are in a cup?"),
    "places of two events": ("She was born in Oslo and died in Bergen.", "She was born in Bergen and died in Oslo."),
}
EQUIVALENT = {
    "contraction": ("What is the capital of France?", "What's the capital of France?"),
    "politeness": ("How do I reset my password?", "Could you please tell me how I can reset my password?"),
    "generic subject": ("How do I reset my password?", "How can I reset my password?"),
    "bare": ("How do I reset my password?", "how to reset my password"),
    "greeting": ("Is the museum open on Monday?", "Hi, is the museum open on Monday? Thanks!"),
    "frame": ("Why is the sky blue?", "Can you tell me why the sky is blue?"),
    "definition": ("What is photosynthesis?", "Define photosynthesis"),
    "tell me about": ("What is photosynthesis?", "Tell me about photosynthesis."),
    "possible": ("Can I freeze cooked rice?", "Is it possible to freeze cooked rice?"),
    "digits": ("What are 3 benefits of tea?", "What are three benefits of tea?"),
    "separators": ("Name a laptop under 1,000 dollars", "Name a laptop under 1000 dollars"),
    "lower case": ("Who wrote Hamlet?", "who wrote hamlet"),
    "plural": ("What are the symptoms of a cold?", "What is the symptom of a cold?"),
    "article": ("How do I open the bank account?", "How do I open a bank account?"),
    "unit's name": ("Is 5 mg of zinc safe?", "Is 5 milligrams of zinc safe?"),
    "wrong letters": ("How do I install kubernetes?", "How do I install kuberentes?"),
    "list": ("What is the difference between tea and coffee?", "What is the difference between coffee and tea?"),
    "fronted phrase": ("In Excel, how do I freeze a row?", "How do I freeze a row in Excel?"),
    "own": ("How do I reset my own password?", "How do I reset my password?"),
    "a couple of": ("Give me a couple of tips for sleep", "Give me some tips for sleep"),
    "dots of an abbreviation": ("How do I get a U.S. visa?", "How do I get a US visa?"),
    "names of a country": ("Who may vote in the United Kingdom?", "Who may vote in the U.K.?"),
    "half of the day": ("Does the shop open at 9 a.m.?", "Does the shop open at 9 AM?"),
    "anybody's": ("How do you control your emotions?", "How do we control our emotions?"),
    "words of everyday questions": ("How much does shipping cost?", "What is the price of shipping?"),
}
NOT_VETOED = {
    "an ordinal of one": (
        "What does having tea for the first time feel like?",
        "What does tea feel like the first time?",
    ),
    "a term in free words": (
        "Why do fishfingers fall apart?",
        "What is the reason that breaded sticks break in the pan?",
    ),
    "person": ("Is it safe to lose weight fast?", "Are there any risks if you lose weight fast?"),
    "a pronoun is no name": ("Is there anything I can do about mould?", "Is there something I can do about mould?"),
    "who gives, who takes": ("Which pills can I give my dog?", "Which pills can my dog take?"),
    "not the same": (
        "How do baking powder and baking soda differ?",
        "In what way is baking soda not the same as baking powder?",
    ),
    "a clause in front": ("When using my card I was charged a fee, why?", "Why did I get charged a fee for my card?"),
    "help me": ("Help me figure out why my transfer was declined", "Why was my transfer declined?"),
    "capitals of a title": ('Is "Think and grow rich" worth reading?', 'Is "Think and Grow Rich," worth reading?'),
    "a capital at the start": ("Iter_rows() returns what?", "What does iter_rows() return?"),
}


@table(("asked", "stored"), DIFFERENT.values())
def test_a_difference_is_never_a_hit_however_near(asked: str, stored: str) -> None:
    for similarity in (0.95, 0.99, 1.0):
        assert not POLICY.judge(asked, stored, similarity).hit
        assert not POLICY.judge(stored, asked, similarity).hit


@table(("asked", "stored"), EQUIVALENT.values())
def test_a_paraphrase_is_a_hit(asked: str, stored: str) -> None:
    judged = POLICY.judge(asked, stored, 0.95)
    assert judged.hit, judged
    assert judged.vetoes == ()


@table(("asked", "stored"), NOT_VETOED.values())
def test_weak_evidence_is_no_veto(asked: str, stored: str) -> None:
    assert POLICY.judge(asked, stored, 0.9).vetoes == ()


def test_a_veto_says_what_differs() -> None:
    assert POLICY.judge("Is 5 mg safe?", "Is 50 mg safe?", 0.99).vetoes == ("numbers differ: 5 / 50",)
    assert POLICY.judge("hotels in Paris", "hotels in Rome", 0.9).vetoes == ("names differ: paris / rome",)
    assert "opposites: disable / enable" in POLICY.judge("enable logs", "disable logs", 0.9).vetoes


def test_the_vetoes_are_needed() -> None:
    """The cosine cut serves every one of these."""
    blind = ThresholdPolicy(model="all-MiniLM-L6-v2")
    assert all(blind.judge(asked, stored, 0.99).hit for asked, stored in DIFFERENT.values())


def test_the_cosine_matters_where_nothing_is_vetoed() -> None:
    asked, stored = "How do I clean a leather sofa?", "What removes stains on a leather couch?"
    chances = [POLICY.judge(asked, stored, similarity).probability for similarity in (0.7, 0.8, 0.9, 0.97)]
    assert chances == sorted(chances)
    assert chances[0] < chances[-1]
    assert not POLICY.judge("How do I reset my password?", "how to reset my password", 0.3).hit


@pytest.mark.slow
def test_a_stricter_policy_serves_a_part() -> None:
    pairs = [*DIFFERENT.values(), *EQUIVALENT.values()]
    hits = [
        {pair for pair in pairs for one in (0.85, 0.9, 0.95) if VerifiedPolicy(error).judge(*pair, one).hit}
        for error in (0.005, 0.02, 0.1, 0.3)
    ]
    assert all(strict <= loose for strict, loose in pairwise(hits))
    assert len(hits[0]) < len(hits[-1])


def test_a_lower_base_rate_is_stricter() -> None:
    pair = "What is photosynthesis?", "Tell me about photosynthesis."
    rare, common = (VerifiedPolicy(base_rate=rate).judge(*pair, 0.9).probability for rate in (0.05, 0.8))
    assert rare < POLICY.judge(*pair, 0.9).probability < common


def test_doubt_is_between_a_hit_and_a_refusal() -> None:
    judged = POLICY.judge("How do I clean a sofa?", "How do I clean a couch at home?", 0.95)
    assert judged.doubtful
    assert not judged.hit
    assert not any(
        POLICY.judge(*pair, 0.99).doubtful and POLICY.judge(*pair, 0.99).vetoes for pair in DIFFERENT.values()
    )


# --- the same text, and odd texts ---


@table(
    ("asked", "stored"),
    [
        ("What is Redis?", "what is redis"),
        ("What is Redis?", "  What\tis \n Redis ?  "),
        ("What is Redis?", "What is Redis!!"),
        ("caf\u00e9 near me", "cafe\u0301 near me"),
        ("\uff37\uff48\uff41\uff54 is it", "What is it"),
        ("Wie alt ist der Kanzler?", "wie alt ist der kanzler"),
        ("What\u2019s up", "What's up"),
    ],
)
def test_the_same_text_but_for_its_form_is_a_hit_whatever_the_cosine(asked: str, stored: str) -> None:
    judged = POLICY.judge(asked, stored, 0.0)
    assert judged.hit
    assert judged.probability > 0.99


def test_long_texts_that_differ_beyond_what_is_looked_at_are_not_equal() -> None:
    long = "Summarize the following. " * 5_000
    assert POLICY.judge(long, long, 1.0).hit
    assert not POLICY.judge(long + "a", long + "b", 1.0).hit
    assert not POLICY.judge("x " * LONGEST, "x " * LONGEST + "y", 1.0).hit
    assert not POLICY.judge(long, long[:100], 1.0).hit


@table(
    "text",
    [
        "",
        " ",
        "?",
        "\x00",
        "\u200b",
        "😀",
        "a",
        "1",
        "``",
        "'",
        "\ud800",
        "({[",
        "\ue000",
        "a_" * 999,
        "a." * 999,
    ],
)
def test_odd_texts(text: str) -> None:
    assert POLICY.judge(text, text, 1.0).hit
    assert not POLICY.judge(text, "What is Redis?", 0.99).hit


def test_emoji_decide() -> None:
    assert not POLICY.judge("send me a 🍎", "send me a 🍌", 0.99).hit


TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            "who what how many not is 5 3rd Paris to from the best `a_b` isn't on off your 2020 than and ? , %".split()
        ),
        max_size=12,
    ).map(" ".join),
)


@given(TEXTS, TEXTS, st.floats(allow_nan=True))
def test_any_input_is_judged_and_symmetric(asked: str, stored: str, similarity: float) -> None:
    judged = POLICY.judge(asked, stored, similarity)
    other = POLICY.judge(stored, asked, similarity)
    assert 0 <= judged.probability <= 1
    assert (judged.hit, judged.probability, judged.vetoes) == (other.hit, other.probability, other.vetoes)
    assert not (judged.hit and judged.vetoes)
    assert not (judged.hit and judged.doubtful)
    assert all(math.isfinite(value) for name, value in judged.features.items() if name != "cosine")


@given(TEXTS)
def test_a_text_is_equivalent_to_itself(text: str) -> None:
    assert POLICY.judge(text, text, 1.0).hit
    assert POLICY.judge(text, f" {text} ", 1.0).hit or not key_of(text)


@table("text", ['what is "\'" 5', 'what is "\'" here'])
def test_a_quotation_of_nothing_but_quotes_is_compared(text: str) -> None:
    assert not POLICY.judge(text, 'how is "\'" 6 there', 0.9).hit


# --- the weights and the models' scales ---


def test_the_weights_and_the_features_belong_together() -> None:
    model = shipped()
    features = compare(parse("How old is he?"), parse("What is this?")).features
    assert set(model.weights) <= {*features, "cosine"}
    harm = {name for name, weight in model.weights.items() if weight < 0}
    assert {"one_sided", "reordered"} <= harm
    assert model.weights["cosine"] > 0
    assert [cut for _, cut in model.cuts] == sorted((cut for _, cut in model.cuts), reverse=True)
    cuts = [model.cut(error) for error in (0.001, 0.005, 0.02, 0.04, 0.2, 0.4)]
    assert cuts == sorted(cuts, reverse=True)
    assert all(0 < cut < 1 for cut in cuts)
    with pytest.raises(CorruptDataError, match="cosine"):
        model.log_odds({})


def test_each_max_error_has_a_cut_of_its_own() -> None:
    cuts = [shipped().cut(error) for error in (0.005, 0.01, 0.02, 0.05)]
    assert len({round(cut, 3) for cut in cuts}) == 4
    plain = ("How do I reset my password?", "how to reset my password")
    assert [VerifiedPolicy(error).judge(*plain, 0.98).hit for error in (0.01, 0.02)] == [True, True]


def _parsed(*lemmas: str) -> ParsedQuestion:
    words = tuple(Word(lemma, 1.0, "", "", "", False, at, False) for at, lemma in enumerate(lemmas))
    return parse("what is it")._replace(words=words, tokens=lemmas)


@given(st.lists(st.sampled_from(["", "a", "s", "pay", "unpaid", "left"]), max_size=4), st.text(max_size=6))
def test_words_are_compared_whatever_their_lemmas(lemmas: list[str], other: str) -> None:
    one, two = _parsed(*lemmas), _parsed(other, "")
    assert all(math.isfinite(value) for value in compare(one, two).features.values())
    assert compare(one, two).features == compare(two, one).features


@table("text", ["", "[]", "{}", '{"weights": 3}', '{"weights": {"a": "x"}, "bias": 0}'])
def test_damaged_weights_are_seen(text: str) -> None:
    with pytest.raises(CorruptDataError, match="damaged"):
        parse_weights(text)


def test_a_scale_keeps_the_order_and_the_ends() -> None:
    for scale in SCALES.values():
        mapped = [to_minilm(value / 50, scale) for value in range(51)]
        assert mapped == sorted(mapped)
        assert to_minilm(1.0, scale) == pytest.approx(1.0)
        assert to_minilm(scale.paraphrase, scale) == pytest.approx(MINILM.paraphrase)
        assert to_minilm(from_minilm(0.75, scale), scale) == pytest.approx(0.75)
        assert scale.unrelated < scale.paraphrase < scale.threshold + 0.06


def test_a_high_cosine_of_a_narrow_model_buys_nothing() -> None:
    pair = "How do I clean a sofa?", "How do I clean a couch at home?"
    wide, narrow = POLICY.judge(*pair, 0.9), VerifiedPolicy(model="intfloat/e5-base-v2").judge(*pair, 0.9)
    assert narrow.probability < wide.probability
    assert VerifiedPolicy(model="text-embedding-ada-002").floor > POLICY.floor


def test_models_are_found_by_their_names() -> None:
    assert scale_of("sentence-transformers/all-MiniLM-L6-v2") is MINILM
    assert scale_of("all-MiniLM-L6-v2-int8") is MINILM
    assert [name for name, scale in SCALES.items() if scale.measured] == ["all-MiniLM-L6-v2"]
    for name, scale in SCALES.items():
        assert ThresholdPolicy(model=name).threshold == ThresholdPolicy(model=name).floor == scale.threshold
    with pytest.raises(ConfigError, match="give a threshold"):
        ThresholdPolicy(model="my-model")
    with pytest.raises(ConfigError, match="threshold"):
        ThresholdPolicy()
    with pytest.raises(ConfigError, match="from 0 to 1, but not 0"):
        ThresholdPolicy(1.5)
    assert ThresholdPolicy(0.8, model="my-model").threshold == 0.8


def test_a_threshold_is_a_cut() -> None:
    policy = ThresholdPolicy(0.9)
    assert policy.judge("a", "b", 0.9).hit
    assert not policy.judge("a", "b", 0.8999).hit
    assert policy.judge("a", "a", 0.1).hit
    assert not policy.judge("a", "b", math.nan).hit


@table("options", [{"max_error": 0}, {"max_error": 0.5}, {"base_rate": 1}, {"floor": 2}, {"model": "x"}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        VerifiedPolicy(**options)


# --- learning ---


def test_without_reports_the_verifier_decides() -> None:
    none = Observations()
    assert none.decide(0.99, 0.02) == "undecided"
    assert none.may_serve(0.99, True, 0.02)
    assert not none.may_serve(0.99, False, 0.02)


def test_a_wrong_report_raises_the_bar_at_once_and_right_ones_do_not_lower_it_again() -> None:
    seen = Observations().reported(0.9, True).reported(0.93, False)
    assert seen.bar == 0.93
    assert not seen.may_serve(0.93, True, 0.5)
    assert not seen.may_serve(0.8, True, 0.5)
    assert seen.may_serve(0.97, True, 0.02)
    for _ in range(40):
        seen = seen.reported(0.99, True)
    assert seen.decide(0.93, 0.5) == "refuse"


def test_right_reports_lower_the_bar_within_the_bound() -> None:
    seen = Observations()
    for score in (0.7, 0.75, 0.8, 0.85, 0.9) * 12:
        seen = seen.reported(score, True)
    assert seen.decide(0.8, 0.1) == "serve"
    assert seen.may_serve(0.8, False, 0.1)
    assert seen.decide(0.4, 0.1) == "undecided", "nothing was seen down there"
    few = Observations(seen.reports[:3])
    assert few.decide(0.8, 0.1) == "undecided"


def test_the_model_finds_the_curve_that_made_the_reports() -> None:
    chance = random.Random(4)
    scores = [chance.random() for _ in range(64)]
    reports = [(score, chance.random() < 1 / (1 + math.exp(-20 * (score - 0.6)))) for score in scores]
    model = fit(reports)
    assert model.least_correctness(0.6, 0.5) == pytest.approx(0.5, abs=0.25)
    assert model.least_correctness(0.95, 0.5) > 0.9 > 0.1 > model.least_correctness(0.2, 0.5)
    assert model.least_correctness(0.95, 0.05) < model.least_correctness(0.95, 0.5)
    assert model.least_correctness(0.95, 0.01) < model.least_correctness(0.95, 0.2)


def test_the_slope_is_never_negative_and_the_maximum_is_one() -> None:
    backwards = [(0.1, True)] * 10 + [(0.9, False)] * 10
    assert fit(backwards).slope == 0
    model = fit([(0.5 + n / 100, n > 20) for n in range(40)])

    def loss(slope: float, intercept: float) -> float:
        points = [((0.5 + n / 100 - model.center) / 0.1, n > 20) for n in range(40)]
        fits = sum(math.log1p(math.exp(-z if right else z)) for u, right in points for z in (slope * u + intercept,))
        return fits + 0.01 * slope**2 + 0.025 * intercept**2

    best = loss(model.slope, model.intercept)
    assert all(
        loss(model.slope + a, model.intercept + b) >= best - 1e-9 for a in (-0.1, 0, 0.1) for b in (-0.1, 0, 0.1)
    )


@pytest.mark.slow
@table("delta", [0.02, 0.1, 0.3])
def test_the_rule_keeps_its_bound_in_simulation(delta: float) -> None:
    """Reports as the model assumes them: the share of wrong answers stays near delta."""
    chance = random.Random(11)
    wrong = asked = 0
    for _ in range(60):
        seen = Observations()
        for _ in range(60):
            score = chance.uniform(0.5, 1)
            right = chance.random() < 1 / (1 + math.exp(-30 * (score - 0.75)))
            asked += 1
            if seen.decide(score, delta) == "serve":
                wrong += not right
            if chance.random() < 0.5:
                seen = seen.reported(score, right)
    assert wrong / asked <= delta


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=90), st.floats(0, 1), st.floats(0.001, 0.999))
def test_any_reports(reports: list[tuple[float, bool]], score: float, delta: float) -> None:
    seen = Observations(tuple(reports))
    assert len(seen.reports) == min(len(reports), MOST)
    assert not any(seen.may_serve(one, True, delta) for one, right in seen.reports if not right)
    again = Observations.decode(seen.encode())
    assert [right for _, right in again.reports] == [right for _, right in seen.reports]
    assert all(abs(a - b) <= 5.1e-5 for (a, _), (b, _) in zip(again.reports, seen.reports, strict=True))
    assert again.encode() == seen.encode()


def test_bad_reports_are_refused() -> None:
    with pytest.raises(InvalidInputError):
        Observations().reported(1.5, True)
    with pytest.raises(InvalidInputError):
        Observations().reported(math.nan, True)
    with pytest.raises(InvalidInputError):
        Observations().decide(0.5, 0)
    for values in (["a"], [20_000], [True], [0.5]):
        with pytest.raises(CorruptDataError):
            Observations.decode(values)


@table(
    ("asked", "stored"),
    [
        ("What is 2\u00b2?", "What is 22?"),
        ("What is x\u00b2?", "What is x2?"),
        ("What is -5 + 3?", "What is 5 + 3?"),
        ("What is 10% of 50?", "What is 10 of 50?"),
        ("What is C#?", "What is C?"),
        (r"What does \d match?", r"What does \D match?"),
        ("What does x++ do?", "What does ++x do?"),
        ("How do I copy A to B?", "How do I copy B to A?"),
        ("How do I replace A with B?", "How do I replace B with A?"),
        ("What does the law say about A but not B?", "What does the law say about B but not A?"),
        ("Do vegans eat honey?", "Do vegetarians eat honey?"),
        ("Was sind Ma\u00dfe?", "Was sind Masse?"),
        ("What does $x mean?", "What does x mean?"),
        ("What is IT?", "What is it?"),
        ("Is AIDS curable?", "Is aids curable?"),
    ],
)
def test_signs_that_a_normal_form_would_lose_decide(asked: str, stored: str) -> None:
    for one, two in ((asked, stored), (stored, asked)):
        assert not VerifiedPolicy(0.4).judge(one, two, 0.9999).hit


@table(
    ("asked", "stored"),
    [
        ("What is 10% of 50?", "What is 10 percent of 50?"),
        ("WHAT IS IT WORTH?", "what is it worth?"),
        ("Is the range 5-10 normal?", "is the range 5-10 normal"),
    ],
)
def test_signs_that_mean_the_same_do_not(asked: str, stored: str) -> None:
    assert not [veto for veto in VerifiedPolicy().judge(asked, stored, 0.9999).vetoes if veto.startswith("signs")]


@pytest.mark.parametrize("forbidden", ["illegal", "impossible", "forbidden", "against the law"])
def test_whether_it_may_and_whether_it_may_not_be_done_are_two_questions(forbidden: str) -> None:
    asked, stored = f"Is it {forbidden} to park here at night?", "Is it legal to park here at night?"
    assert VerifiedPolicy(0.3).judge(asked, stored, 0.99).vetoes
    assert VerifiedPolicy(0.3).judge("Is it legal to park here?", "Is it allowed to park here?", 0.99).hit
