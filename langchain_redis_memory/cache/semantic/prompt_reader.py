"""Analyses a prompt: the question and partition to look up, or why the prompt bypasses the cache.

A question that stands alone is looked up among all that stand alone. One that depends on its conversation is replaced
by the question that it means, where a contextualiser is sure of that; else it is looked up together with what was said
before it (`language.need`), or, where the policy compares no conversations, after the very same exchange. What recalls
or continues a conversation and what follows a call of a tool bypasses the cache. Where the user made personal
statements before, a question that may depend on them is compared with them, or bypasses the cache as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

from langchain_core.messages import HumanMessage

from langchain_redis_memory.cache.prompts import Prompt, PromptMessage, Template, model_of, parse_prompt
from langchain_redis_memory.cache.semantic.search import SemanticQuery
from langchain_redis_memory.cache.sharing import (
    AudienceClassifier,
    asks_for_anybody,
    asks_to_know,
    instructs,
    unrepeatable,
)
from langchain_redis_memory.language.audience.linguistic import classify_audience
from langchain_redis_memory.language.classify import Classifier, Verdict, points_outside
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.classify.standalone import spoken
from langchain_redis_memory.language.contextualise.contextualiser import Contextualiser, Rewrite, resolved
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.need.need import Need, need_of
from langchain_redis_memory.language.turn_state import NO_STATE
from langchain_redis_memory.ops import Flow, settled
from langchain_redis_memory.redis.codec.values import pack

T = TypeVar("T")

LONGEST = 2000
"""Characters of a question beyond which an embedding model sees only a part of it."""


def unfit(text: str, longest: int = LONGEST) -> str | None:
    """Checks whether a question can be searched by meaning.

    Returns what is against it: "too_long", "no_text", or None.
    """
    if len(text) > longest:
        return "too_long"
    return "no_text" if _HALF.search(text) else None


def indents_of(text: str) -> list[str]:
    """Finds the white space that may change a question's meaning: indents, what is in quotes, and lines of code.

    Two pieces of code that differ in these only are not the same question.
    """
    text = text.strip()
    found = re.findall(r"^[ \t]+", text, re.MULTILINE)
    for quoted in re.findall(r"\"[^\"]*\"|`[^`]*`|'[^']*'", text):
        found += [space for space in re.findall(r"\s+", quoted) if space != " "]
    if "\n" in text and _CODE.search(text):
        found += [str(len(line.split())) for line in text.splitlines()]
    return found


_CODE = lazy_pattern(r"[#;{}=]|//|--")


inside_lookup: ContextVar[bool] = ContextVar("whether this thread or task is inside of a lookup", default=False)


def bypass_cache_flow(flow: Flow[T]) -> Flow[T]:
    """Runs a flow that calls the user's models: what these ask a cache bypasses it, or it would ask them again."""
    outer = inside_lookup.get()
    inside_lookup.set(True)
    try:
        return (yield from flow)
    finally:
        inside_lookup.set(outer)


class PromptAnalysis(NamedTuple):
    """A prompt as the cache sees it.

    Args:
        query: The question; None where the prompt bypasses the cache.
        bypass: Why it bypasses the cache, as a word of statistics; "" where it does not.
        verdict: What the classifier said; None where it was not asked.
    """

    query: SemanticQuery | None
    bypass: str = ""
    verdict: Verdict | None = None


@dataclass(frozen=True)
class PromptReader:
    """Analyses prompts.

    Args:
        classifier: Decides what a question depends on.
        contextualiser: Says what a dependent question means; None for nobody.
        template: The prompt template that texts are made from; None where prompts are questions.
        scope: Answers are shared only within it.
        longest: Characters of a question that is looked for; longer ones bypass the cache.
        share_private: Whether also questions are served and stored that may depend on earlier personal statements of
            the user.
        share_tools: Whether what follows calls of tools is.
        needs: Whether the policy compares conversations (`NeedPolicy`).
        audience: Says from a question's words for whom its answer is.
    """

    classifier: Classifier
    contextualiser: Contextualiser | None = None
    template: Template | None = None
    scope: str = ""
    longest: int = LONGEST
    share_private: bool = False
    share_tools: bool = False
    needs: bool = False
    audience: AudienceClassifier = classify_audience

    def with_scope(self, scope: str) -> PromptReader:
        """Returns the same reader for another scope."""
        return replace(self, scope=scope)

    def analyse_flow(self, prompt: str, llm_string: str) -> Flow[PromptAnalysis]:
        """Analyses a prompt: the question to look up, or why it bypasses the cache."""
        parsed = parse_prompt(prompt)
        after: Sequence[PromptMessage] = ()
        if parsed.question is None and self.share_tools:
            parsed, after = _before_tools(parsed)
        if parsed.question is None:
            tools = any(said.role == "tool" for said in parsed.history)
            return PromptAnalysis(None, "tools" if tools else "no_question")
        text, variables = parsed.question, dict[str, str]()
        if self.template is not None:
            split = self.template.split(text)
            if split is None:
                return PromptAnalysis(None, "other_template")
            text, variables = split
        indents, text = indents_of(text), " ".join(text.split())
        if (why := unfit(text, self.longest)) is not None:
            return PromptAnalysis(None, why)
        # Where tools looked the world up, their results are part of the key.
        if not after and (sign := unrepeatable(text, self.audience)) is not None:
            return PromptAnalysis(None, sign)
        context: list[Any] = [indents, *([said.role, said.text, said.more] for said in after)]
        if not (parsed.history or parsed.system or variables or after) and points_outside(text):
            return PromptAnalysis(None, "points_outside")
        if not parsed.history:
            return self._found(llm_string, parsed, variables, text, context)
        if any(instructs(said.text) for said in parsed.history if said.role in _USERS):
            return PromptAnalysis(None, "instructed")
        return (yield from self._in_conversation_flow(llm_string, parsed, variables, text, context))

    def _in_conversation_flow(
        self, llm_string: str, parsed: Prompt, variables: Mapping[str, str], text: str, context: list[Any]
    ) -> Flow[PromptAnalysis]:
        """Analyses a question with a conversation before it."""
        history = parsed.messages()
        is_private = not self.share_private and any(
            said.role in _USERS and tells_of_self(said.text) for said in parsed.history
        )
        by_tools = any(said.of_tools for said in parsed.history)
        need = need_of([*history, HumanMessage(text)], personal=is_private) if self.needs and not by_tools else None
        if is_private and need is None and tells_of_self(text):
            return PromptAnalysis(None, "private")
        verdict: Verdict = yield from settled(self.classifier.classify(text, history))
        if verdict.type in _ONE_CONVERSATIONS:
            return PromptAnalysis(None, str(verdict.type), verdict)
        compared = ""
        if verdict.type is QuestionType.CONTEXTUAL_WITH_SEARCH:
            meant = yield from self._meant_flow(text, verdict, parsed)
            before = [] if by_tools else spoken(history)
            judged = (unrepeatable(said, self.audience) for said in (before if meant is None else [meant]))
            passed_over = {"effect"} if meant is None and asks_to_know(text) else set[str]()
            if sign := next((sign for sign in judged if sign and sign not in passed_over), None):
                return PromptAnalysis(None, sign, verdict)
            if meant is not None and not (is_private and self._is_own(meant)):
                if (why := unfit(meant, self.longest)) is not None:
                    return PromptAnalysis(None, why, verdict)
                text = meant
            elif need is not None:
                text = need.text
            elif is_private:
                return PromptAnalysis(None, "private", verdict)
            elif by_tools and not self.share_tools:
                return PromptAnalysis(None, "tools", verdict)
            else:
                # The whole of it is the key: after a side question, what decides stands before that one.
                context += [[said.role, said.text, said.more] for said in parsed.history]
        elif is_private and self._is_own(text):
            if need is None:
                return PromptAnalysis(None, "private", verdict)
            text = need.text
        elif self.needs:
            compared = Need(text, alone=True).text
        return self._found(llm_string, parsed, variables, text, context, verdict, compared)

    def _is_own(self, text: str) -> bool:
        """Whether the answer may depend on what the user told of himself before."""
        return tells_of_self(text) or not asks_for_anybody(text, self.audience)

    def _found(
        self,
        llm_string: str,
        parsed: Prompt,
        variables: Mapping[str, str],
        text: str,
        context: list[Any],
        verdict: Verdict | None = None,
        compared: str = "",
    ) -> PromptAnalysis:
        """The question to look up, in the partition of all that has to be the same."""
        partition = self._partition(llm_string, parsed, variables, context)
        kind = str(verdict.type if verdict else QuestionType.NEW_TOPIC)
        return PromptAnalysis(SemanticQuery(text, partition, model_of(llm_string), kind, compared), "", verdict)

    def _meant_flow(self, text: str, verdict: Verdict, parsed: Prompt) -> Flow[str | None]:
        """Finds the stand-alone question that a dependent one means; None where nobody is sure of it."""
        if verdict.standalone:
            return " ".join(verdict.standalone.split()) or None
        if self.contextualiser is None:
            return None
        rewrite: Rewrite = yield from settled(self.contextualiser.contextualise(text, parsed.messages(), NO_STATE))
        return resolved(text, rewrite)

    def _partition(self, llm_string: str, parsed: Prompt, variables: Mapping[str, str], context: Any) -> bytes:
        """Computes the partition: a digest of all that decides the answer besides the question."""
        template = self.template.text if self.template else ""
        parts = [
            llm_string,
            self.scope,
            list(parsed.system),
            list(parsed.system_more),
            template,
            sorted(variables.items()),
            context,
        ]
        return blake2b(pack(parts), digest_size=16).digest()


_USERS = {"human", "chat"}
_ONE_CONVERSATIONS = {QuestionType.HISTORY_RECALL, QuestionType.CONTEXTUAL_FOLLOW_UP}


def _before_tools(parsed: Prompt) -> tuple[Prompt, Sequence[PromptMessage]]:
    """Splits a prompt into what came up to the user's last words, and what tools gave since."""
    if not parsed.history or parsed.history[-1].role != "tool":
        return parsed, ()
    for at in range(len(parsed.history) - 1, -1, -1):
        said = parsed.history[at]
        if said.role == "human" and not said.more and said.text.strip():
            return Prompt(parsed.system, parsed.history[:at], said.text, parsed.system_more), parsed.history[at + 1 :]
    return parsed, ()


_HALF = lazy_pattern("[\ud800-\udfff]")
_REQUEST = lazy_pattern(
    r"\b(?:(?:(?:how|what|where|when|why|which|that|if|so) )?"
    r"(?:(?:can|could|should|would|may|might|must|do|did|shall|will) i|i (?:can|could|should|may|might|must))|"
    r"(?:tell|give|show|help|let|remind|explain(?: to)?|send|teach|recommend(?: to)?) (?:me|us)|for me|"
    r"i(?:'d| would)? (?:want|like|love|need|wish)(?: you)? to (?:know|learn|understand|see|hear|find|read|ask|get)|"
    r"i(?:'m| am| was) (?:just |also |only )?(?:looking|wondering|asking|searching|interested|curious|sorry)|"
    r"i(?:'m| am| was) trying to (?:understand|learn|find|figure|know)|"
    r"i (?:guess|mean|see(?=[.,;!?]|$)|wonder|understand|suppose|think(?= (?:that|it|so|this|there)\b|[.,;!?]|$))|"
    r"my (?:question|next question)|(?:can|could|should|do|did|shall) we|let us|"
    r"thank(?:s| you)(?: for \w+ing (?:me|us))?)(?!\w)",
    re.IGNORECASE,
)
_SELF = lazy_pattern(
    r"\b(?:i|i'm|i've|i'd|i'll|im|ive|my|mine|me|myself|we|we're|we've|our|ours|us|ourselves|"
    r"ich|mir|mich|mein\w*|wir|unser\w*|je|j'\w+|moi|mon|mes|nous|notre|yo|mis|soy|estoy|tengo|io|sono|mio|mia|eu|meu|"
    r"minha|tenho|ik|mijn|jag|jeg)\b|\b(?:я|мой|моя|мне|меня)\b"
    r"|[我私僕俺]|あたし|わたし|ぼく|おれ|저는|나는|내\s|제\s|أنا|मैं|मेर",
    re.IGNORECASE,
)


def tells_of_self(text: str) -> bool:
    """Checks whether a user's words contain a personal statement, which an answer may then be built from.

    The ways in which anybody asks a question ("can I", "tell me") tell nothing. A word for oneself in one of some other
    languages always does. Returns True also where it cannot be told.
    """
    plain = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return _SELF.search(_REQUEST.sub(" ", plain)) is not None
