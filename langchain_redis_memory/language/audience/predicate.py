"""Signs of what a predicate says: a state that passes ("is flooded", "is cooking"), or a rule that lasts ("is included").

Linguists call them stage-level and individual-level predicates. A question for a passing state is volatile whatever it
is of; one for a rule, a facility or a schedule is answered alike for all. Also whose doing a past event was: what "the
clerk" or "you" did is known only to those who were there.
"""

from __future__ import annotations

import re
from functools import cache

from langchain_redis_memory.language.audience.words import SentenceSigns, word_lists

_FORMS = {
    "stage": (
        r"^(?:is|are) (?!it |there |an? )(?:(?!(?:{lasting})$)[\w'.-]+ ){{1,7}}(?<!the )(?:{stage})(?: (?:yet|again|by \w+|at \w+|for an? \w+))?$"
        r"|^(?:is|are) (?!it |there )(?:[\w'.-]+ ){{1,5}}(?:still|being|already) "
        r"|^(?:which|what|how (?:many|much)|who)(?: [\w'-]+){{0,4}}?(?:'s| is| are) (?:still |currently |being )*(?:{stage})"
        r"(?: (?:in|on|at|for|by|with)\b.*)?$"
        r"|^(?:which|how (?:many|long)|where) (?:[\w'-]+ ){{0,3}}(?:is|are) (?:(?!the )[\w'-]+ ){{0,2}}(?!{thing}\b)[a-z]{{2,}}ing\b"
        r"|^what (?:are (?!the )[\w'-]+|is (?:he|she|everyone|the \w+)) (?!{thing}\b)[a-z]{{2,}}ing$"
        r"|^(?:what|which)(?: \w+)? (?:is|are) being |^who(?:'s| is| are) (?!{thing}\b)[a-z]{{2,}}ing\b"
        r"|^(?:is|are) (?:the|my|our|your|this|that|[a-z']+'s|they|he|she|mrs?|ms|dr)\b.* (?!{thing}\b)[a-z]{{3,}}ing\b"
        r"|\b(?:is|are|'s) (?:[\w' ]{{2,30}} )?(?:on|off|under|at|in|out of) (?:\w+ )?(?:{condition})\b"
        r"|^what(?:'s|s| is) for (?:lunch|dinner|breakfast|tea|dessert|supper)\b"
    ),
    "lasting": (
        r"^(?:is|are|which|what|how many|when|why|how)\b(?!.*\b(?:will|being)\b).* (?:{lasting})"
        r"(?: (?:in|to|for|at|by|with|on|of|from)\b.*)?$"
    ),
    "perfect": (
        r"^(?:has|have|hasn't|haven't) (?!you ever|anyone ever|there ever|to ).* ?(?:\w+(?:ed|en|wn|ne|un|ght)|got|left|lost|"
        r"met|put|set|hit|cut|come|been|sent|found|split|sold|paid|read|heard|made|had)\b"
        r"|^(?:which|what|how many|who|where) (?!.*\bdo\b).{{0,40}}\b(?:has|have) (?:[\w' ]{{2,20}} )?(?:been|\w+ed|got|"
        r"begun|left|come|gone|sold|taken|broken|found)\b"
    ),
    "who_holds": r"^who (?!was|is|does|has|makes|sells)(?:[a-z]+s) (?:the|our|this|here)\b",
    "who_general": r"^who (?:can|may|must|should|has to|needs to|(?!was|is|does|has|runs|leads)[a-z]+s) (?!the\b|our\b|this\b|my\b|i\b|we\b|it\b)",
    "past_the": (
        r"^(?:why|when|how|where|who) (?:did|was|were) (?:the|they)\b(?!.*\b(?:{history})\b)"
        r"|^what (?:was|were) the (?!first|last|most|[a-z]+est\b)[\w-]+(?: [\w-]+)?$"
    ),
    "past_who": (
        r"^who (?!(?:{history})\b)(?:\w{{2,}}ed|paid|took|sent|left|got|put|brought|bought|gave|told|saw|had|did)\b(?!.*\bfirst\b)"
    ),
    "tally": r"^how many (?:\w+ )?(?:{tally}) (?:does|do|has|have|did)\b",
    "release": (
        r"^when (?:does|do|is|are|will|can)\b.*(?:\bcome out|\breleased|\bback|\barrives?|\bair|\bpremieres?|\blaunch(?:ed)?|"
        r"\bready|\bcontinue|\bresume)\b"
    ),
    "thing_defined": (
        r"^what(?:'s|s| is| are) (?!the |my |our |your |his |her |their |an? |this |that |these |new\b|up\b|next\b|on\b|in\b|left\b|"
        r"wrong\b|for\b|it\b|they\b|there\b|around\b|happening\b|going\b|playing\b|number one\b)[\w'().+#-]+(?: [\w'+#-]+)?$"
    ),
    "did_the": (
        r"^(?:(?:what|which [a-z]+) did|did|has) (?:the|they|he|she|that|this|anyone|anybody|someone|mrs?|ms|dr)\b"
    ),
    "you_did": r"\b(?:did|have) you\b(?! (?:know|ever|got|heard|seen)\b)|\byou (?:gave|sent|took|told|showed|charged|found|kept)\b",
    "third_person": r"^(?!.*\b(?:was|were)\b).*\b(?:he|she|him|her|his|hers)\b",
    "rule": (
        r"^what(?:'s|s| is| are|) (?!my |our )(?:the |your |a )?(?:(?:minimum|maximum|usual|standard|normal|legal|average|recommended) .*"
        r"|(?:[\w'-]+ ){{0,3}}(?:{rule})(?: (?:of|on|for|in|at|to|about|after|before|between|per)\b.*)?)$"
        r"|^how long (?:is|are) (?:the |an? )?(?:[\w'-]+ ){{0,2}}(?:{rule})\b"
    ),
    "facility": (
        r"^(?:do|does) (?!i |my |we |our |it |they |he |she )(?:the |your |an? )?(?:[\w'-]+ ){{1,3}}(?:have|has|offer|include|serve|cover|accept|allow|take|cater|provide|"
        r"contain|teach|learn|pay|come with|ship|deliver|sell|treat|rent) (?!any\b|(?:(?:an?|two|some|the) )?(?:{bookable})\b)\w"
        r"|^(?:is|are) there (?:an? )?(?!(?:[\w-]+ )?(?:{bookable})\b|any\b|still\b)[\w-]+(?: [\w-]+)?(?: (?:for|to|on|at) \w+ ?\w*)?$"
        r"|^where (?:is|are) the [\w-]+(?: [\w-]+)?$"
    ),
    "bookable": r"^(?:(?:is|are) there|do you have|have you got|does the [\w-]+ have) (?:an? |any |some |two )?(?:free |open |available |vacant )?(?:{bookable})\b",
    "schedule": (
        r"^(?:when|what time|on which days?) (?:is|are|does|do) (?!the\b|my\b|our\b|it\b|this\b|that\b|i\b|we\b|you\b|they\b|he\b|"
        r"she\b|there\b|[a-z]+'s\b|claim\b|order\b)[a-z-]+(?: [a-z-]+)? ?(?:served|collected|planted|due|held|begin|begins|start|"
        r"starts|end|ends|open|close|closed|bloom|ripe|harvested|paid|sown|celebrated|)(?: (?:in|on|at|for) .*)?$"
        r"|^when do (?:the )?[\w -]*(?:holidays|terms?|semesters?|seasons?) (?:start|begin|end)\b|^when are you open\b"
        r"|^what (?:are|is) your (?:opening |business )?(?:hours|times)\b"
    ),
}
"""A sign by the form that shows it; names in braces are word lists of `words.json`."""


@cache
def _forms() -> dict[str, re.Pattern[str]]:
    lists = {name: "|".join(sorted(words, key=len, reverse=True)) for name, words in word_lists().words.items()}
    return {name: re.compile(form.format_map(lists)) for name, form in _FORMS.items()}


def predicate_signs(text: str, found: SentenceSigns, *, named: bool) -> None:
    """Finds the signs of a sentence's predicate.

    Args:
        text: The sentence's words in lower case, from where it starts.
        found: Its signs so far; those of the predicate are added.
        named: Whether a word inside it is capitalised: what a name did is history.
    """
    for name, form in _forms().items():
        if (shown := form.search(text)) and not (named and name in ("did_the", "third_person", "past_the")):
            found.add(name, shown[0][:40])
    if "stage" in found.signs and "lasting" in found.signs and not text.endswith(found.signs["stage"][-8:]):
        del found.signs["stage"]
    if "hours" in found.signs:
        found.signs.pop("stage", None)
