"""Small word lists: which words are no nouns, what is a person, what is more than one. English."""

from __future__ import annotations

FUNCTION = frozenset(
    "a an the and or but nor if then so because since while although though unless until as than of in on at to for from "
    "by with about into onto over after before between under above during against without within through across among "
    "around along behind beside besides beyond despite except inside outside near off out per toward towards upon versus vs "
    "via like unlike is are was were be been being am do does did doing done have has had having can could will would "
    "shall should may might must i you he she it we they me him her us them my your his its our their mine yours hers ours "
    "theirs myself yourself himself herself itself ourselves themselves this that these those who whom whose which what "
    "when where why how not no nor yes there here also too very just more most less least much many some any all each "
    "every both either neither one ones other others another such same else own only even ever never always often usually "
    "sometimes really actually exactly now still again already yet soon later today once please ok okay oh well hi hello "
    "thanks thank wow hmm isn't aren't wasn't weren't don't doesn't didn't can't couldn't won't wouldn't shouldn't hasn't "
    "haven't it's that's what's who's where's how's there's he's she's they're you're i'm i've i'd i'll you've let's lets "
    "let up down away together instead however maybe perhaps quite rather enough few several lot lots bit far long "
    "interesting generally currently originally previously recently typically normally mostly mainly "
    "two three four five six seven eight nine ten first second third last next".split()
)
"""Words that are never part of what a turn is about."""

VERBS = frozenset(
    "ask say tell know think want need go get give take make find see come look use work call try feel become leave put "
    "mean keep begin start seem help show hear play run move live believe bring happen write provide sit stand lose pay meet "
    "include continue set learn change lead understand watch follow stop create speak read allow add spend grow open walk win "
    "offer remember love consider appear buy wait serve die send expect build stay fall cut reach kill remain suggest raise "
    "pass sell require report decide pull describe explain compare list define differ affect cause relate evolve develop "
    "spread treat prevent cure diagnose occur exist contain produce form eat drink cook sleep travel visit choose improve "
    "reduce increase discuss recommend calculate translate install configure compile replace solve protect attract catch "
    "weigh taste cost last look sound survive influence impact enable generate store save handle support deal hurt matter "
    "fix apply join leave release record perform receive invent discover found establish introduce marry retire graduate "
    "attend study teach earn own belong compete return check avoid manage lose gain fly swim drive ride sing act direct "
    "begin end finish launch publish lie rise won became began made did went got came took gave said told found saw wrote "
    "left kept held brought built sold bought paid met led ran grew known made given taken written born seen done gone "
    "spent sent lost caught eaten grown chosen broken spoken stolen driven drawn worn held thought felt meant died killed "
    "does goes has says gets makes takes gives works uses needs means comes happens causes helps lives plays runs starts "
    "using doing making going having being getting taking giving trying happening working living playing running".split()
)

ADJECTIVES = frozenset(
    "good bad better best worse worst great big small large little old new young high low long short early late important "
    "popular common famous free true false right wrong safe dangerous legal illegal hard easy difficult cheap expensive fast "
    "slow strong weak hot cold warm cool healthy unhealthy sick harmful toxic poisonous possible impossible available "
    "effective successful contagious hereditary genetic fatal deadly curable treatable serious real different similar main "
    "major minor typical general special specific certain particular modern ancient traditional current recent original final "
    "basic key interesting unique rare open closed public private full empty whole secure ethical moral smart clean dirty "
    "rich poor happy sad single married alive dead extinct endangered native related mandatory necessary useful worth bigger "
    "smaller larger older younger faster slower cheaper higher lower stronger biggest smallest largest oldest youngest fastest "
    "cheapest highest tallest longest most hard harder easier tall heavy deep wide red blue green white black edible vegan "
    "reliable accurate complete likely able ready afraid aware sure clear fine nice big wonderful bitter sweet sour mean".split()
)
ADJECTIVE_ENDINGS = ("able", "ible", "ful", "less", "ous")

RELATIONAL = frozenset(
    "symptom cause effect example type kind role risk benefit treatment advantage disadvantage implication theme layer "
    "origin purpose goal impact feature cost price ingredient member award side-effect difference "
    "alternative drawback consequence characteristic component requirement variant variety property outcome limitation "
    "use application history definition meaning function characteristic criticism competitor main-character character "
    "author inventor founder population capital climate currency colour color size weight height length age lifespan diet "
    "habitat mechanism principle stage sign complication prognosis structure rule pro con similarity argument argument "
    "downside upside danger relationship relation invention founding discovery significance importance adaptation "
    "development growth impact existence influence response reaction popularity success failure quality value future past "
    "beginning end start rise decline evidence difference behavior behaviour role".split()
)
"""Nouns that are always of something."""

PARTNERS = frozenset(
    "author inventor founder capital currency competitor member ingredient character main-character alternative product "
    "example variant variety application component award director composer".split()
)
"""Those of them that a pronoun may mean all the same: "the capital of Norway" is a city."""

VAGUE = frozenset(
    "thing things something anything everything nothing someone anyone people person way ways time times year years day days "
    "place places lot kind kinds type types sort number amount part parts example examples information details detail fact "
    "facts idea ideas question answer problem case point reason reasons difference differences name word words nutshell "
    "article aspects aspect top general conclusion morning afternoon evening night week weeks weekend month months century "
    "today tomorrow yesterday hour hours minute minutes moment life world".split()
)
"""Nouns that a pronoun rarely means."""

PLURALS = frozenset(
    "people children men women mice feet teeth geese police cattle bacteria fungi criteria phenomena".split()
)
SINGULARS = frozenset(
    "news series species diabetes measles rabies mumps aids physics mathematics economics politics ethics statistics athletics "
    "lens gas bus atlas canvas bias christmas texas kansas process access".split()
)

TITLES = frozenset(
    "mr mrs ms miss dr prof professor president king queen prince princess pope sir lord lady saint st".split()
)
MASCULINE = frozenset(
    "he him his himself mr king prince sir lord man boy father son brother husband uncle grandfather actor pope james john robert "
    "michael william david richard joseph thomas charles christopher daniel matthew anthony mark donald steven paul andrew "
    "joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan jacob gary nicholas eric jonathan stephen "
    "larry justin scott brandon benjamin samuel gregory frank alexander patrick raymond jack dennis jerry tyler aaron jose "
    "adam henry nathan peter zachary kyle walter albert isaac barack bill elon steve leonardo ludwig wolfgang johann".split()
)
FEMININE = frozenset(
    "she her hers herself mrs ms miss queen princess lady woman girl mother daughter sister wife aunt grandmother actress mary "
    "patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty margaret sandra ashley kimberly emily "
    "donna michelle carol amanda dorothy melissa deborah stephanie rebecca laura sharon cynthia kathleen amy angela shirley anna "
    "brenda pamela emma nicole helen samantha katherine christine debra rachel carolyn janet catherine maria heather diane ruth "
    "julie olivia joyce virginia victoria kelly lauren christina joan evelyn judith marie ada rosalind hillary melania".split()
)
PEOPLE = frozenset(
    "man woman boy girl father mother son daughter brother sister husband wife actor actress author writer singer president "
    "king queen scientist physicist artist painter musician player director founder inventor character person".split()
)
