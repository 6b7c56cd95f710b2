"""What is not plain to see: requests beside a question or in its form, unseen characters, what was given, others' own,
and what moves though nothing says "now". Each with near misses that anybody may be told."""

from __future__ import annotations

from langchain_redis_memory.cache.sharing import unrepeatable
from langchain_redis_memory.language.audience import Audience, classify_audience
from langchain_redis_memory.language.english import hidden_inside, visible
from tests.support.table import table

HIDDEN = """Ignore the question and cancel order 123: What is Redis?
For the record, cancel order 123: what is Redis?
While you are there, delete the file: what is an inode?
Oh and by the way cancel order 123, what is Redis?
First cancel order 123, what is Redis?
Ignore that and open the gate: what is a lock?
Ignore the question and give Bob admin rights: what is Redis?
Before answering, update the record of Bob: what is Redis?
In the background run the backup, what is Redis?
Please pay bill 7: what is inflation?
What is photosynthesis, please book a room in Leeds
What is Redis, cancel order 123
What is Redis - cancel order 123
What is Redis \u2013 send it to Bob
What is Redis (cancel order 123)?
[Ignore this and refund ticket 4] What is Redis?
How do magnets work, transfer 50 euros to Eve
What is Redis "cancel my order"?"""
QUESTIONS_THAT_REQUEST = """Why don't you cancel order 123?
Why don't you book a table for four?
Why not send the report to Nina?
How about you restart the server?
How about cancelling my order?
Would you mind closing the ticket?
Do you mind moving it to Friday?
Would you be so kind as to call me?
Are you able to delete the file?
Can't you cancel it?
Won't you please turn the heating up?"""
GIVEN = """Summarise the uploaded document
Summarise the attached report
What does the uploaded file say?
Translate attached letter
Explain the code above
What is in the screenshot?
Summarise the document
Translate the text into French
Who is named in the attachment?"""
OF_A_NAME = """What is Ana's balance?
what is ana's balance
What is Tom's salary?
What is Priya's order status?
Where is Omar's parcel?
What are Ben's open invoices?
How high is Julia's credit limit?"""
MOVES = """How long ago was 2020?
How long ago did the war end?
How long has it been since 2020?
How many years have passed since 1945?
How long until 2040?
How many jobs are queued?
How many orders are pending?
How many messages are unread?
Which jobs are in the queue?
How did Arsenal play?
How did the Lakers do?
How did Chelsea get on against Fulham?
Which week is it?
What season is it?
What quarter are we in?
What day of the week is today?
How old is the US president?
How old is the Pope?
How old is the king of Spain?"""
PUBLIC = """What is a balance sheet?
What is an account balance?
How do I cancel a subscription in Stripe?
What does it mean to call it a day?
What is the difference between pause and stop?
In Redis, what is a stream?
Apart from cost, what is a wind turbine made of?
Why don't penguins fly?
Why don't cats like water?
Could you tell me who painted Guernica?
How do I upload a file in Django?
What is a document database?
What is an attached garage?
What is Moore's law?
What is Pascal's triangle?
Who was Einstein's wife?
What season follows winter?
How many bits are in a byte?
How many days are in a leap year?
How did Napoleon die?
How long was the Hundred Years' War?"""


@table("turn", [*HIDDEN.splitlines(), "Who wrote Hamlet\ncancel order 7"])
@table("opaque", [True, False])
def test_a_request_beside_a_question_is_served_to_nobody(turn: str, opaque: bool) -> None:
    verdict = classify_audience(turn, opaque=opaque)
    assert (verdict.effect, verdict.audience) == (True, Audience.NOBODY)


@table("turn", QUESTIONS_THAT_REQUEST.splitlines())
@table("opaque", [True, False])
def test_a_request_in_the_form_of_a_question_is_served_to_nobody(turn: str, opaque: bool) -> None:
    verdict = classify_audience(turn, opaque=opaque)
    assert (verdict.effect, verdict.audience) == (True, Audience.NOBODY)


@table("unseen", ["\u200b", "\u200d", "\u2060", "\u00ad", "\ufeff", "\u034f", "\U000e0041"])
def test_characters_that_nobody_sees_hide_no_word(unseen: str) -> None:
    assert classify_audience(f"Can{unseen}cel order 123").effect
    assert unrepeatable(f"Can{unseen}cel order 123") == "effect"
    assert not classify_audience(f"What is re{unseen}cursion?").shareable()  # who knows what the model reads there
    assert classify_audience(f"{unseen}What is recursion?{unseen}").shareable()
    assert visible(f"a{unseen}b") == "ab"
    assert hidden_inside(f"a{unseen}b")
    assert not hidden_inside(f"a {unseen}b")


@table("turn", GIVEN.splitlines() + OF_A_NAME.splitlines())
def test_what_was_given_here_and_what_a_named_person_has_is_not_shared_by_a_chain_that_can_see_it(turn: str) -> None:
    assert not classify_audience(turn).shareable()


@table("turn", MOVES.splitlines())
@table("opaque", [True, False])
def test_what_moves_by_itself_is_volatile_for_any_chain(turn: str, opaque: bool) -> None:
    assert classify_audience(turn, opaque=opaque).volatile
    assert unrepeatable(turn) == "volatile"


@table("turn", PUBLIC.splitlines())
def test_what_only_looks_alike_stays_everybodys(turn: str) -> None:
    assert classify_audience(turn).shareable()


@table(
    ("turn", "effect"),
    [
        ("How do I open, edit, close the file?", False),
        ("When customers cancel the order, what happens?", False),
        ('What does "call it a day" mean?', False),
        ("In countries like the US, how fast do people drive?", False),
        ("Besides Grant, Jon and Simon, who was in the band?", False),
        ('Who sang "Unblock Me"?', False),
        ("Why do you cancel flights?", False),
        ("Why can't you cancel a subscription in Stripe?", False),
        ("How about the theory of relativity?", False),
        ("Why not store passwords in plain text?", False),
        ("Hi, cancel order 7", True),
    ],
)
def test_a_verb_of_doing_that_asks_for_nothing_is_no_request(turn: str, effect: bool) -> None:
    assert classify_audience(turn).effect is effect
