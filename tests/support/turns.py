"""English turns in their conversations, with what each depends on: `D` leans on the conversation, `S` stands alone,
`R` asks for what was said before. Rows of `DOUBTFUL` are judged only together."""

from __future__ import annotations

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

TALKS: dict[str, list[str]] = {
    "cancer": [
        "What is throat cancer?",
        "Throat cancer is a tumour of the larynx or pharynx. Smoking is a main cause.",
    ],
    "python": ["How do I read a CSV file in Python?", "Use the csv module: csv.reader(open(path)) gives the rows."],
    "shop": ["What is your return policy?", "You can return items within 30 days, unused and with the receipt."],
    "person": ["Who was Marie Curie?", "Marie Curie was a physicist who discovered polonium and radium."],
    "place": ["Where is Bergen?", "Bergen is a city on the west coast of Norway."],
    "chat": ["Hi! How are you?", "I am fine, thank you. What can I do for you?"],
    "flight": [
        "I need a flight from Oslo to Rome on Friday.",
        "There are two flights, at 9:10 and at 17:45. Which one?",
    ],
    "car": ["How does a diesel engine work?", "It compresses air until it is hot enough to light the fuel."],
    "redis": ["What is Redis?", "Redis is an in-memory data store with keys, lists, hashes and streams."],
    "book": ["Who wrote Moby-Dick?", "Herman Melville wrote it; it was published in 1851."],
}

CLEAR = """
cancer D Is it treatable?
cancer D What are the symptoms?
cancer D How is it diagnosed?
cancer D Why?
cancer D And in children?
cancer D What about smoking?
cancer D Tell me more.
cancer D Can you explain that in simpler words?
cancer D How common is this in Europe?
cancer D Does it run in families?
cancer D What causes it?
cancer D Any other causes?
cancer D Summarize that in one sentence.
cancer D What are the early signs of it?
cancer D How long do they live?
cancer S What is the capital of Australia?
cancer S What is lung cancer?
cancer S How many bones are in the human body?
cancer S Does aspirin help against headaches?
cancer S What are the symptoms of measles?
python D How do I skip the first line of it?
python D What if the file is empty?
python D Does that work on Windows too?
python D Can you show me an example?
python D Why does this fail?
python D And how do I write one?
python D Which is faster?
python D Rewrite it with pandas.
python D What does the second argument do?
python D How would you test that?
python S How do I sort a list of dicts in Python?
python S What is a decorator in Python?
python S How do I install Docker on Ubuntu 22.04?
python S What does os.path.join() return?
python S How do I reverse a string in JavaScript?
python S What is the difference between a list and a tuple in Python?
shop D How long does it take?
shop D What if I lost it?
shop D Do I have to pay for that?
shop D Does this apply to shoes too?
shop D And for sale items?
shop D Where do I send it?
shop D Is there a fee?
shop D Who pays for the shipping?
shop D Can I exchange them instead?
shop S Do you ship to Canada?
shop S Which payment methods do you accept?
shop S How do I reset my password?
shop S Where is the order with the number 48213?
person D When was she born?
person D Where did she study?
person D Who was her husband?
person D Did she win a Nobel Prize?
person D How did she die?
person D What else did she discover?
person D Was he a physicist too?
person D What did they discover together?
person D What is she best known for?
person S When was Albert Einstein born?
person S Who discovered penicillin?
person S Where did Charles Darwin study?
person S Who painted the Mona Lisa?
place D How many people live there?
place D How do I get there?
place D What is the weather like there?
place D Is it expensive?
place D What can I see in that city?
place D Any good restaurants?
place D Is there an airport?
place D Which hotels are near it?
place S What is the population of Tokyo?
place S How far is Paris from London?
place S What language is spoken in Brazil?
place S Where is Lake Victoria?
chat D Thanks!
chat D Ok
chat D Yes
chat D Really?
chat D Great, do that.
chat D I do not understand.
chat S Can you recommend a good book about Roman history?
chat S How do I boil an egg?
chat S What is photosynthesis?
flight D The second one.
flight D Is the earlier one cheaper?
flight D How much is it?
flight D What about Saturday?
flight D Book it.
flight D And the return?
flight D Does it have a stopover?
flight D Two passengers, please.
flight D 17:45
flight D Can I take a dog on it?
flight S What is the baggage limit of Norwegian Air?
flight S How long is a flight from Madrid to Lima?
car D Why is it so loud?
car D Is it more efficient?
car D Which one is cheaper?
car D Is it better than a petrol engine?
car D How is it different?
car D How hot does it get?
car D So what lights the fuel?
car D But why not petrol?
car D What is the difference?
car D Are there any drawbacks?
car S How does an electric motor work?
car S What is the boiling point of water?
car S Who invented the steam engine?
redis D Is it open source?
redis D How do I install it?
redis D How fast is it?
redis D Does it support transactions?
redis D What are the alternatives?
redis D Compare it with Memcached.
redis D What are its limits?
redis D Can you give me the main commands?
redis S What is PostgreSQL?
redis S How do I create an index in MongoDB?
redis S What is the CAP theorem?
book D When did he write it?
book D What is the plot?
book D What is it about?
book D How many pages does it have?
book D Did he write anything else?
book D Who are the main characters?
book S Who wrote Hamlet?
book S When was the Bible printed by Gutenberg?
cancer R What did I ask first?
cancer R What was my first question?
python R Can you remind me what we discussed?
shop R What did you say about receipts?
person R Do you remember what I asked?
place R Summarize our conversation so far.
chat R What is my name?
flight R What have we talked about?
car R Which question did I ask before this?
redis R What did you recommend earlier?
book R Repeat your last answer.
book R What were we talking about?
"""

DOUBTFUL = """
cancer D Which doctors treat patients?
cancer D Risk factors?
cancer D Survival rate in Norway?
cancer S Is smoking harmful?
python D What encoding should I use?
python D How do I handle quotes?
python S How do I parse JSON?
shop D I have lost my receipt.
shop D My shoes are broken.
shop D Do I get cash back?
shop S Do you sell gift cards?
person D Where was Curie buried?
person D Which prizes were awarded?
place D Is there much rain?
place D What do people eat?
chat D I am bored.
chat S Tell me a joke.
chat S Write a haiku about autumn.
flight D Only with a window seat.
flight D From Bergen instead
car D What fuel pressure is needed?
redis D What happens when memory is full?
redis S How do I connect from Python with redis-py?
book D Did critics like the novel?
book D Where is the whale?
"""


def rows(table: str) -> list[tuple[str, str, str]]:
    """(talk, mark, turn) of each row."""
    return [
        (line.split(" ", 2)[0], line.split(" ", 2)[1], line.split(" ", 2)[2]) for line in table.strip().splitlines()
    ]


def history(talk: str) -> list[BaseMessage]:
    """The messages of a talk."""
    asked, answered = TALKS[talk]
    return [HumanMessage(asked), AIMessage(answered)]
