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
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, NamedTuple

from langchain_core.messages import HumanMessage

from langchain_redis_memory.cache.prompts import Prompt, PromptMessage, Template, model_of, parse_prompt
from langchain_redis_memory.cache.semantic.bypass import before_tools, tells_of_self, unfit, without_question
from langchain_redis_memory.cache.semantic.search import SemanticQuery
from langchain_redis_memory.cache.sharing import (
    AudienceClassifier,
    asks_for_anybody,
    asks_to_know,
    instructs,
    unrepeatable,
)
from langchain_redis_memory.language.classify import Classifier, Verdict, points_outside
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.classify.standalone import spoken
from langchain_redis_memory.language.contextualise.contextualiser import Contextualiser, Rewrite, resolved
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.need.need import Need, need_of
from langchain_redis_memory.language.turn_state import NO_STATE
from langchain_redis_memory.ops import Flow, settled
from langchain_redis_memory.redis.codec.values import pack


def indents_of(text: str) -> list[str]:
    """Finds the white space that may change a question's meaning: indents, what is in quotes, and lines of code.

    Two pieces of code that differ in these only are not the same question.
    """
    text = text.strip()
    indents = re.findall(r"^[ \t]+", text, re.MULTILINE)
    for quoted in re.findall(r"\"[^\"]*\"|`[^`]*`|'[^']*'", text):
        indents += [space for space in re.findall(r"\s+", quoted) if space != " "]
    if "\n" in text and _CODE.search(text):
        indents += [str(len(line.split())) for line in text.splitlines()]
    return indents


_CODE = lazy_pattern(r"[#;{}=]|//|--")


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
        share_private: Whether also questions are served and stored that may depend on earlier personal statements of
            the user.
        share_tools: Whether what follows calls of tools is.
        needs: Whether the policy compares conversations (`NeedPolicy`).
        audience: Says from a question's words for whom its answer is.
    """

    classifier: Classifier
    contextualiser: Contextualiser | None
    template: Template | None
    scope: str
    share_private: bool
    share_tools: bool
    needs: bool
    audience: AudienceClassifier

    def with_scope(self, scope: str) -> PromptReader:
        """Returns the same reader for another scope."""
        return replace(self, scope=scope)

    def analyse_flow(self, prompt: str, llm_string: str) -> Flow[PromptAnalysis]:
        """Analyses a prompt: the question to look up, or why it bypasses the cache."""
        parsed = parse_prompt(prompt)
        after: Sequence[PromptMessage] = ()
        if parsed.question is None and self.share_tools:
            parsed, after = before_tools(parsed)
        if parsed.question is None:
            return PromptAnalysis(None, without_question(parsed))
        text, variables = parsed.question, dict[str, str]()
        if self.template is not None:
            split = self.template.split(text)
            if split is None:
                return PromptAnalysis(None, "other_template")
            text, variables = split
        indents, text = indents_of(text), " ".join(text.split())
        if (why := unfit(text)) is not None:
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
                if (why := unfit(meant)) is not None:
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
        """Whether the answer may depend on personal statements that the user made before."""
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
