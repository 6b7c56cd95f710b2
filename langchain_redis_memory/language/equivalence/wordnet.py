"""What the verifier knows about single words: their lemma, and how two of them are related.

Synonyms, hypernyms and antonyms come from WordNet 3.1 (Princeton University; its licence is beside the data file) cut down to
15,000 words; opposites that WordNet lacks (on/off, before/after, enable/disable), irregular forms and aliases are written
here. A word outside this vocabulary is taken for a name or a term: it matches only itself, or a slip of the pen.
"""

from __future__ import annotations

import gzip
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple


class LexiconEntry(NamedTuple):
    """A word of the lexicon: its synsets, their hypernyms, its antonyms, and whether it is a name."""

    synsets: frozenset[str]
    parents: frozenset[str]
    antonyms: frozenset[str]
    name: bool


@cache
def lexicon() -> dict[str, LexiconEntry]:
    """The lexicon, read once per process (about 40 ms)."""
    packed = resources.files(__package__).joinpath("lexicon.gz").read_bytes()
    found = {}
    for line in gzip.decompress(packed).decode().splitlines():
        word, synsets, parents, antonyms, flag = (*line.split("\t"), "", "", "", "")[:5]
        split = [frozenset(part.split()) for part in (synsets, parents, antonyms)]
        found[word] = LexiconEntry(split[0], split[1], split[2], flag == "n")
    return found


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    both = [tuple(pair.split("/")) for pair in text.split()]
    return frozenset((a, b) for a, b in both) | frozenset((b, a) for a, b in both)


OPPOSITES = _pairs(
    "on/off in/out up/down before/after with/without over/under above/below into/out inside/outside to/from for/against "
    "more/less more/few most/least most/few many/few high/low max/min maximum/minimum maximise/minimise "
    "maximize/minimize increase/decrease increase/reduce raise/lower gain/lose win/lose buy/sell lend/borrow push/pull "
    "import/export upload/download install/uninstall enable/disable activate/deactivate lock/unlock open/close "
    "start/stop begin/end start/end start/finish begin/finish add/remove add/delete add/subtract create/delete "
    "create/destroy insert/delete attach/detach connect/disconnect encrypt/decrypt encode/decode compress/decompress "
    "compress/extract send/receive send/get give/take give/receive accept/reject accept/decline accept/refuse "
    "approve/reject allow/forbid allow/block allow/prevent allow/deny ban/allow permit/forbid block/unblock "
    "subscribe/unsubscribe follow/unfollow mute/unmute hire/fire join/leave arrive/depart arrive/leave enter/leave "
    "enter/exit login/logout deposit/withdraw deposit/withdrawal import/export read/write ask/answer question/answer "
    "teach/learn cause/prevent cause/cure cause/treat hide/show hide/display freeze/unfreeze freeze/melt expand/shrink "
    "expand/collapse grow/shrink tighten/loosen strengthen/weaken improve/worsen speed/slow good/bad good/evil "
    "right/wrong right/left true/false correct/incorrect legal/illegal safe/unsafe safe/dangerous healthy/unhealthy "
    "possible/impossible cheap/expensive rich/poor old/young old/new big/small large/small long/short tall/short "
    "wide/narrow thick/thin heavy/light dark/light hot/cold warm/cool fast/slow quick/slow early/late near/far hard/easy "
    "difficult/easy hard/soft strong/weak loud/quiet full/empty wet/dry clean/dirty male/female man/woman boy/girl "
    "men/women husband/wife mother/father son/daughter brother/sister king/queen uncle/aunt day/night morning/evening "
    "summer/winter north/south east/west front/back top/bottom first/last always/never all/none all/some ever/never "
    "everyone/nobody everything/nothing public/private internal/external input/output sync/async synchronous/asynchronous "
    "horizontal/vertical positive/negative pro/con pros/cons advantage/disadvantage benefit/drawback benefit/risk "
    "benefit/harm strength/weakness profit/loss success/failure succeed/fail pass/fail supply/demand credit/debit "
    "buyer/seller client/server employer/employee teacher/student parent/child love/hate like/hate like/dislike "
    "friend/enemy war/peace life/death live/die born/die birth/death alive/dead marry/divorce ascend/descend "
    "ascending/descending rise/fall increase/drop top/down ancient/modern domestic/international domestic/foreign "
    "local/remote manual/automatic single/married single/multiple single/double part/full temporary/permanent "
    "static/dynamic mutable/immutable lossy/lossless online/offline upgrade/downgrade left/right vegetarian/meat "
    "gain/lose heavier/lighter prevent/cause encourage/discourage agree/disagree appear/disappear include/exclude "
    "inclusive/exclusive trust/distrust obey/disobey mount/unmount load/unload pack/unpack zip/unzip do/undo save/discard "
    "earliest/latest oldest/newest minor/major acid/base virtual/real wholesale/retail sunrise/sunset indoor/outdoor "
    "indoors/outdoors incoming/outgoing upper/lower senior/junior optimist/pessimist introvert/extrovert"
)
ALIASES = {
    pair.split("=")[0]: pair.split("=")[1]
    for pair in "usa=u.s. u.s.a=u.s. america=u.s. britain=u.k. nyc=new_york tv=television photo=picture pic=picture "
    "pics=picture pictures=picture photos=picture bike=bicycle phone=telephone app=application apps=application "
    "info=information ads=advertisement ad=advertisement exam=examination exams=examination gym=gymnasium "
    "vs=versus mins=minute min=minute secs=second sec=second hr=hour hrs=hour kids=child kid=child children=child "
    "mom=mother mum=mother dad=father colour=color favourite=favorite centre=center organise=organize "
    "maximise=maximize minimise=minimize optimise=optimize analyse=analyze behaviour=behavior licence=license "
    "programme=program cancelled=cancel travelling=travel jewellery=jewelry grey=gray tyre=tire "
    "sofa=couch autumn=fall movie=film movies=film films=film repo=repository config=configuration db=database "
    "docs=documentation doc=documentation auth=authentication env=environment params=parameter param=parameter "
    "args=argument arg=argument js=javascript py=python postgres=postgresql k8s=kubernetes "
    "rs=rupee inr=rupee rupees=rupee usd=dollar dollars=dollar eur=euro euros=euro gbp=pound kg=kilogram kgs=kilogram "
    "kilo=kilogram km=kilometer kms=kilometer kilometre=kilometer kilometres=kilometer metre=meter metres=meter "
    "cm=centimeter mm=millimeter mg=milligram ml=milliliter lbs=pound lb=pound ft=foot feet=foot percent=% mb=megabyte "
    "gb=gigabyte tb=terabyte ms=millisecond temperature=temp etc= btw= pls= plz= kinda= "
    "purchase=buy cost=price costs=price expensive=costly".split()
}
_IRREGULAR = {
    form: base
    for line in (
        "be am is are was were been being|have has had having|do does did done doing|go goes went gone|say said|get got "
        "gotten|make made|know knew known|think thought|take took taken|see saw seen|come came|give gave given|find found|"
        "tell told|become became|leave left|feel felt|bring brought|begin began begun|keep kept|hold held|write wrote "
        "written|stand stood|hear heard|mean meant|meet met|run ran|pay paid|sit sat|speak spoke spoken|lead led|grow grew "
        "grown|lose lost|fall fell fallen|send sent|build built|understand understood|draw drew drawn|break broke broken|"
        "spend spent|rise rose risen|drive drove driven|buy bought|wear wore worn|choose chose chosen|eat ate eaten|win won|"
        "teach taught|catch caught|fly flew flown|sell sold|throw threw thrown|fight fought|sleep slept|sing sang sung|"
        "swim swam swum|drink drank drunk|forget forgot forgotten|freeze froze frozen|steal stole stolen|ride rode ridden|"
        "shoot shot|shake shook shaken|wake woke woken|bite bit bitten|hide hid hidden|blow blew blown|show shown|deal "
        "dealt|seek sought|sink sank sunk|die died dying|lie lying|tie tied tying|man men|woman women|child children|"
        "foot feet|tooth teeth|mouse mice|goose geese|life lives|wife wives|leaf leaves|knife knives|half halves|wolf "
        "wolves|shelf shelves|datum data|criterion criteria|analysis analyses|index indices|vertex vertices|matrix "
        "matrices|schema schemas|bad worse worst|good better best|far farther further furthest|lend lent|bend bent|"
        "burn burnt|learn learnt|spell spelt|dream dreamt|wed wedding|ski skied skiing|picnic picnicked|cut cutting|"
        "play plays|plan planned|travel travelled|use using used|person people persons"
    ).split("|")
    for base, *forms in (line.split(),)
    for form in forms
}
_WHOLE = frozenset(
    "evening morning during thing nothing something anything everything spring string ring king wing news physics "
    "mathematics economics politics series species always perhaps this his its is was has does us bus gas plus yes "
    "address access process business less unless bless need speed feed seed indeed hundred red bed shed united wedding "
    "ceiling building bring sing ring sling outstanding interesting interested being means lens glass class pass miss "
    "canvas atlas christmas texas paris redis kubernetes pandas windows aws sms gps css https dns js os ios "
    "mars venus jesus moses hindus status virus bonus focus campus genus corpus basis crisis thesis analysis tennis".split()
)
GRADABLE = frozenset(
    "cheap fast big small large tall short long high low old young new hot cold warm cool slow quick hard easy strong "
    "weak rich poor heavy light dark bright deep wide narrow thick thin near close late early safe nice great clean "
    "loud quiet soft smart simple happy healthy dirty busy lazy pretty ugly funny tough rough smooth sharp fresh tiny "
    "huge fine rare common wealthy scary strange crazy silly tasty dry wet calm kind lucky angry noisy bold brave fair "
    "full steep tight loose mild few great clever dumb fat slim lean mean pure sweet sour".split()
)


def _known(word: str) -> bool:
    return word in lexicon()


def _undoubled(stem: str) -> tuple[str, ...]:
    short = (stem[:-1],) if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "sl" else ()
    return (*short, stem, f"{stem}e") if short else (f"{stem}e", stem)


@lru_cache(8192)
def lemma(word: str) -> str:
    """The dictionary form of a lower-cased English word, as far as light rules and the lexicon know it.

    Args:
        word: One word.

    Returns:
        Its lemma, or the word itself.
    """
    if word in ALIASES:
        return ALIASES[word]
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or word in _WHOLE or not word.isascii():
        return word
    candidates: tuple[str, ...] = ()
    if word.endswith("ies"):
        candidates = (f"{word[:-3]}y", word[:-1])
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        candidates = (word[:-1], word[:-2]) if word.endswith("es") else (word[:-1],)
        candidates = (word[:-2], word[:-1]) if word.endswith(("sses", "ches", "shes", "xes", "zes")) else candidates
    elif word.endswith("ied"):
        candidates = (f"{word[:-3]}y",)
    elif word.endswith("ed"):
        candidates = _undoubled(word[:-2])
    elif word.endswith("ing"):
        candidates = _undoubled(word[:-3])
    for candidate in candidates:
        if len(candidate) >= 2 and _known(candidate):
            return ALIASES.get(candidate, candidate)
    if not _known(word):
        if word.endswith("s") and not word.endswith(("ss", "us", "is")):
            return word[:-1]
        if word.endswith("ing") and len(word) > 6:
            return word[:-3].rstrip("e")
        if word.endswith("ed") and len(word) > 5:
            return word[:-2].rstrip("e")
    return word


@lru_cache(8192)
def degree(word: str) -> tuple[str, str]:
    """A word without its ending of comparison.

    Args:
        word: One lower-cased word.

    Returns:
        The positive form, and `more`, `most` or nothing.
    """
    if word in {"better", "worse"}:
        return ("good" if word == "better" else "bad"), "more"
    if word in {"best", "worst"}:
        return ("good" if word == "best" else "bad"), "most"
    for ending, name in (("er", "more"), ("est", "most")):
        if word.endswith(ending):
            stem = word[: -len(ending)]
            forms = (stem, f"{stem}e", stem[:-1] if stem[-1:] == stem[-2:-1] else "", f"{stem[:-1]}y")
            for form in forms:
                if form in GRADABLE:
                    return form, name
    return word, ""


SAME, SYNONYM, DERIVED, WIDER, SISTER, OPPOSITE, UNRELATED = 0, 1, 2, 3, 4, 5, 6
NEGATIVE_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "non-", "de", "mis", "anti", "a")


def _slip(a: str, b: str) -> bool:
    """Whether two long words differ by one letter added, lost or changed, or two neighbours swapped."""
    a, b = (word.removesuffix("s") for word in (a, b))
    if a == b or abs(len(a) - len(b)) > 1 or min(len(a), len(b)) < 6 or a[0] != b[0]:
        return a == b
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    if a[start:] == b[start + 1 :] or a[start + 1 :] == b[start:] or a[start + 1 :] == b[start + 1 :]:
        return True
    return a[start : start + 2] == b[start : start + 2][::-1] and a[start + 2 :] == b[start + 2 :]


@lru_cache(65536)
def relation(a: str, b: str) -> int:
    """How two lemmas are related; symmetric.

    Args:
        a: One lemma.
        b: The other.

    Returns:
        `SAME`, `SYNONYM`, `DERIVED` (same stem), `WIDER` (one is a kind of the other), `SISTER` (kinds of one thing),
        `OPPOSITE` or `UNRELATED`.
    """
    if a == b:
        return SAME
    if (a, b) in OPPOSITES:
        return OPPOSITE
    words = lexicon()
    one, two = words.get(a), words.get(b)
    if (one and b in one.antonyms) or (two and a in two.antonyms):
        return OPPOSITE
    short, long = sorted((a, b), key=len)
    if len(short) >= 4 and long.endswith(short) and long[: -len(short)] in NEGATIVE_PREFIXES and one and two:
        return OPPOSITE
    if one and two:
        if one.synsets & two.synsets:
            return SISTER if one.name and two.name else SYNONYM
        if one.synsets & two.parents or two.synsets & one.parents:
            return WIDER
    if one and two and one.name and two.name:
        return SISTER if one.parents & two.parents else UNRELATED
    shared = len(short)
    while shared and long[:shared] != short[:shared]:
        shared -= 1
    if (
        shared >= 4
        and shared >= len(short) - 2
        and len(long) - shared <= (5 if one and two else 3)
        and not (one and two and len(long) == shared)
    ):
        return DERIVED
    if not (one and two) and _slip(a, b):
        return DERIVED
    if one and two and one.parents & two.parents:
        return SISTER
    return UNRELATED


def is_name(word: str) -> bool:
    """Whether a lower-cased word is a name of a place or a person, or no common word at all.

    Args:
        word: One lemma.

    Returns:
        True for `paris` and for what the lexicon does not have.
    """
    entry = lexicon().get(word)
    return entry is None or entry.name
