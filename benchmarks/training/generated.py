"""Turns that this project wrote itself: questions with their subject, and the same without it.

Each pattern names its subject once, as `{place}`, `{person}` and so on; the dependent twin drops it or has a pronoun
for it. So the two differ in nothing but what a classifier should look at, and the topics are spread wide: facts,
software, health, shops, travel, cooking, products, work. Questions for what was said differ from their twins in whose
words are asked for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

SUBJECTS = {
    "place": "Norway|Tokyo|Brazil|Lake Victoria|Bergen|South Africa|Paris|Lisbon|Kenya|the Netherlands|Chicago|Iceland|Kyoto|Peru|Vienna|New Zealand|Cape Town|Vietnam|Scotland|Madrid",
    "person": "Marie Curie|Albert Einstein|Ada Lovelace|Nelson Mandela|Frida Kahlo|Charles Darwin|Mozart|Serena Williams|Alan Turing|Jane Austen|Miles Davis|Gandhi|Cleopatra|Isaac Newton|Beyoncé|Leonardo da Vinci",
    "work": "Hamlet|Moby-Dick|The Godfather|Guernica|the Mona Lisa|Carmen|Don Quixote|Abbey Road|The Odyssey|Star Wars|Spirited Away|The Great Gatsby|Casablanca|War and Peace",
    "software": "PostgreSQL|Redis|Docker|Python|MongoDB|Kubernetes|React|Git|Excel|Linux|TensorFlow|nginx|Java|VS Code|Django|Slack|Photoshop|Terraform",
    "illness": "measles|migraine|asthma|diabetes|throat cancer|the flu|anemia|arthritis|malaria|sleep apnea|eczema|high blood pressure|gout|depression|Lyme disease|a sprained ankle",
    "thing": "an electric motor|a heat pump|solar panels|a diesel engine|photosynthesis|inflation|blockchain|a black hole|plate tectonics|natural gas|a mutual fund|an index fund|yeast|vitamin D|antibiotics|a vaccine|lithium batteries|compost",
    "food": "ramen|sourdough bread|risotto|hummus|pad thai|a carrot cake|tofu|kimchi|paella|lasagne|oat milk|an omelette",
    "company": "Netflix|Toyota|IKEA|Airbnb|Nintendo|Spotify|Norwegian Air|Siemens|Tesla|Nokia",
    "product": "the iPhone 15|a Kindle|the Model 3|noise-cancelling headphones|a standing desk|an air fryer|the Pixel 8|a robot vacuum|hiking boots|a gaming laptop|a mountain bike|an espresso machine",
    "policy": "parental leave|remote work|travel expenses|gift cards|overtime|sick leave|student loans|damaged parcels|annual membership|late payments|home insurance|a tourist visa",
    "service": "the night train to Rome|the ferry to Denmark|the Louvre|the Hilton in Bergen|the swimming pool in Lund|the Oslo marathon|the gym on Main Street|the tour of the Vatican|the zoo in Berlin|the language school in Nice|the campsite at Lake Garda|the ski resort in Hemsedal",
    "chore": "a cover letter for a nurse|a speech for a wedding|a poem about autumn|an email to a landlord about the heating|a Python script that renames photos|a SQL query for monthly revenue|a training plan for a half marathon|a packing list for Iceland|a lesson plan about volcanoes|a quiz about Roman history",
}
"""The subjects, by kind."""

PAIRS = {
    "place": "What is the capital of {}?>What is the capital?|What is the population of {}?>What is its population?|What language is spoken in {}?>What language is spoken there?|How far is {} from London?>How far is it from London?|Where is {}?>Where is it?|What is the weather like in {} in March?>What is the weather like there in March?|Do I need a visa for {}?>Do I need a visa?|What can I see in {}?>What can I see there?|which currency is used in {}?>which currency do they use?|What are the best beaches in {}?>What are the best beaches?|How do I get to {} by train?>How do I get there by train?|Is {} expensive?>Is it expensive?|Suggest a three day itinerary for {}>Suggest a three day itinerary|Are there direct flights to {}?>Are there direct flights?|What should I eat in {}?>What should I eat there?",
    "person": "When was {} born?>When was she born?|Where did {} study?>Where did he study?|Who was {}?>Who was he?|How did {} die?>How did she die?|What is {} best known for?>What is she best known for?|Did {} win a Nobel Prize?>Did he win a Nobel Prize?|Who were the parents of {}?>Who were the parents?|what did {} discover?>what did they discover?|Was {} married?>Was he married?|Tell me about the childhood of {}.>Tell me about the childhood.|Who influenced {}?>Who influenced her?",
    "work": "Who wrote {}?>Who wrote it?|When was {} made?>When was it made?|What is the plot of {}?>What is the plot?|Who are the main characters of {}?>Who are the main characters?|Is {} worth it?>Is it worth it?|What did critics say about {}?>What did critics say?|Summarize {} for a child>Summarize it for a child|How long is {}?>How long is it?|Why is {} famous?>Why is it famous?|Which awards did {} win?>Which awards did it win?|What inspired {}?>What inspired it?",
    "software": "What is {}?>What is that?|How do I install {} on Ubuntu?>How do I install it on Ubuntu?|Is {} open source?>Is it open source?|How do I create a backup in {}?>How do I create a backup there?|What are the alternatives to {}?>What are the alternatives?|how fast is {}?>how fast is it?|How do I update {}?>How do I update it?|What is the latest version of {}?>What is the latest version?|Does {} support transactions?>Does it support transactions?|Why does {} crash on startup?>Why does it crash on startup?|Show me an example of a query in {}.>Show me an example.|How do I reset my password in {}?>How do I reset it?|Compare {} with SQLite>Compare it with SQLite|Which companies use {}?>Which companies use it?|What license does {} have?>What license does it have?",
    "illness": "What are the symptoms of {}?>What are the symptoms?|Is {} contagious?>Is it contagious?|How is {} diagnosed?>How is it diagnosed?|What causes {}?>What causes it?|Can children get {}?>Can children get it?|How long does {} last?>How long does it last?|What helps against {}?>What helps against it?|What are the treatments for {}?>What are the treatments?|Does aspirin help against {}?>Does aspirin help against that?|Which doctor treats {}?>Which doctor treats this?|Can I exercise with {}?>Can I exercise with it?|Is there a vaccine against {}?>Is there a vaccine?|Does {} run in families?>Does it run in families?",
    "thing": "How does {} work?>How does it work?|What is {}?>What is it?|Who discovered {}?>Who discovered it?|What are the advantages of {}?>What are the advantages?|What are the risks of {}?>What are the risks?|Explain {} in simple terms>Explain this in simple terms|Is {} dangerous?>Is this dangerous?|What is the difference between {} and water?>What is the difference?|how much does {} cost?>how much does it cost?|Why is {} important?>Why is that important?|When was {} first described?>When was it first described?|Give me three facts about {}.>Give me three facts.|Can {} be recycled?>Can they be recycled?|What would happen without {}?>What would happen without it?",
    "food": "How do I make {}?>How do I make it?|How many calories are in {}?>How many calories are in it?|What do I need for {}?>What do I need for that?|Is {} vegan?>Is it vegan?|How long can I keep {} in the fridge?>How long can I keep it in the fridge?|Can I freeze {}?>Can I freeze it?|What wine goes with {}?>What wine goes with it?|Where does {} come from?>Where does it come from?|give me a recipe for {}>give me the recipe|What can I use instead of eggs in {}?>What can I use instead of eggs?",
    "company": "Who founded {}?>Who founded it?|Where are the headquarters of {}?>Where are the headquarters?|How many people work at {}?>How many people work there?|How does {} make money?>How do they make money?|Who is the CEO of {}?>Who is the CEO?|When was {} founded?>When was it founded?|What is the baggage limit of {}?>What is the limit?|Does {} ship to Canada?>Do they ship to Canada?|What was the revenue of {} in 2020?>What was the revenue in 2020?|Who are the competitors of {}?>Who are the competitors?",
    "product": "How much does {} cost?>How much does it cost?|How long does the battery of {} last?>How long does the battery last?|Is {} worth buying?>Is it worth buying?|What colours does {} come in?>What colours does it come in?|How do I clean {}?>How do I clean it?|What is the warranty on {}?>What is the warranty?|Which size of {} should I buy?>Which size should I buy?|Can I return {} after 30 days?>Can I return it after 30 days?|Where can I buy {}?>Where can I buy it?|What are the dimensions of {}?>What are the dimensions?|Is there a cheaper alternative to {}?>Is there a cheaper one?",
    "policy": "What are the rules for {}?>What are the rules?|Who approves {}?>Who approves it?|How do I apply for {}?>How do I apply for it?|What is the deadline for {}?>What is the deadline?|How many days of {} do employees get?>How many days do I get?|Is there a fee for {}?>Is there a fee?|What documents are needed for {}?>What documents are needed?|Does the contract cover {}?>Does the contract cover that?|Can {} be refused?>Can they refuse?|What happens if {} is rejected?>What happens if it is rejected?|What does the handbook say about {}?>What does it say about that?",
    "service": "Can I bring my bicycle to {}?>Can I bring my bicycle?|Do I need a reservation for {}?>Do I need a reservation?|Which documents do I need for {}?>Which documents do I need?|Are dogs allowed at {}?>Are dogs allowed?|Is breakfast included at {}?>Is breakfast included?|Do children pay the full price at {}?>Do children pay the full price?|How early do I have to arrive for {}?>How early do I have to arrive?|Can I pay by card at {}?>Can I pay by card?|What should I wear to {}?>What should I wear?|Are there discounts for students at {}?>Are there discounts for students?|When do I have to book for {}?>When do I have to book?|How many bags can I take to {}?>How many bags can I take?|Which payment methods are accepted at {}?>Which payment methods are accepted?|Should I buy insurance for {}?>Should I buy insurance?|Which classes are offered at {}?>Which classes are offered?|How many rooms are there at {}?>How many rooms are there?|Can we sit together at {}?>Can we sit together?|Is parking free at {}?>Is parking free?",
    "chore": "Write {}>Make it shorter|Write {} in a formal tone>more formal please|Write {} with at most 100 words>use at most 100 words|Write {} and add a short title>add a short title|Give me {} without any jokes>leave out the jokes|Can you write {} with an example?>can you include an example|Write {} with three bullet points>use three bullet points|Write {} in simple English>with simpler words please|Write {} for a beginner>I am a beginner|Write {} with a friendly ending>change the ending",
}
"""Patterns with a subject, and their twins without."""

DEPENDENT = """Why?|Why not?|Tell me more|And in children?|What about the second one?|Which one is cheaper?|How so?|Can you give me an example?
And for students?|Is that all?|What else?|Anything else I should know?|Which of them is best?|Are there any others?|How much in total?|The first one, please.
Only with a window seat.|Two adults and a child.|Book it for Friday.|That sounds good.|I prefer the blue one.|No, the other one.|Make it shorter.|Can you double it?
Does it come in black?|What if I lose it?|And on weekends?|How long does that take?|Who pays for this?|Is there a cheaper option?|Any side effects?|Any discounts for seniors?
What is the next step?|What should I do first?|How do I do that?|Why did it fail?|Is that legal?|Does the same apply to part-time staff?|What would you pick?|Sort them by price.
Add a column for the date.|Now do it in Java.|Use the second approach.|What does the third line do?|Fix the error.|Can you translate that into French?|What time does it close?|Do they deliver?
Is breakfast included?|How big is the room?|Where exactly?|Since when?|With or without tax?|In euros?|By plane or by train?|For how many people?|Which airline?|From which platform?
Does he still live there?|Did she write anything else?|What happened after that?|Who was the leader then?|How did the others react?|What was the outcome?|Were there any survivors?
Given my budget, which should I take?|Would that suit me?|Is this safe for me?|Can I eat that?|What do you recommend for me?|Which of these fits my diet?|So what should I buy?|Is it too heavy for my bike?
What should I cook tonight?|Which one fits my budget?|Does my plan cover that?|How do I tell them?|What are my options?|Should I accept?|What should I wear?|Will it fit in my garage?
Compare the two.|What is the difference?|Which is better?|Is it better than the old one?|How do they differ?|What are the pros and cons?|List the main points.|What is the conclusion?
I don't have a car.|We are two adults and a baby.|Mine is older.|My wife is vegetarian.|The screen stays black.|It says access denied.|My boss said no.|There is no such button.|I already tried restarting.
The second one is too expensive.|Number 3 sounds good.|What about the last two options?|I'd take option B.|How long does step 2 take?|The first two are fine.|Is the latter safe?|Who wrote the third one?|I like the other two better.
can you add a total row|use only numpy|include a short summary|replace the title|sort by date|remove the comments|group by month|insert a line break|rename the first column|put the verb at the end
How many were there?|Which countries were affected?|What formats are supported?|Which methods were used?|Which rooms are available?|Which cities were destroyed?|What fees are charged?|How many people died?
Do I have to sign?|Can I do that online?|Should I call a doctor?|Can my children come?|Do we need a guide?|What do we need?|When should I start?|How often should I train?|Do I need an account?|Can I cancel later?
Are pets allowed?|Is lunch included?|Is a visa required?|Do students pay less?|Do kids need a ticket?|Is a deposit needed?|Are refunds possible?|Is tax included?|Do members get a discount?|Is a helmet mandatory?
What are the exceptions?|Who is responsible?|When is the deadline?|What are the requirements?|What does section 3 say?|Who signed it?|What is the penalty?|How many pages does it have?"""

ALONE = """Can you recommend a good book about Roman history?|How do I boil an egg?|Tell me a joke.|Write a haiku about autumn.|What is 15% of 240?|How many bones are in the human body?
What is the boiling point of water?|How do I sort a list of dicts in Python?|What is the difference between a list and a tuple in Python?|Who invented the steam engine?|What is the tallest mountain on Earth?
How do I reverse a string in JavaScript?|Why is the sky blue?|What is the speed of light?|How many ounces are in a pound?|How do plants make oxygen?|What is a good name for a cat?|How does the stock market work?
Which planet has the most moons?|Who won the 2018 World Cup?|What does HTTP stand for?|How do you say thank you in Japanese?|What is the CAP theorem?|How can I learn to play chess?|Is smoking harmful?
What year did World War II end?|How do I tie a tie?|Do you sell gift cards?|Do you ship to Canada?|Which payment methods do you accept?|What is your return policy?|How do I change a flat tire?|What is the meaning of life?
Are tomatoes a fruit?|How do vaccines work?|When is Easter in 2025?|How much water should a person drink per day?|What is the best way to learn French?|Who is the president of France?|How do I write a cover letter?
If I buy a used phone, can I return it?|When a customer cancels an order, who pays for the shipping?|How do bees make honey and why do they store it?|Why do cats purr when they sleep?|If a tenant leaves early, does the landlord keep the deposit?
When Einstein was young, where did he live?|How do I read a CSV file in Python and skip its first line?|What is the difference between a virus and a bacterium?|Is it safe to eat raw eggs?|How long does it take to fly from Oslo to Rome?
I need a flight from Oslo to Rome on Friday.|I would like to book a table for four in Bergen tonight.|My washing machine makes a loud noise, what could be wrong?|What are the opening hours of the Louvre?|Find Italian restaurants in Boston.
Are dogs allowed in restaurants in France?|Is tax included in prices in the USA?|Do students pay less at the Prado in Madrid?|Is a helmet mandatory for cyclists in Australia?|Can I bring a knife on a plane?|Do I need a visa for Japan?
What should I wear to a funeral in summer?|When should I plant garlic in Norway?|How often should a beginner train for a marathon?|Which countries were affected by the Chernobyl disaster?|How many people died in World War I?|Which planets are visible from Earth?
Should I call a doctor about a fever of 39 degrees?|What is a left join?|What is a false friend?|What is the second law of thermodynamics?|Who was the first man on the moon?|Who was the third president of the United States?|What were the first two Star Wars films about?
Ok, what is the capital of Peru?|Thanks. How do I boil rice?|Great, and what is the tallest tree in the world?|Um, how old is the pope?|I moved to Spain last year. How do I register a car in Spain?|My dog ate chocolate. Is chocolate poisonous for dogs?
how many days are in a leap year|whats the capital of spain|best way to clean a cast iron pan|who wrote the odyssey|what is machine learning|how to install docker on windows|what causes earthquakes|how old is the universe"""


RECALL = {
    "What did {s} {base} about {x}?": ("I|you|we", "Darwin|the minister|critics|my doctor|he|people|Plato|the court"),
    "When did {s} {base} {x}?": ("I|we|you", "they|Congress|NASA|scientists|the police|Germany"),
    "Which {thing} did {s} {base}?": ("I|you|we", "Picasso|Apple|the jury|experts|she|Harvard"),
    "the {thing} {s} {past} earlier, what was it?": ("I|you|we", ""),
    "Has {s} {past} {x} yet?": ("", "the EU|Netflix|she|the bank"),
    "Did {s} {base} {x}?": ("I|you|we", "Obama|the Greeks|he|Tesla"),
    "What {m} {s} {base} about {x}?": ("", "I|we|you"),
    "How {m} {s} {base} {x}?": ("", "I|we|you|one"),
    "Remind me {w} {s} {past} {x}": ("I|you|we", ""),
    "I can't remember {w} {s} {past}": ("I|you|we", ""),
    "Remember to {base} {x}": ("", "me"),
    "How do I remember to {base} {x}?": ("", "me"),
    "What's {own} {fact}?": ("my", "Elvis's|the president's|your|Anna's"),
    "What is the name of {own} {fact}?": ("my", "Homer's|the king's|your"),
    "What is my {service}?": ("", "me"),
    "Where do I {find} my {service}?": ("", "me"),
    "Where do {s} {live}?": ("I", "penguins|you|most Italians"),
    "How should my {fact} {base} {x}?": ("", "me"),
    "Is my {fact} too old for {x}?": ("", "me"),
    "Your {nth} {piece}, again please": ("me", ""),
    "What was {own} {nth} {piece}?": ("my|your|our", "Lincoln's|the pope's|Mozart's"),
    "How do I write a {nth} {piece}?": ("", "me"),
    "Why did {s} {got} my {service}?": ("", "you|I|they"),
    "Have you ever {been}?": ("", "me"),
    "Did you {do} today?": ("", "me"),
    "How did we {evolve}?": ("", "me"),
    "When did we {evolve}?": ("", "me"),
    "Where did we {evolve}?": ("", "me"),
    "What did I {miss}?": ("", "me"),
    "What have we {gained}?": ("", "me"),
    "What is the {nth} {piece} of {x}?": ("", "me"),
    "Which was the {nth} {piece} ever sent by {x}?": ("", "me"),
    "Sum it up in one {piece}.": ("", "me"),
    "Have we {solved}?": ("", "me"),
    "I {asked} a refund, where is it?": ("", "me"),
}
"""Questions for what was said, with who may be asked about, and who makes it another question."""

FILL = {
    "base": "say|mention|recommend|tell her|suggest|decide|discuss|choose|describe|agree on",
    "past": "said|mentioned|recommended|suggested|decided|discussed|described|talked about|agreed",
    "x": "taxes|the war|climate change|Rome|a visa|music|yoga|the budget|children",
    "thing": "book|city|film|plan|date|hotel|song|reason",
    "m": "should|would|could|can|might|do",
    "w": "what|who|where|why",
    "fact": "dog|wife|birthday|budget|job|sister|hometown",
    "service": "balance|PIN|IP address|horoscope|credit limit|order number|transfer|refund",
    "find": "find|see|change|enter",
    "live": "live|work|come from",
    "nth": "first|last|second|previous",
    "piece": "question|answer|message|suggestion|tip|sentence",
    "got": "get|lose|block|decline",
    "been": "been to Rome|seen snow|eaten sushi|tried yoga|had a cat",
    "do": "sleep well|eat|work|see the game|have fun",
    "evolve": "evolve|get to Mars|invent writing|lose the war",
    "miss": "miss|do wrong|win|pay for|get charged for|break",
    "gained": "gained from the reform|learned from the crisis|lost since 1990|found on Mars|got from the Greeks",
    "solved": "cured cancer|run out of oil|sent a man to Mars|won a medal",
    "asked": "asked for|requested|was told about|wanted",
}

ANSWERS = (
    "Much has been written about {}; in short, it depends.",
    "{} is a common question. Most sources agree on the main points.",
    "For {} there are a few things to know, and I can go into each.",
    "That differs a lot, but {} is usually not hard to judge.",
)
"""What an assistant may have answered."""


def recalls(seed: int = 4) -> Iterator[tuple[str, bool]]:
    """Questions and whether they ask for what was said in their conversation.

    Args:
        seed: Of what fills the patterns.

    Yields:
        Six questions for every pattern and every kind of subject; some in lower case.
    """
    chance = random.Random(seed)
    for pattern, subjects in RECALL.items():
        for asked, group in zip((True, False), subjects, strict=True):
            for _ in range(6 if group else 0):
                one = chance.choice(group.split("|"))
                filled = {name: chance.choice(words.split("|")) for name, words in FILL.items()}
                yield _as_typed(pattern.format(s=one, own=one, **filled), chance), asked


def generated(seed: int = 3) -> Iterator[tuple[str, bool, tuple[str, ...]]]:
    """Turns, whether they depend on a conversation, and what was said before.

    Args:
        seed: Of the choice of subjects.

    Yields:
        Three turns with a subject for every pattern; its twin twice, each behind another question about one subject
        and its answer; and the single turns. Where nothing is said to come before, any conversation may.
    """
    chance = random.Random(seed)
    for kind, patterns in PAIRS.items():
        subjects = SUBJECTS[kind].split("|")
        pairs = [pattern.split(">") for pattern in patterns.split("|")]
        for alone, leans in pairs:
            for subject in chance.sample(subjects, 3):
                yield _as_typed(alone.format(subject), chance), False, ()
            for subject in chance.sample(subjects, 2):
                asked = chance.choice([other for other, _ in pairs if other != alone]).format(subject)
                answer = chance.choice(ANSWERS).format(subject)
                yield _as_typed(leans, chance), True, (_as_typed(asked, chance), answer[0].upper() + answer[1:])
    for text in DEPENDENT.replace("\n", "|").split("|"):
        yield _as_typed(text, chance), True, ()
    for text in ALONE.replace("\n", "|").split("|"):
        yield _as_typed(text, chance), False, ()


def _as_typed(text: str, chance: random.Random) -> str:
    text = text[0].upper() + text[1:]
    return text.lower().rstrip("?.") if chance.random() < 0.15 else text
