"""Regular expressions for phrasings of dependent questions and of topics. English."""

from __future__ import annotations

import re

from langchain_redis_memory.language.lazy_pattern import lazy_pattern

KINDS = {
    **dict.fromkeys(("it", "its", "itself", "it's"), "it"),
    **dict.fromkeys(("they", "them", "their", "theirs", "themselves", "they're"), "they"),
    **dict.fromkeys(("he", "him", "his", "himself", "he's"), "he"),
    **dict.fromkeys(("she", "her", "hers", "herself", "she's"), "she"),
}
POSSESSIVE = frozenset(("its", "their", "his", "her"))
PRONOUN = lazy_pattern(rf"\b(?:{'|'.join(sorted(KINDS, key=len, reverse=True))})\b(?!['-])", re.IGNORECASE)
POINTING = lazy_pattern(r"\b(?:this|that|these|those) (?P<noun>[a-z]+)\b(?= ?(?P<next>[a-z]*))", re.IGNORECASE)
FILLER = lazy_pattern(
    r"^(?:(?:ok(?:ay)?|great|thanks|thank you|oh|ah|wow|interesting|i see|cool|nice|well|alright|hmm+|so|and|but)\b[,.! ]+)+",
    re.IGNORECASE,
)
EXPLETIVE = lazy_pattern(
    r"\b(?:is|was|will|would|could|can|does|did|might|isn't|be) it (?:be )?(?:\w+ ){0,2}?(?:possible|ok(?:ay)?|true|safe|legal|illegal|"
    r"better|worth|necessary|important|hard|harder|easy|easier|difficult|good|bad|common|normal|like|best|take|cost|mean|matter|hurt) "
    r"(?:\w+ ){0,3}?(?:to|that|if|when)\b|\b(?:rain|snow)\w*\b|\b(?:time|day|date|year) is it\b|\bit(?:'s| is| was) \w+ (?:to|that)\b|"
    r"\b(?:make|makes|made|find|finds|take|takes|took) it\b|\bit (?:take|takes|seems|appears|turns out)\b|\bwhat is it like\b",
    re.IGNORECASE,
)
ABOUT_THE_ANSWER = lazy_pattern(
    r"\b(?:translate|summari[sz]e|shorten|rephrase|reword|rewrite|simplify|paraphrase|format|elaborate|expand|repeat|spell|"
    r"proofread|say|put|phrase|read|send|correct|fix|check|edit|save|print|copy) (?:it|that|this|them|those|these)\b|"
    r"\b(?:again|once more|shorter|simpler|longer|in (?:other|simple|fewer|plain|one|two|\d+) (?:words?|sentences?)|"
    r"more (?:simply|detail|formal\w*)|bullet points|as an? (?:list|table|poem|story|email))\b|"
    r"\b(?:is|are) (?:it|that|this|they) (?:really |actually )?(?:true|right|correct|wrong|sure|accurate|all|everything)\b",
    re.IGNORECASE,
)
CLAUSE = lazy_pattern(
    r"[,;.:]|\b(?:and|or|but|if|when|because|while|that|which|who|since|so|after|before|than)\b", re.IGNORECASE
)
ABOUT = lazy_pattern(r"^(?:and )?(?:what|how) about (?P<new>[^?.!]{2,80}?)\s*[?.!]*$", re.IGNORECASE)
AND_IN = lazy_pattern(
    r"^(?:and|but) (?P<new>(?:in|for|on|at|with|without|during|from) [^?.!]{2,80}?)\s*[?.!]*$", re.IGNORECASE
)
TOPIC = lazy_pattern(
    r"^(?:(?:what|who)(?:'s| is| are| was| were) |(?:please )?(?:tell(?: me)?|explain|describe|talk|teach me)(?: me)?(?: more)?(?: about)? |"
    r"how (?:do|does|did) \S+(?: \S+)? work\b|where (?:is|are|was|were) )",
    re.IGNORECASE,
)
REQUEST = lazy_pattern(
    r"^(?:please |can you |could you |i(?:'d| would)? |we )*(?:recommend|suggest|give|find|show|need|want|like|look|am looking|name|list|book|get|"
    r"write|make|create|tell me (?!.*\babout\b))\b",
    re.IGNORECASE,
)
LACKING = lazy_pattern(
    r"^(?:what|which) (?:is|are|was|were) (?:(?:the|some|its|their) )?(?:[a-z-]+ ){0,2}(?P<noun>[a-z-]+)\s*[?.!]*$|"
    r"^(?:tell me (?:more )?about|describe|explain|list|name|give me) (?:(?:the|some) )?(?:[a-z-]+ ){0,2}(?P<noun2>[a-z-]+)\s*[?.!]*$",
    re.IGNORECASE,
)
