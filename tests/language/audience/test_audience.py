"""Who may be served the answer: contrasts, the turns that were seen served to a second user, and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.language.audience import Audience, AudienceVerdict, classify_audience
from tests.support.table import table

PRIVATE = """When was Aunt Edith born?
Where did grandpa serve in the war?
What does uncle Bob like to drink?
Is mum allergic to nuts?
Does the refund policy cover order 12?
What is the refund policy for order 12?
What are the payment terms of invoice 77?
What are the booking conditions of the next booking?
List invoices
List open tickets
What is the capital of Norway (and where is order 12)?
What was wrong with the clutch?
Which snacks are safe for me?
Which pills go with the blue ones?
What did marketing think of the draft?
Which dentist treated Leo?
What is my account balance?
what's my account balance
Show my open orders.
What did my doctor say?
What did the clerk write on the form?
Who booked the room for Friday?
Which room did you give us?
Am I eligible for a refund?
Do I have unread messages?
Where is my order?
What is my balance?
I moved house. What is my new tariff?
did I lock the door
my doctor
What is my account number?
How many vacation days do I have left?
When is my next appointment?
Did I pass the exam?
Which medicines am I taking?
why was my card declined
Who am I?
What do you know about me?"""
EFFECTS = """What's an alignment, and add it to the job
Define escrow & open one
What is a locker, and get us two of them
What's the fee for cancelling order 7 - and cancel it
Could order 7 please be cancelled?
What is a late check-out, and can you book one
Could a courier be sent on Friday?
Order 7 needs to be cancelled.
Can the invoice please be sent to Bob
The booking for Friday should be moved.
Cancel order 123
Cancel my order
can you cancel it
Send an email to Bob.
Delete my account.
Please book a table for two
remind me to call mum
Turn on the lights
lights off
Pay the invoice
set an alarm for six
I'd like to order a pizza
do it
Could you send it to my office?"""
VOLATILE = """What is the time in Tokyo?
whats the local time in rome
What's the time?
What is the waiting time at the clinic in Leeds?
How high are the waves on the Irish Sea?
How packed is screen 2?
Is it foggy at the top?
Is the line engaged?
Who is at the till?
How many dollars are in a euro?
What do used Teslas go for?
What's the temperature in Oslo?
How full is the battery?
Which films are showing?
Which films are on?
Are you open now?
is Anna at her desk
Which streets are flooded?
Who is cooking?
How many people are waiting at the registry?
Has the council voted on the budget?
Who leads the championship?
Is the road to the airport clear?
Give me the quote of the day
Is Bob in the office?
How crowded is the beach?
Is Dr. Patel back from lunch?
What is the date today?
What's the weather today?
Who won the match yesterday?
What time is it now?
What happened today?
the weather in Oslo
What is the exchange rate for dollars?
How much is the dollar worth right now?
Is the museum open now?
is the red jacket in stock
What is the latest version of Python?
latest news
who is the president of france"""
VARY = """Suggest a shorter film.
Is there a quicker connection?
Tell me another joke
again
a different one
one more
Roll a dice
Pick a random number
flip a coin"""
HERE = """restaurants near me
Is there a bakery near here?
what is there to do around here
Where am I?"""
PUBLIC = """What is a second cousin?
What does an aunt inherit?
What does a grandad clock look like?
what is the cooking time of rice
What is the refund policy?
Do loyalty points expire?
the weather in Norway in general
what is seven times eight
How do snow cannons work?
When does the museum open on Sundays?
What are the opening hours of the zoo?
What time does the library close on Saturdays?
What is the return period?
What are your opening hours?
What time do you close?
Do you have a gym?
Is breakfast included in the standard rate?
When is breakfast served?
Can oil paint be thinned with water?
How deep is the Pacific Ocean?
What is an IBAN?
Can I cancel an order?
What happened today in 1969?
What happened in 1989?
How does compound interest work?
What is the difference between a debit card and a credit card?
Who invented the telephone?
Explain recursion.
How do I reverse a list in Python?
What are the symptoms of flu?
how to wash wool
Can a contract be cancelled within 14 days?
Why do onions make people cry?
Could you tell me who painted Guernica?
Could you tell me what throat cancer is?"""
OWN_PROCEDURES = """How do I reset my password?
how can I change my PIN
Where do I find my IBAN?
How do I return my order?
How to connect my phone to the wifi?"""


@table("turn", PRIVATE.splitlines())
def test_what_is_the_askers_is_not_shared(turn: str) -> None:
    verdict = classify_audience(turn)
    assert verdict.audience in (Audience.USER, Audience.NOBODY, Audience.SESSION)
    assert verdict.p_personal >= 0.3
    assert not verdict.shareable()


@table(
    ("turn", "effect"),
    [
        ("Translate this text and send it to Bob", True),
        ("Summarise the report, then mail it to Bob", True),
        ("Explain recursion, then delete the file", True),
        ("Tell me a joke and also turn off the light", True),
        ("Tell me how to copy and delete a file", False),
        ("Explain when I copy and delete files", False),
        ("Write a poem about love and order", False),
        ("Compare push and pull", False),
        ("Explain supply and demand", False),
    ],
)
def test_a_second_order_in_a_sentence_is_an_order(turn: str, effect: bool) -> None:
    assert classify_audience(turn).effect is effect


@table("opaque", [True, False])
@table("turn", EFFECTS.splitlines())
def test_what_is_to_be_done_is_served_to_nobody(turn: str, opaque: bool) -> None:
    verdict = classify_audience(turn, opaque=opaque)
    assert verdict.effect
    assert verdict.audience is Audience.NOBODY


@table("opaque", [True, False])
@table("turn", VOLATILE.splitlines())
def test_what_changes_by_itself_is_volatile(turn: str, opaque: bool) -> None:
    verdict = classify_audience(turn, opaque=opaque)
    assert verdict.volatile
    assert not verdict.shareable()


@table("turn", VARY.splitlines())
def test_a_wish_to_vary_and_chance_are_never_served_what_was_said(turn: str) -> None:
    verdict = classify_audience(turn)
    assert verdict.vary
    assert verdict.audience is Audience.NOBODY


@table("opaque", [True, False])
@table("turn", HERE.splitlines())
def test_what_depends_on_the_place_stays_in_the_session(turn: str, opaque: bool) -> None:
    verdict = classify_audience(turn, opaque=opaque)
    assert verdict.audience in (Audience.SESSION, Audience.NOBODY)
    assert not verdict.shareable()


@table("opaque", [True, False])
@table("turn", PUBLIC.splitlines())
def test_what_is_public_is_everyones(turn: str, opaque: bool) -> None:
    verdict = classify_audience(turn, opaque=opaque)
    assert verdict.audience is Audience.EVERYONE
    assert verdict.shareable()
    assert not verdict.effect


@table("turn", OWN_PROCEDURES.splitlines())
def test_a_procedure_spoken_with_my_is_everyones_where_the_chain_knows_nobody(turn: str) -> None:
    assert classify_audience(turn, opaque=False).shareable()
    assert classify_audience(turn, opaque=True).audience is Audience.USER
    assert classify_audience(turn, opaque=True, max_unsafe=0.05).shareable()


CONTRASTS = [
    ("Can I cancel an order?", "Cancel my order"),
    ("What happened today in 1969?", "What happened today?"),
    ("What is the weather in Norway like in general?", "the weather in Oslo"),
    ("How do I cancel a task in asyncio?", "cancel the task"),
    ("What is a credit score?", "What is my credit score?"),
    ("Tell me a joke", "Tell me another joke"),
    ("What is the temperature of boiling water?", "What is the temperature of the water?"),
    ("Who won the world cup in 2014?", "Who won the match yesterday?"),
]


@table(("shared", "kept"), CONTRASTS)
def test_contrasts(shared: str, kept: str) -> None:
    assert classify_audience(shared).p_unsafe < classify_audience(kept).p_unsafe
    assert not classify_audience(kept).shareable()
    assert classify_audience(shared, max_unsafe=0.01).shareable()


@table(
    "turn",
    [
        "wie hoch ist mein Kontostand",
        "¿cuál es mi saldo?",
        "どこですか",
        "Где мой заказ?",
        "",
        "???",
        "\x00\ud800",
        "🙂",
    ],
)
def test_what_cannot_be_read_is_kept_safe(turn: str) -> None:
    verdict = classify_audience(turn)
    assert not verdict.shareable()
    assert verdict.volatile
    assert verdict.audience is not Audience.EVERYONE


@given(st.text(max_size=300), st.booleans(), st.sampled_from([0.0, 0.001, 0.005, 0.05, 0.2, 0.9]))
def test_any_text_gives_a_verdict(turn: str, opaque: bool, risk: float) -> None:
    verdict = classify_audience(turn, opaque=opaque, max_unsafe=risk)
    assert all(0 <= p <= 1 for p in (verdict.p_personal, verdict.p_volatile, verdict.p_effect, verdict.p_vary))
    assert verdict.shareable() == (verdict.audience is Audience.EVERYONE and not verdict.volatile)
    assert verdict == classify_audience(turn, opaque=opaque, max_unsafe=risk)


TURNS = st.one_of(
    st.sampled_from((PRIVATE + "\n" + EFFECTS + "\n" + VOLATILE + "\n" + PUBLIC + "\n" + OWN_PROCEDURES).splitlines()),
    st.lists(st.sampled_from("what is the how do i open a of in my can you python weather now order send".split())).map(
        " ".join
    ),
)


@given(TURNS, st.sampled_from(["What about my account?", "Cancel my order.", "What is the weather now?"]))
def test_another_sentence_never_makes_a_turn_more_shared(turn: str, more: str) -> None:
    assert not classify_audience(f"{turn}. {more}").shareable()


@given(TURNS)
def test_my_account_behind_it_never_makes_a_turn_more_shared(turn: str) -> None:
    assert not classify_audience(f"{turn.rstrip('?.')} my account").shareable()


@given(TURNS, st.sampled_from([0.0, 0.001, 0.002, 0.005, 0.01]), st.sampled_from([0.02, 0.05, 0.1, 0.2]))
def test_a_greater_risk_never_shares_less(turn: str, small: float, great: float) -> None:
    verdict = classify_audience(turn)
    assert verdict.shareable(great) or not verdict.shareable(small)
    assert verdict.at(great) == classify_audience(turn, max_unsafe=great)


def test_no_risk_shares_nothing() -> None:
    assert not any(classify_audience(turn, max_unsafe=0).shareable() for turn in PUBLIC.splitlines())


@table("risk", [-0.1, 1, 2, True, "0.1", float("nan")])
def test_a_risk_is_a_share(risk: float) -> None:
    with pytest.raises(InvalidInputError, match="max_unsafe"):
        classify_audience("What is an IBAN?", max_unsafe=risk)
    with pytest.raises(InvalidInputError, match="max_unsafe"):
        classify_audience("What is an IBAN?").at(risk)


def test_evidence_names_the_words() -> None:
    assert any("my balance" in words for words in classify_audience("What is my balance?").evidence)
    assert any("cancel" in words for words in classify_audience("cancel the hotel").evidence)


def test_a_verdict_without_thresholds_stays_as_it_is() -> None:
    verdict = AudienceVerdict(Audience.USER, True, False, False, 0.9, 0.9, 0.1, 0.1)
    assert verdict.at(0.2) is verdict
