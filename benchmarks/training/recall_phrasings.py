"""Questions for what was said before, and questions that only look like one: written for this project.

They were written and split in two by the hash of their text before anything was tuned: `half(0)` is for tuning and for
the weights, `half(1)` only tells how well that does. So whoever adds a phrasing must not choose its half.
"""

from __future__ import annotations

from hashlib import blake2b

ASKED = """
what was that film you mentioned?|What's the name of the book you suggested?|How many questions have I asked?|Repeat your first answer
Go back to what you said about insurance|scroll up, what was the first city?|what were we talking about?|List everything I told you
What do you know about me?|What's my dog's name again?|Which city did I say I live in?|did I already tell you where I work?
What was my budget?|As I said before, what did I want to spend?|In our last conversation, what did we settle on?
yesterday you told me about a trick for onions, what was it?|Can you recall what I ordered?|Refresh my memory: which plan was cheaper?
Can you bring up that recipe from earlier?|quote me on the deadline|Who did I say is coming to the party?|waht did i say abuot my sister
could you kindly tell me what I asked you a moment ago?|my name?? do you still have it|Which hotel was it that I liked?
What colour did I tell you my car is?|When did I say the meeting was?|where did i say i parked|What did you just say?
sorry I missed that, what did you say?|Come again?  What did you recommend?|Say that last bit again please|what was your previous reply
Which of your suggestions did I reject?|Did we talk about pricing yet?|Have I told you about my knee?|Have you already given me the address?
did you mention a discount earlier|You said something about a deposit, how much was it?|You told me two reasons, what was the second?
I told you my size earlier, what is it?|Remember the project I described? What was it called?|do you remember my wife's name|Do you recall our talk about Rome?
what else did I ask for|What else did we discuss?|Who was the author you named?|Which author did you name first?|The restaurant you told me about, what was it called?
That museum you recommended - where is it again?|Where was the cafe you mentioned?|How long did you say I should bake it?|how much did i say i can pay
How many guests did I say there would be?|How often did you tell me to water it?|Why did you say the first option was better?
Why did I say I was leaving my job?|What reason did I give for cancelling?|What reasons did you list?|What example did you use?
what number did you give me|Which steps have we done so far?|What have we established?|What's on the list I gave you?|Read back my list
Read me back what I dictated|Can you show me my earlier message?|Show me our chat from the start|Pull up what I wrote about the kitchen
Find the part where I talked about my allergy|Look up what we agreed on Monday|go back a few messages, what was the link?|what was in your first message?
What was the last thing I said?|and what was the question before that one?|My previous question, what was it?|What did I begin with?
How did we get onto this subject?|What topic did we start from?|Which topics have come up so far?|Give me the gist of our discussion
Sum up what I've told you|recap what you know so far about my trip|Can you summarise the conversation?|brief summary of this chat please
tldr of what we said|Give me a list of all the books you've recommended|All the places you named, please list them again|Name the three options you offered
Which option did you call the safest?|what was option two again?|The second tip you gave, could you repeat it?|Tip number three - what was it again?
What were the ingredients you listed?|what was the password hint I gave you|what's my favourite team|Do you know my birthday?|What am I saving for?
Where do I work?|Where did I go to school, I told you|how old is my daughter|what breed is my dog|who is my boss|what's my sister called
When is my flight?|Which airline am I flying with?|What time is my appointment?|what day is my exam|what did i have for breakfast yesterday
What did I tell you about my mother's illness?|What did my doctor say, I told you earlier|Which pill did I say I take?|What's my goal weight again?
What are my dietary restrictions?|what do I do for a living?|what are my hobbies|What instrument do I play?|which language am I learning
what did we decide|What was our conclusion?|What was the plan?|what did we agree to do on Saturday|Was it red or blue that I wanted?
was it you who suggested the train?|Who suggested Lisbon, you or I?|Did I say Thursday or Friday?|Did you say left or right?|Wasn't it ten percent you said?
I thought you said it was free?|Didn't I tell you I'm vegan?|Have we met before?|Have we spoken before?|Is this the first time I ask you that?
How many times have I asked you this?|how many recipes have you given me so far?|how long have we been talking|when did we last talk|What did we talk about last week?
Last time you gave me an exercise, which one?|In the previous session you promised me a link. Which?|The other day I asked about mortgages, what was your answer?
A few minutes ago I mentioned a date, which one?|Earlier I gave you an address; can you give it back to me?|Before lunch you explained recursion, how did it go?
remind me of my budget|Remind me, what was the code?|Remind me which hotel we picked|Please remind me who recommended that|I forgot the name of the wine you mentioned
I can't remember what you advised|i lost track, where were we|Where were we?|where did we leave off|What was I saying?|what was i asking about
You were telling me about volcanoes, what came after that?|What did you mean by your first answer when you said it depends?|What were your exact words about the refund?
Tell me again what you said about taxes|Tell me again how you got that number|One more time, what was the address?|Once more: which street?
What was it I wanted to buy?|What is it that I asked you to do?|What task did I give you?|What did I want you to remember?|What did I ask you to remind me of?
Did I mention my age?|Did I ever say why?|Did you ever answer my question about parking?|Which question did you not answer?|What haven't you answered yet?
What information do you have on me?|What have you stored about me?|what facts did you learn about me|tell me something I told you about myself
According to what I said, how many kids do I have?|Based on what I told you, where do I live?|from what we discussed, which one was cheapest?
""".strip()

NOT_ASKED = """
what did Einstein say about quantum mechanics?|When did we land on the moon?|What did the president mention in his speech?|How do I recall an email in Outlook?
What is my balance?|did I get charged twice?|have you ever been to Paris?|What did you do today?|What do you recommend?|who did Real Madrid beat?
What was said at the UN yesterday?|What did Shakespeare write about love?|who said I have a dream|Which president said ask not what your country can do for you?
What did the Pope say about war?|When did Apple announce the iPhone?|How many questions are on the driving test?|How do I ask for a raise?|How should I ask for a refund?
What should I say in an interview?|What do I tell my boss?|What would you say to a friend who is sad?|How do I tell my parents I failed?|Can you tell me about Rome?
What can you tell me about black holes?|Tell me about the first moon landing|What is the first thing to do after an accident?|What was the first film ever made?
What was the last book of the Bible?|Who was the last tsar?|What was the second world war about?|What was the question in the Hitchhiker's Guide?
What do you know about chemistry?|Do you know a good dentist?|Do you know how to cook rice?|did you know that honey never spoils?|Do you remember the nineties?
how can I remember names better?|Why do we forget things?|I forgot my PIN|I forgot to pay the bill, what now?|I can't remember my password|how do I remind my tenants to pay
remind me to water the plants|Remind me at 5 to call Anna|Set a reminder for tomorrow|What's a good name for my dog?|What should I name my cat?
What is my horoscope for today?|What is my IP address?|Where is my phone?|Where is my order?|When will my card arrive?|when is my next payment due?|Why is my internet slow?
Why was my card declined?|What is my credit score and how do I raise it?|How do I find my account number?|How do I change my name?|what are my rights as a tenant?
How old is the universe?|how old is Tom Hanks|Who is my congressman?|who is the boss of Amazon|Where do I vote?|Where do I sign?|where do I put the stamp?
What do I do if the engine overheats?|what do I do when I lose my card|What am I supposed to wear to a wedding?|What am I doing wrong?|Am I eligible for a loan?
Have I been charged a fee?|Have I reached my limit?|Did my payment go through?|Did I pay twice?|Did my transfer arrive?|have we found life on Mars?|Have we cured malaria?
When did we start farming?|How did we evolve?|What have we learned from history?|why did we go to war in Iraq|What did we use before electricity?
What did you think of the film?|did you sleep well?|Did you have a nice weekend?|have you read any good books?|Have you got any pets?|What did you eat today?
Where did you grow up?|Where did you go to college?|what did you study?|what do you do for fun?|Do you like music?|how do you know that?
What does my insurance cover?|Can my wife use my card?|is my dog too fat?|What can I feed my dog?|What should my daughter read?|how much should my son weigh?
What did the Romans eat?|What did dinosaurs look like?|What did Freud mean by the unconscious?|what did the judge decide in the case|What was agreed at the climate summit?
What was discussed at the G7 meeting?|Who told Caesar to beware the Ides of March?|Who mentioned the theory of relativity first?|What book did Orwell write first?
Which films did Kubrick direct?|Which city did Mozart live in?|When did Napoleon say that?|how many words did Shakespeare invent|What is a conversation starter?
How do I start a conversation?|how do I end a chat in WhatsApp|How do I delete my chat history?|What is a session cookie?|How do I summarize a novel?
Summarize the French Revolution|Summarise chapter 3 of Hamlet|give me a summary of the Odyssey|Recap the last season of Lost|List all the presidents|List the planets in order
Repeat the word banana ten times|Say hello in Spanish|What comes after a million?|what was the price of gold in 1980?|what was the score last night?
What was the weather like yesterday?|What happened in 1989?|What was invented earlier, the fork or the spoon?|What came first, the chicken or the egg?
Who was there before Columbus?|Which came before jazz?|How was the pyramid built?|Where was Obama born?|Where were the Olympics in 2012?|What were the causes of the war?
What was the name of Alexander's horse?|What's the name of the longest river?|what is the name of Batman's butler|Which book should I read next?|Which hotel would you choose in Oslo?
What do you suggest for dinner?|Can you recommend a film?|Could you suggest a gift for my mom?|Would you recommend the train?|what would you advise
I read about a diet yesterday, is it healthy?|I talked to my doctor, should I worry about cholesterol?|I asked my landlord to fix the sink and he won't, what can I do?
My boss told me I am late too often, how do I respond?|He said he loves me, what should I answer?|My friend recommended yoga, does it help?|They told me the fee is 10 euros, is that normal?
We agreed on a price with the seller but he backed out, is that legal?|We have two kids, which car is best?|I live in Oslo, where can I ski?|I work at night, how can I sleep better?
My budget is 500 euros, which laptop should I buy?|my name is Anna|I told her the truth.|I like jazz, do you?|I have a dog, do you have any pets?|I already paid, why do I get a reminder?
you said it!|You told him!|As they say, what goes around comes around, what does it mean?|What does it mean when people say break a leg?|What did he say?|what did she tell you
what did they discuss?|When did she mention it?|Did he agree?|Who recommended it?|What is the agreed UN definition of genocide?|What do experts recommend?
How often do doctors recommend a checkup?|What was Kennedy's last message?|What was the first question asked on Jeopardy?|Where did the talk about aliens begin?
What are the previous versions of Windows?|How do I get back to my previous job?|How do I scroll up in tmux?|how to bring up the task manager|How do I quote a book in APA?
how do I go back in time|How do I list everything in a folder?|What was Plan B in the movie?|What was the plan of Hitler in 1941?|How do I undo my last commit?
""".strip()


def _split(text: str) -> list[str]:
    return [one.strip() for line in text.splitlines() for one in line.split("|")]


def half(number: int) -> tuple[list[str], list[str]]:
    """One half of the phrasings.

    Args:
        number: 0 for the half that is tuned on, 1 for the one that is only judged.

    Returns:
        Questions for what was said, and the others.
    """

    def here(text: str) -> bool:
        return blake2b(text.encode(), digest_size=2).digest()[0] % 2 == number

    return [one for one in _split(ASKED) if here(one)], [one for one in _split(NOT_ASKED) if here(one)]
