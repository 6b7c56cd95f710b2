"""What a user needs at the end of a conversation: the question, with what of the history may bear on it.

Greetings, thanks and polite replies are left out; all else that the user said is kept, and every reply that says
something. A need has one text, by which it is stored and found: the question, then a line for each thing said. Equal
texts are equal needs, so nothing that may decide an answer is missing from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from langchain_redis_memory.language.classify import content_words, dependence
from langchain_redis_memory.language.classify.standalone import leaning
from langchain_redis_memory.language.english import straight, word_list
from langchain_redis_memory.language.equivalence.question_words import opens_a_question
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.need.politeness import without_politeness
from langchain_redis_memory.language.turn_tokens import WORD

LONGEST = 2000
"""Characters of a need's text; one that is longer is compared with nothing."""
_LONGEST_REPLY = 300
"""Characters of a reply that are kept as they are; of a longer one the start and a digest."""
_SAID, _TOLD, _REPLIED, _ALONE = "- ", "* ", "> ", "="
"""How the lines of a need's text begin: said by the user, the same where it bears on whatever he asks, replied; and the
line of a question that stands alone in its conversation."""

_COURTESY = word_list("need", "courtesy")
"""Words of replies that say nothing."""
_YES_NO = word_list("need", "yes_no")
_POLITE = word_list("need", "polite")
"""Words of a user's turn that is no more than polite."""
_IDENTITY = lazy_pattern(
    r"(?i:\bmy (?:full |first |last |user)?name(?:'s| is)\b|\bi(?:'m| am) called\b|\bcall me\b|\biban\b|@\w"
    r"|\bpassword is\b|\bthis is \w+ (?:speaking|here)\b|\b(?:order|customer|account|booking|contract|policy|card"
    r"|passport|phone|ticket|reference) (?:number|no\.?|id|code)\b)|\b[Ii](?:'m| am) [A-Z]\w+(?:[.,!]|$)"
    r"|\d[\d -]{6,}\d|\b(?=\w*\d)(?=\w*[A-Z])\w{7,}\b"
)
"""Words that say who somebody is, or what belongs to nobody else."""


class Fact(NamedTuple):
    """One thing that was said before the question.

    Args:
        said: What the user said, without what is only polite.
        reply: What was replied, "" for what says nothing.
    """

    said: str
    reply: str = ""


class Need(NamedTuple):
    """A question and what was said before it.

    Args:
        question: The user's last turn.
        facts: What may bear on it, oldest first; empty for a question by itself.
        personal: Whether what was told bears on the question, however well it stands alone: the user told of himself.
        alone: Whether it was asked within a conversation that it does not depend on.
    """

    question: str
    facts: tuple[Fact, ...] = ()
    personal: bool = False
    alone: bool = False

    @property
    def text(self) -> str:
        """The need in one text."""
        lines = [self.question, *([_ALONE] if self.alone else [])]
        for fact in self.facts:
            lines += [(_TOLD if self.personal else _SAID) + fact.said] if fact.said or not fact.reply else []
            lines += [_REPLIED + fact.reply] if fact.reply else []
        return "\n".join(lines)

    @property
    def bearing(self) -> tuple[Fact, ...]:
        """The facts without asides: questions of their own that were answered and that nothing later goes on with.

        Something that is not a question has to remain, and whatever was said last: the question leans on that.
        """
        rest = [at for at, fact in enumerate(self.facts) if not self._is_aside(at)]
        told = any(self.facts[at].said and not _asks(self.facts[at].said) for at in rest)
        return tuple(self.facts[at] for at in rest) if told else self.facts

    @property
    def asked(self) -> str:
        """The question without what is only polite."""
        return without_politeness(self.question)

    @property
    def lines(self) -> tuple[str, ...]:
        """The question, and what the user said before, without asides."""
        return (self.asked, *(fact.said for fact in self.bearing if fact.said))

    @property
    def words(self) -> str:
        """The user's own words, without asides."""
        return " ".join([self.asked, *(line if line[-1] in ".?!" else f"{line}." for line in self.lines[1:])])

    @property
    def gist(self) -> str:
        """What an embedding model is given: the user's words, the question more often where it leans on less."""
        return f"{self.asked} " * round(2 * (1 - leaning(self.asked))) + self.words if self.facts else self.words

    def _is_aside(self, at: int) -> bool:
        fact = self.facts[at]
        if at == len(self.facts) - 1 or not fact.reply or not _asks(fact.said) or dependence(fact.said):
            return False
        others = " ".join([self.question, *(other.said for place, other in enumerate(self.facts) if place != at)])
        return content_words(fact.said).isdisjoint(content_words(others))


def read_need(text: str) -> Need:
    """Reads the text of a need; a question by itself is one."""
    question, *lines = text.split("\n")
    alone = lines == [_ALONE]
    facts: list[Fact] = []
    for line in [] if alone else lines:
        if line.startswith(_REPLIED):
            reply = line.removeprefix(_REPLIED)
            open_ = bool(facts) and not facts[-1].reply
            facts[-1:] = [facts[-1]._replace(reply=reply)] if open_ else [*facts[-1:], Fact("", reply)]
        else:
            facts.append(Fact(line[len(_SAID) :]))
    return Need(question, tuple(facts), any(line.startswith(_TOLD) for line in lines), alone)


def gist_of(text: str) -> str:
    """Returns what an embedding model is given for a question or the text of a need.

    Returns:
        A question by itself as it is, else the need's gist.
    """
    return read_need(text).gist if "\n" in text else text


def need_of(conversation: Sequence[BaseMessage], *, personal: bool = False) -> Need | None:
    """Reads the need at the end of a conversation.

    Args:
        conversation: Its messages, oldest first, the question last. System messages are left out: they are the
            application's.
        personal: Whether what was told bears on the question, however well it stands alone.

    Returns:
        The need; None where it is not all text of a user and an assistant (calls of tools, images), too long, or says
        who the user is: an answer to it may call him by his name.
    """
    said = [message for message in conversation if not isinstance(message, SystemMessage)]
    if not said or not isinstance(said[-1], HumanMessage) or not all(map(_plain, said)):
        return None
    question = " ".join(str(said[-1].text).split())
    facts: list[Fact] = []
    for message in said[:-1]:
        text = " ".join(str(message.text).split())
        if isinstance(message, HumanMessage):
            said_ = without_politeness(text)
            asked_back = bool(facts) and facts[-1].reply.endswith("?")
            if said_ and not (says_nothing(said_) or (not asked_back and _words(said_) <= _YES_NO)):
                facts.append(Fact(said_))
            continue
        reply = "" if is_courtesy(text) else _kept(text)
        if reply and facts and not facts[-1].reply:
            facts[-1] = facts[-1]._replace(reply=reply)
        elif reply:
            facts.append(Fact("", reply))
    need = Need(question, tuple(facts), personal)
    named = any(_IDENTITY.search(line) for line in (question, *(fact.said for fact in facts)))
    return need if question and not named and len(need.text) <= LONGEST else None


def says_nothing(text: str) -> bool:
    """Checks whether a user's turn is no more than polite."""
    return _words(text) <= _POLITE


def is_courtesy(reply: str) -> bool:
    """Checks whether a reply says nothing that a question could lean on.

    Returns:
        True where it is made of polite words only.
    """
    return _words(reply) <= _COURTESY


def _words(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(straight(text))}


def _plain(message: BaseMessage) -> bool:
    """Whether a message is text of the user or the assistant, and nothing else."""
    if isinstance(message, AIMessage):
        calls = message.tool_calls or message.invalid_tool_calls or any(message.additional_kwargs.values())
        return not calls and message.name is None and _all_text(message)
    extras = any(message.additional_kwargs.values())
    return isinstance(message, HumanMessage) and message.name is None and not extras and _all_text(message)


def _all_text(message: BaseMessage) -> bool:
    blocks = message.content if isinstance(message.content, list) else []
    return all(isinstance(block, str) or block.get("type") == "text" for block in blocks)


def _kept(reply: str) -> str:
    if len(reply) <= _LONGEST_REPLY:
        return reply
    return f"{reply[:_LONGEST_REPLY]} #{blake2b(reply.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


def _asks(text: str) -> bool:
    return text.endswith("?") or opens_a_question(text.lower())
