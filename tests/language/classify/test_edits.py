"""Requests to change what was said depend on it; instructions that bring all they need do not."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langchain_redis_memory import LinguisticClassifier, QuestionType

PLAN = [HumanMessage("Plan a trip to Rome"), AIMessage("Day 1: Colosseum. Day 2: Vatican.")]
EDITS = """
Make day 2 less busy
Make the plan vegetarian friendly
Make the second section shorter
Make everything cheaper
Make all headings bold
Make each step a checkbox
Move the museum to Friday
Move the conclusion up
Replace John with Maria
Put the dates first
Put lunch before the museum
Cut the last paragraph
Remove the emojis
Drop step 4
Skip chapter 3
Swap the two middle paragraphs
Turn the list into a table
Change the tone to formal
Change Tuesday to Wednesday
Change the font to Arial
Increase the budget to 900
Lower the price
Reduce the length by half
Double the portions
Halve the sugar
Convert everything to metric
Keep the intro but shorten the rest
Merge points 2 and 3
Split the second paragraph
Sort by price
Sort the list by date
Rename the variable to total
Rename the function
Use a dictionary instead of a list
Extend the deadline to June
Add a column for prices
Add tests for the parser
Add error handling
Fix the typo in line 3
Correct the grammar
Give the dragon a friend
Give the main character a brother
Let the hero win
Update the second table
Include vegetarian options
Include a budget for every day
Leave out the museum
Take out the third bullet
Shift everything by one hour
Expand section 2
Elaborate on point 3
Set the limit to 50
Highlight the risks
Tone down the ending
Book the second hotel
Order the cheapest
Read the third one aloud
Now for week 2
I like part 2, but part 1 is too long
Does step 3 need an oven?
What happens on day 4?
What does line 7 do?
Is the second day free?
Put your answer into a single sentence for my children
Can you rewrite your response for a reader of five years?
Translate your last explanation into Dutch
Turn your short list into a quiz about rivers
use British spelling and a friendlier tone
Use Python 3.12
My limit is 500 euros
Our daughter is twelve
Ok but my oven only goes up to 220
Because the last coat of paint peeled off in Spain
Unless it rains in Paris on Sunday
Suppose the buyer from Norway pays in cash
"""
WHOLE = """
Make a packing list for a beach holiday in Greece
Move files from one folder to another in Linux
Replace a toilet seat: what tools do I need?
How do I replace a bike chain?
Remove a red wine stain from a carpet
How do I remove the background of a photo in Photoshop?
Change a flat tire step by step
Change the oil of a Honda Civic
Convert 5 miles to kilometers
Convert 72 F to Celsius
Sort a list of dicts by key in Python
Use of the subjunctive in Spanish
Add a user to the sudo group on Ubuntu
Split a string by commas in JavaScript
Rename a column in a pandas DataFrame
Merge two branches in git
Fix a leaking kitchen tap
Set a static IP address on Windows 11
Write an email to my boss asking for a day off
Give me three ideas for a birthday party
Explain the third law of thermodynamics
What happened on the third day of the battle of Gettysburg?
What is stage 4 lung cancer?
What are the symptoms at week 12 of pregnancy?
What is the second chapter of Genesis about?
What is the first day of spring?
Who was the second president of the United States?
What is type 2 diabetes?
What does Chapter 11 bankruptcy mean?
Translate 'good morning' to Spanish
Include guards in C++: what are they for?
Use Python to find all primes below one million
Give me your opinion on nuclear power in France
Suppose a train leaves Leeds at noon at 100 km an hour. When does it reach London?
If I lose my passport in Spain, what do I do
If you could give me the phone number of the Ritz in London, that would be great.
"""


@pytest.mark.parametrize(("turns", "alone"), [(EDITS, False), (WHOLE, True)], ids=["edits", "whole"])
def test_a_change_to_what_was_said_depends_on_it(turns: str, alone: bool) -> None:
    classify = LinguisticClassifier().classify
    wrong = [
        turn
        for turn in turns.strip().splitlines()
        if (classify(turn, PLAN).type is QuestionType.NEW_TOPIC) is not alone
    ]
    assert not wrong
