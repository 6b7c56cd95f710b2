"""Which type of question is it? The `Classifier` protocol and the one that needs no model.

`RulesClassifier` looks for what makes a turn lean on its conversation: a pronoun or demonstrative that nothing in the
turn itself resolves, a question that lacks its verb or its object, a comparison without a standard, "the" before a
noun that the turn never introduced, a word that continues ("and", "what about"). Recall has phrasings of its own.
The two errors have different prices: a dependent turn taken for a self-contained one can serve a wrong answer, the
other way round only costs a cache hit. So doubt, and any language but English, counts as dependent.

Long because of its word lists.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.ops import Flow, Step
from langchain_redis_memory.policy import QuestionType


@dataclass(frozen=True)
class Verdict:
    """What a classifier decided.

    Args:
        type: The type of question.
        confidence: How sure it is, 0 to 1.
        reasons: Why, for people: the words and rules that decided.
        standalone: The question as it would be asked without its conversation, where the classifier knows; the
            retriever is asked this.
        dependence: The calibrated probability that the turn depends on its conversation; None where the classifier
            gives none.
        spans: Where in the turn the evidence is: pairs (start, end) of characters.
        depends_on: Which messages of the history it depends on, as places in it; empty where it depends on none.
    """

    type: QuestionType
    confidence: float
    reasons: tuple[str, ...] = ()
    standalone: str | None = None
    dependence: float | None = None
    spans: tuple[tuple[int, int], ...] = ()
    depends_on: tuple[int, ...] = ()


class Classifier(Protocol):
    """Decides the type of a user's turn."""

    def classify(
        self, turn: str, history: Sequence[BaseMessage], state: Mapping[str, Any] | None = None
    ) -> Verdict | Flow[Verdict]:
        """The verdict on one turn.

        Args:
            turn: What the user said.
            history: The conversation before it, oldest first, as far as it was loaded.
            state: What is known of the conversation beyond its messages.

        Returns:
            The verdict, or a flow that gives it where a model has to be asked.
        """
        ...


def verdict_of(answer: Verdict | Flow[Verdict]) -> Generator[Step, Any, Verdict]:
    """A classifier's answer inside a flow, whichever form it has.

    Args:
        answer: What `classify` returned.

    Yields:
        The steps of its flow, if it is one.

    Returns:
        The verdict.
    """
    if isinstance(answer, Verdict):
        return answer
    return (yield from answer)


_LONGEST = 4000
"""Characters of a turn that are looked at: the time that a turn takes is bounded."""

# --- the rules ----------------------------------------------------------------------------------------------------


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


_SAID = r"(?:ask|say|tell you|mention|discuss|talk about|cover)(?:ed)?|said|told"
_GAVE = (
    r"(?:recommend|suggest|mention|share|introduce|propose|explain|list|describe|show|give|teach|tell|say)(?:e?d)?|"
    r"given|gave|taught|told|said|shown"
)
_RECALL = _any(
    rf"\b(?:what|which|when|where|who|how)\b[^.!]{{0,60}}\b(?:did|have|had|'ve) (?:i|we)\b",
    rf"\b(?:did|have|had) (?:i|we) (?:ever |already |just |previously )?(?:{_SAID})\b",
    rf"\b(?:what|which|where|how)\b[^?.!]{{0,60}}\b(?:did|have|had|'ve) you (?:just |already |first |previously )?(?:{_GAVE})\b",
    rf"\b(?:what|which|where|how)\b[^?.!]{{0,60}}\byou (?:just |already |first |previously |once |have |'ve )*(?:{_GAVE})\b",
    rf"\byou (?:once |recently |just |already |previously |have |'ve )*(?:recommended|suggested|shared|introduced|taught|told)\b"
    r"(?=.*\b(?:what|which|who|where|when|how|name)\b)",
    rf"\bi (?:once |recently |just |already )(?:\w+ed|told|said|saw|went|read|had|made|bought|met)\b"
    r"(?=.*\b(?:what|which|who|where|when|how|whose)\b)",
    r"\bon (?:january|february|march|april|may|june|july|august|september|october|november|december) \d+(?:st|nd|rd|th)?\b"
    r"(?=.*\b(?:i|my|we|you)\b)",
    r"\b(?:i|you|we)\b[^?.!]{0,60}\b(?:before|earlier|previously|last time|at the (?:start|beginning)),? "
    r"(?:what|which|who|where|when|how)\b",
    r"\bremind me (?:what|which|of what|who|where|when|how|about (?:our|my|the) (?:earlier|last|previous))",
    r"\bdo you (?:still )?(?:remember|recall)\b",
    r"\b(?:earlier|before|previously),? (?:i|you|we) (?:said|asked|told|mentioned|talked|discussed)",
    r"\b(?:my|our|your) (?:very )?(?:first|last|previous|earlier|second|third|initial|original) "
    r"(?:question|questions|message|answer|request|topic|point|query)\b",
    r"\b(?:what|who)(?:'s| is| was| are| were) my (?:\w+ )?(?:name|job|profession|hobby|hobbies|dog|cat|pet|age|mood|"
    r"birthday|favou?rite \w+|occupation|hometown)\b",
    r"\bwhere (?:do|did) i (?:live|work|grow up)\b",
    r"\b(?:what|which)\b[^?.!]{0,40}\bdo i (?:like|love|hate|prefer|enjoy|want)\b",
    r"\b(?:summari[sz]e|recap|sum up)\b[^?.!]{0,30}\b(?:conversation|chat|discussion|dialogue|so far|we)\b",
    r"\bwhat (?:have|did|were) we\b",
    r"\b(?:repeat|say) (?:that|it|your (?:last|previous) \w+|what you (?:just )?said) (?:again|once more)\b",
    r"\b(?:i shared with you|you (?:shared|recommended|suggested) [^?.!]{0,60}(?:to|with) me)\b",
    r"^\"?i (?:don't |do not )?(?:like|love|hate|prefer)\b[^?.!]*, (?:right|correct|don't i|do i)\?",
    r"\b(?:how am i feeling|why am i feeling|i encountered|have i encountered)\b",
)
_CHANGE = _any(
    r"^(?:ok(?:ay)?,? |so,? |now,? |anyway,? )?(?:new|different|another|next|unrelated) (?:topic|question|subject)\b",
    r"\b(?:chang(?:e|ing)|switch(?:ing)?) (?:of |the )?(?:topic|subject|gears)\b",
    r"^(?:by the way|btw|on (?:another|a different) (?:note|topic))\b",
    r"\blet'?s (?:talk|speak|chat) about\b",
    r"\bsomething (?:completely |totally |entirely )?(?:else|different|unrelated)\s*[:,-]",
)
_REPHRASE = _any(
    r"^(?:please )?(?:tell me more|go on|continue|more(?: details?| info(?:rmation)?| please)?|elaborate|expand)\b",
    r"\b(?:explain|elaborate|clarify|expand)\b[^?.!]{0,25}\b(?:more|further|again|that|this|it|better|simply|detail)\b",
    r"\b(?:summari[sz]e|shorten|rephrase|reword|rewrite|translate|simplify|paraphrase|format)\b",
    r"\b(?:shorter|simpler|longer|in (?:other|simple|fewer|plain) words|in one sentence|bullet points|as a list)\b",
    r"\b(?:what do you mean|are you sure|is that (?:right|true|correct)|give me an example|for example|such as)\b",
    r"^(?:why|how so|how come|why not|really|and why|says who|so what|meaning|then what|and then)\s*\??$",
    r"^(?:i (?:don't|do not|didn't) (?:understand|get it)|thanks?|thank you|ok(?:ay)?|yes|no|sure|great|cool|got it)\b",
    r"^(?:wait|hmm+|huh|sorry)\b",
)
_ACKNOWLEDGEMENT = re.compile(
    r"^(?:(?:ok(?:ay)?|great|thanks|thank you|oh|ah|wow|interesting|i see|cool|nice|well|alright|hmm+|actually)\b[,.! ]+)+",
    re.IGNORECASE,
)
_OPENER = _any(
    r"^(?:and|but|or|so|also|then|plus|although|though|instead|otherwise)\b",
    r"^(?:what|how) about\b|^what if\b(?!.{30})|^(?:yes|no|nope|yeah|right|sure|either)\b",
    r"^(?:any|some|other|another|more) (?:others?|more|examples?|tips|ideas|suggestions|ones?|[\w-]+\?)",
    r"^(?:when|where|who|why|how|which|how (?:much|many|long|often|far|old|big))\s*\??$",
)
_POINTER = _any(
    r"\b(?:he|she|him|his|her|hers|himself|herself|they|them|their|theirs|themselves|itself)\b",
    r"\b(?:those|these)\b(?! days\b)",
    r"\bthis\b(?! (?:year|month|week|morning|evening|afternoon|weekend|summer|winter|spring|autumn|fall|century)\b)",
    r"\b(?:about|of|for|with|by|like|after|before|from|to|on|in|at|than|during|around|do|did|does|is|was|are|were|has|"
    r"have|had|can|could|will|would) that\b",
    r"^(?:that|it|this|these|those)\b|\bthat\s*[?.!,]*$|\bthat much\b",
    r"\bthe (?:same|latter|former|above|previous|other|next)\b(?! \w+ (?:of|in)\b)|\bthe (?:first|second|third|last)\s*[?.!,]*$",
    r"(?<!\bno )(?<!\bnumber )\bone\s*(?:[?.!,]+|$|(?=in\b|on\b|with\b|that\b|for\b|do\b|does\b|is\b|available\b))|\bones\b",
    r"(?<!\beach )\b(?:another|others?)\b(?! than\b)",
    r"\b(?:else|too|as well|instead|again|anymore|then|either way)\s*[?.!]*$|\b(?:else|neither|both of)\b",
    r"\b(?:over|get|go|going|been|lived?|work(?:ed)?|stay|up|do|from|was|were) there\b|\bthere\s*[?.!]*$",
    r"\bsuch (?:a|an|things?|cases?)\b|\bat (?:that|the) time\b|\b(?:since|back) then\b",
)
_IT = re.compile(r"\b(?:it|its|it's)\b", re.IGNORECASE)
_EXPLETIVE = _any(
    r"\b(?:is|was|will|would|could|can|does|did|might|isn't) it\b[^?.!]{0,30}\b(?:possible|ok(?:ay)?|true|safe|legal|"
    r"better|worth|necessary|important|hard|easy|difficult|good|bad|rain\w*|snow\w*|mean|matter|take|cost|hurt) "
    r"(?:to|that)\b",
    r"\b(?:how (?:long|much|many \w+|hard|easy|difficult)|what) (?:does|did|is|was|will|would) it (?:take|cost|mean|like"
    r"|feel like) (?:to|for|when|if)\b",
    r"\bwhat (?:time|day|date|year) is it\b|\bit(?:'s| is| was) (?:raining|snowing|cold|hot|late|early)\b",
    r"\bwhat (?:is|was) it like (?:to|in|for)\b|\b(?:make|makes|made|find|finds) it (?:possible|hard|easy|difficult)\b",
    r"\bit (?:is|was|seems|appears) (?:that|said|believed|known|possible|important|necessary)\b",
)
_COMPARATIVE = _any(
    r"\b(?:more|less|better|worse|cheaper|faster|slower|bigger|smaller|larger|older|younger|longer|shorter|higher|"
    r"lower|stronger|weaker|safer|easier|harder)\b(?![^?.!]*\bthan\b)(?=[^?.!]{0,12}[?.!]*$)",
    r"\b(?:difference|differences|similarities|relationship|connection|link)\b(?![^?.!]*\b(?:between|of|in|to|with)\b)",
    r"^(?!.*\band\b).*\b(?:differ|compare|similar|different|related)\s*[?.!]*$",
)
_SCANT = _any(
    r"^(?:is|are|was|were) there (?:(?:an?|any|some|no|much|many) )?(?:[a-z-]+ )?[a-z-]+\s*\?*$",
    r"^any (?:[a-z-]+ ){0,2}[a-z-]+\s*\?*$",
)
_PHRASE = re.compile(
    r"^(?:in|on|at|for|with|without|from|to|under|by|via|using|before|after|since|between|near|than|like|only|not|just)\b",
    re.IGNORECASE,
)
_DEFINITE = re.compile(r"\bthe ((?:[a-z-]+ ?)+)", re.IGNORECASE)
_COMPLEMENT = frozenset(
    "of in for to that which who between on at with from behind by about against where when".split()
)
_RELATIONAL = re.compile(
    r"\b(?:symptom|cause|effect|example|type|kind|role|risk|benefit|treatment|advantage|disadvantage|implication|theme|"
    r"layer|method|source|origin|purpose|goal|reason|impact|part|feature|option|cost|price|address|number|postcode|"
    r"ingredient|member|result|reaction|award|concern|problem|step|side effect|difference|alternative|drawback|"
    r"consequence|characteristic|component|requirement|variant|version|model|property|propertie|outcome|way|tip|"
    r"recommendation|response|approach|approache|policy|policie|challenge|requirement|limitation|main point)s?\b",
    re.IGNORECASE,
)
_GENERIC = frozenset(
    "main important common popular good best better great different typical unique key major famous natural possible "
    "specific interesting new first second last latest top notable several few big biggest largest real actual exact "
    "general average long short term negative positive potential known current recent available what phone post".split()
)
_QUESTION = re.compile(
    r"\?|^(?:who|whom|whose|which|what|when|where|why|how|is|are|was|were|do|does|did|can|could|will|would|should|has|"
    r"have|had|may|tell|give|show|explain|describe|list|find|write|compare|name|define|make|help|create|generate|"
    r"summari[sz]e|translate|calculate|search|suggest|recommend|discuss|outline|provide|please)\b",
    re.IGNORECASE,
)
_UNIQUE = frozenset(
    "world internet sun moon earth sky sea ocean universe weather news government president police law army economy "
    "environment us usa uk eu un future past present same web bible koran quran night day morning evening "
    "piano guitar violin flu climate stock stocks market public media poor rich young elderly dark body brain heart "
    "way difference best worst most least first last largest biggest smallest one ones other others following "
    "following number amount average total end beginning top bottom middle rest whole united state".split()
)
_FUNCTION = frozenset(
    "a an the and or but if then so because as of in on at to for from by with about into over after before between "
    "under above during against without within through is are was were be been being am do does did doing done have "
    "has had having can could will would shall should may might must i you he she it we they me him her us them my "
    "your his its our their mine yours hers ours theirs this that these those who whom whose which what when where why "
    "how not no nor yes there here also too very just more most much many some any all each every both either neither "
    "one ones other another such same else than please tell give show let say ask know think want need like get go "
    "make mean explain describe list name".split()
)
_FOREIGN = frozenset(
    "und oder aber ist sind das der den dem ein eine nicht wie wer wo warum wann es er wir ihr auf mit kann het dat een "
    "niet wat wie hoe waar waarom een zijn maar ook og er det den hva hvem hvor hvordan hvorfor hvad vad och att inte kan "
    "le les des du est une et ou que qui quoi quand comment pourquoi combien dans avec el los las del es un una y qué por "
    "cómo para con cuál quién quando quanto come dove perché chi cosa il lo gli di che sono non os um uma com não nao e "
    "ve bu ne mi czy to jest jak co nie dan apa ini itu".split()
) - frozenset("to do me no on in an as is was at so if e co den come mi den per man".split())
_CURLY = "\u2019"
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9'\u2019_.+#-]*[A-Za-z0-9+#]|[A-Za-z]|\d[\d.,:/]*")
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|do|does|did|has|have|had|can|could|will|would|should|shall|may|might|must|tell|give|"
    r"show|explain|describe|list|find|write|compare|name|define|make|get|let|need|want|happen(?:s|ed)?|[a-z]{3,}(?:ed|ing))\b"
    r"|'s\b|'re\b",
    re.IGNORECASE,
)


def _words(text: str) -> list[str]:
    return [word.replace(_CURLY, "'") for word in _WORD.findall(text)]


def content_words(text: str) -> set[str]:
    """The words of a text that carry its content, in lower case.

    Args:
        text: Any text.

    Returns:
        Its words without function words.
    """
    return {word.lower().removesuffix("'s") for word in _words(text)} - _FUNCTION


def _named(words: Sequence[str], text: str) -> bool:
    """Whether the turn names something itself: a capitalised word inside, an acronym, a quotation, code or a number."""
    inner = words[1:]
    return (
        any(word[0].isupper() and word.lower() not in _FUNCTION for word in inner)
        or any(len(word) > 1 and word.isupper() for word in words[:1])
        or bool(re.search(r"[\"“`][^\"”`]{2,}[\"”`]|\w\(\)|\w+\.\w+\(|\w_\w", text))
    )


_CLAUSE = re.compile(r"[,;.]|\b(?:and|when|if|because|while|after|before)\b", re.IGNORECASE)
_NOUN = re.compile(
    r"\b(?:a|an|the|my|our|some|any|each|every|is|are|was|were|about|of|in|for|with|from|on|at|by|like)\s+"
    r"(?!(?:a|an|the|and|or|if|when|it|he|she|they|that|this|these|those|i|you|we|to)\b)[a-z]{2,}",
    re.IGNORECASE,
)


def _resolved_before(text: str, place: int, *, names: bool = True) -> bool:
    """Whether what stands before a pronoun in the same turn can be what it means."""
    before = text[:place]
    words = _words(before)
    if names and any(word[0].isupper() and word.lower() not in _FUNCTION for word in words[1:]):
        return True
    return bool(_NOUN.search(before) and _CLAUSE.search(before))


def _not_introduced(text: str) -> str | None:
    """A definite noun without a complement or a name: "the symptoms", but not "the symptoms of flu"."""
    for found in _DEFINITE.finditer(text):
        run: list[str] = []
        complement = False
        for word in found[1].split():
            if word.lower() in _FUNCTION:
                complement = word.lower() in _COMPLEMENT
                break
            run.append(word)
        named = any(word[0].isupper() for word in run)
        if not run or complement or named or any(word.lower() in _UNIQUE for word in run):
            continue
        if len(run) == 1 or all(word.lower() in _GENERIC for word in run[:-1]) or run[0].lower() in _GENERIC:
            return "the " + " ".join(run)
    return None


def _lacks_argument(text: str) -> str | None:
    """A noun that is always of something, without that something: "common causes?"."""
    for found in _RELATIONAL.finditer(text):
        after = _words(text[found.end() :])
        before = _words(text[: found.start()])
        owner = before[-1].lower() if before else ""
        if owner.endswith("'s") or (owner and owner not in _FUNCTION and owner not in _GENERIC):
            continue
        if not any(word.lower() in _COMPLEMENT for word in after[:2]):
            return found[0]
    return None


def _foreign(word: str) -> bool:
    """Whether a word shows another language: a function word of one, or a common word with a letter beyond ASCII."""
    bare = word.strip(".,;:!?\"'()¿¡")
    return bare.lower() in _FOREIGN or (bare[:1].islower() and any(c.isalpha() and not c.isascii() for c in bare))


def dependence(turn: str) -> list[str]:
    """The signs that a turn leans on its conversation.

    Args:
        turn: What the user said.

    Returns:
        One reason for each sign, none where the turn stands alone.
    """
    whole = " ".join(turn[:_LONGEST].replace(_CURLY, "'").split())
    text = _ACKNOWLEDGEMENT.sub("", whole)
    words = _words(text)
    letters = sum(character.isalpha() for character in text)
    signs: list[str] = []
    if not words or letters == 0:
        return ["no words of its own"]
    if sum(ord(character) > 0x24F for character in text if character.isalpha()) * 2 > letters:
        return ["a language the rules do not know"]
    if foreign := [word for word in text.split() if _foreign(word)]:
        signs.append(f"another language: {foreign[0]!r}")
    if len(words) >= 4 and not any(word.lower() in _FUNCTION for word in words):
        signs.append("no English function word")
    if found := _OPENER.search(text):
        signs.append(f"continues: {found[0].strip()!r}")
    for found in _POINTER.finditer(text):
        if not _resolved_before(text, found.start()):
            signs.append(f"points back: {found[0].strip()!r}")
            break
    if (
        (found := _IT.search(text))
        and not _EXPLETIVE.search(text)
        and not _resolved_before(text, found.start(), names=False)
    ):
        signs.append(f"points back: {found[0]!r}")
    if found := _COMPARATIVE.search(text):
        signs.append(f"compares with something unsaid: {found[0].strip()[-40:]!r}")
    if not _QUESTION.search(text):
        signs.append("a statement, not a question")
    if (_PHRASE.search(text) or len(words) <= 2) and not _VERB.search(text):
        signs.append("part of a question")
    content = content_words(text)
    if not content:
        signs.append("no content of its own")
    elif not _named(words, text):
        if not _VERB.search(text) and (len(content) < 2 or words[0].lower() not in _FUNCTION):
            signs.append("a fragment")
        if found := _SCANT.search(text):
            signs.append(f"where, or of what: {found[0]!r}")
        if noun := _lacks_argument(text):
            signs.append(f"of what: {noun!r}")
        if noun := _not_introduced(text):
            signs.append(f"not introduced: {noun!r}")
    return signs


class RulesClassifier:
    """Decides by rules: no model, no network, well under a millisecond.

    English. See the module's docstring for what it looks at; `benchmarks` has its measured error rates.

    Example:
        ```python
        RulesClassifier().classify("Is it treatable?", [HumanMessage("What is throat cancer?")]).type
        # QuestionType.CONTEXTUAL_WITH_SEARCH
        ```

    **Keys:** none.
    **Trips:** none.
    """

    def classify(self, turn: str, history: Sequence[BaseMessage], state: Mapping[str, Any] | None = None) -> Verdict:
        """The verdict on one turn.

        Args:
            turn: What the user said.
            history: The conversation before it, oldest first.
            state: Not used by the rules.

        Returns:
            The verdict, with the words that decided as reasons.

        **Keys:** none.
        **Trips:** none.
        """
        text = " ".join(turn[:_LONGEST].split())
        if found := _RECALL.search(text):
            return Verdict(QuestionType.HISTORY_RECALL, 0.9, (f"asks for what was said: {found[0].strip()!r}",))
        said = [message for message in history if isinstance(message, HumanMessage | AIMessage)]
        if not said:
            return Verdict(QuestionType.NEW_TOPIC, 0.99, ("the conversation starts here",))
        rephrase = _REPHRASE.search(text)
        change = _CHANGE.search(text)
        signs = dependence(_CHANGE.sub("", text, count=1) if change else text)
        if change and not any(sign.startswith("points back") for sign in signs):
            return Verdict(QuestionType.NEW_TOPIC, 0.9, (f"changes the topic: {change[0].strip()!r}",))
        if rephrase and (signs or len(content_words(text)) <= 3):
            return Verdict(
                QuestionType.CONTEXTUAL_FOLLOW_UP,
                0.9,
                (f"about the last answer: {rephrase[0].strip()!r}", *signs),
            )
        if not signs:
            confidence = 0.9 if _named(_words(text), text) else 0.75
            return Verdict(QuestionType.NEW_TOPIC, confidence, ("stands alone",))
        confidence = min(0.95, 0.7 + 0.1 * len(signs))
        new = content_words(text) - content_words(" ".join(str(message.text) for message in said[-2:]))
        if new:
            brings = f"asks for something new: {', '.join(sorted(new)[:3])}"
            return Verdict(QuestionType.CONTEXTUAL_WITH_SEARCH, confidence, (*signs, brings))
        return Verdict(QuestionType.CONTEXTUAL_FOLLOW_UP, confidence, (*signs, "brings nothing new"))
