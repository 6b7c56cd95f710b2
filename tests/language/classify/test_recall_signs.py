"""Questions for what was said before: found in many phrasings, and not seen where nothing was said."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from benchmarks.training.recall_phrasings import half
from langchain_redis_memory.language.classify import LinguisticClassifier
from langchain_redis_memory.language.classify.question_type import QuestionType
from tests.support.table import table
from tests.support.turns import history

ASKED = """What's my name?|what was my budget again|which of those did you recommend first|What did I just ask you?
who brought up pricing first, you or me?|Can you list everything we've covered so far?|How many questions have I asked?
what was the first thing I said|Which hotel did you suggest?|When did I tell you about my allergy?|do you know where I live?
What am I allergic to?|What's my dog's name?|what is my wife called|Where did I say I was travelling to?|How old am I?
Did I mention how many people are coming?|What was the second option you gave me?|Remind me what the total was
Could you repeat your last answer?|I forgot what you said about parking|how much did you say it costs?|recap please
what time did we agree on?|Which city did I say I live in?|What did you tell me about the side effects?
what have I told you about myself|What do you know about me?|Have we talked about this before?|how many kids do i have
In which order did you name the cities?|What was the name of that restaurant again?|Sorry, what was the price again?
What's my favorite color?|When is my birthday?|Which of the two did I prefer?|Go back to what you said about taxes
Give me a summary of our chat|What was my question before this one?|what were we talking about|How did our conversation start?
You mentioned a museum earlier, which one was it?|Was it Tuesday or Wednesday that I said?|What did we decide about the venue?
what's the name of my company?|Which medication am I taking?|what are the names of my children?|where do my parents live?
List all the questions I asked|What were my exact words?|Didn't you say it was free?|what car do I drive?
Before we talked about hotels, what were we discussing?|what is my preferred airline?|which of my friends is vegetarian?
What was the trick you used for the crust?|which formula did you apply|You gave me two dates. What was the later one?
I sent you a draft. What was the title?|Again, which street was it?|Was it red or blue that I wanted?|Where had we left off?
What has this conversation been about?|Tell me the three points you made.|What medication am I on?|What was my argument again?
What were you about to explain?|Which question of mine was the hardest?|I wonder which wine you recommended.
I mentioned a colleague, what's his name?|In your reply before last you named a law. Which one?"""

NOT_ASKED = """I wonder which wine goes with trout.|what is my balance|how do I reset my password?|when did we land on the moon?|what did Einstein say about god?
Why was I charged twice?|What did I do wrong?|how many people did the US send to the moon?|What is my IP address?
when will my card arrive?|What is my account number?|Where is my order?|When did we start using money?
what do you recommend for dinner?|Can you recommend a good book?|What did the president say yesterday?
remind me to call mom tomorrow|How do I remember people's names?|I forgot my password|what should I do first?
who was the first president?|What is the first question of the SAT?|Do you know the capital of France?
how do I summarize an article?|Summarize the conversation between Plato and Socrates|When did we first discover DNA?
Which movie won the first Oscar?|What do I need to open an account?|what did the Romans give us?|What is my credit limit?
where can I see my transactions?|What are my options?|how do I recall an email in Outlook?|did we win world war 2?
What have we learned from the pandemic?|who told Paul Revere?|How do I change my last name?|What is my name in Japanese?
did you know cats sleep 16 hours?|What was the first message sent over the internet?|Write a poem about my dog
what would you suggest?|Why did I get a cash withdrawal fee?|where is my nearest branch?|Did I get charged?
Did you see the eclipse?|He gave me two dates. Which should I take?|What did we inherit from the Neanderthals?|Who am I to judge?
You used butter. Can I use oil?|My second question is about tax: who pays?|Again and again he lies. What can I do?"""


def kind(turn: str) -> QuestionType:
    return LinguisticClassifier().classify(turn, history("shop")).type


@table("turn", ASKED.replace("\n", "|").split("|"))
def test_a_question_for_what_was_said(turn: str) -> None:
    assert kind(turn) is QuestionType.HISTORY_RECALL


@table("turn", NOT_ASKED.replace("\n", "|").split("|"))
def test_a_question_for_something_else(turn: str) -> None:
    assert kind(turn) is not QuestionType.HISTORY_RECALL


def test_what_it_asks_for_is_pointed_at() -> None:
    talk = [
        HumanMessage("My budget is 900 euros."),
        AIMessage("Noted."),
        HumanMessage("I live in Oslo."),
        AIMessage("A fine city."),
    ]
    budget = LinguisticClassifier().classify("What did I say my budget was?", talk)
    assert budget.depends_on == (0,)
    assert budget.dependence is not None
    assert budget.dependence > 0.9
    assert [budget.reasons[0].startswith("asks for what was said"), len(budget.spans)] == [True, 1]
    assert 0 in LinguisticClassifier().classify("What was the first thing I told you?", talk).depends_on
    assert LinguisticClassifier().classify("Repeat your last answer.", talk).depends_on == (2, 3)


@pytest.mark.slow
def test_phrasings_that_nothing_was_tuned_on() -> None:
    asked, not_asked = half(1)
    assert len(asked) + len(half(0)[0]) >= 150
    assert len(not_asked) + len(half(0)[1]) >= 150
    assert sum(kind(turn) is QuestionType.HISTORY_RECALL for turn in asked) >= 0.9 * len(asked)
    assert sum(kind(turn) is QuestionType.HISTORY_RECALL for turn in not_asked) <= 0.05 * len(not_asked)


def test_asking_for_advice_is_not_asking_for_what_was_said() -> None:
    for turn in ("I feel stressed about my exams, any advice?", "I have pain in my knee, any tips?"):
        assert kind(turn) is not QuestionType.HISTORY_RECALL, turn
