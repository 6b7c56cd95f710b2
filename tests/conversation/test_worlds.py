"""A cached answer equals the one that a world without a cache gives: whatever users, rights, days and documents are.

The seeds are reports of newcomers, their paraphrases, and near traps. Each mutant below forgets one part of
the key, and is found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from langchain_redis_memory import RedisCache, RedisSemanticCache, SemanticAnswerCache
from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.cache.sharing import Asker, Lifetimes, SharingRule
from langchain_redis_memory.conversation import runnable
from langchain_redis_memory.conversation.tool_watch import ToolWatch
from langchain_redis_memory.language.equivalence import ThresholdPolicy, VerifiedPolicy
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.fingerprint import Description
from tests.conftest import Both, Watch
from tests.support.chains import NeverCache
from tests.support.worlds import Alike, PromptWorld, Turn, World, everybody, lexicon, never_part

PERSONAL = """
What is my account balance? | What's my account balance? | How much is my account balance?
What is my balance?
Show my open orders. | Show me my open orders.
What did my doctor say?
Am I eligible for a refund?
Do I have unread messages? | Do I have any unread messages?
Where is my order?
Which orders did I place last month?
How much do I owe?
Is my flight booked?
Who is my manager?
Which devices do I own?
Which colours do my walls have?
"""
EFFECT = """
Cancel order 123 | Cancel order 123 please. | Can you cancel order 123 for me?
Cancel order 124
Send an email to Bob.
Delete my account.
Book a table for two at Luigi's.
Remind me to call mum at five.
Transfer 100 euros to Bob.
Set the alarm for 7 am.
Go ahead.
Yes please, do it.
Confirm the booking.
Turn on the light in the kitchen.
"""
VOLATILE = """
What is the date today? | What day is it today?
What time is it now?
What's the weather today?
What's the weather in Paris?
Who won the match yesterday?
What is the latest news?
What is the price of bitcoin right now?
"""
VARY = """
Roll a dice.
Pick a random number.
Tell me another joke.
"""
PUBLIC = """
What is the capital of Norway? | What's the capital of Norway?
What is the capital of Sweden?
How do vaccines work?
Who wrote Moby-Dick?
What happened today in 1969?
Can an order be cancelled?
How do I enable two-factor login?
How do I disable two-factor login?
Which vaccines are safe in pregnancy?
Which vaccines are not safe in pregnancy?
How long is 5 km in miles?
How long is 50 km in miles?
What is 22?
What is 2\u00b2?
What is C#?
What is C?
How large is Paris?
"""
WORDS = lexicon(
    personal=PERSONAL,
    effect=EFFECT,
    volatile=VOLATILE,
    vary=VARY,
    public=PUBLIC,
    continues="What about Berlin?\nWhat about Mario's?\nHow is it treated?\nAnd what does that cost?",
    tool="What is the capital of Freedonia?",
    register="What is Freedonia?",
    quiet="Book a table at Luigi's.",
)
ASKED = [text for text, words in WORDS.items() if words.kind not in {"continues", "tool", "register"}]
ABOUT = "What about Berlin?"
CHAINS = ["model", "function", "agent", "rag"]
LIFE = [
    Turn("What is the capital of Norway?"),
    Turn("What is the capital of Norway?", user="ben"),
    Turn("What's the capital of Norway?", user="ben", where="session"),
    Turn("What is the capital of Norway?", tenant="t"),
    Turn("What is the capital of Norway?", lead="Be brief."),
    Turn("What is the capital of Norway?", edition=2),
    Turn("Which colours do my walls have?"),
    Turn("Which colours do my walls have?"),
    Turn("Which colours do my walls have?", user="ben", where="auth"),
    Turn("Cancel order 123"),
    Turn("Cancel order 123"),
    Turn("What's the weather in Paris?", session="a"),
    Turn("What about Berlin?", session="a"),
    Turn("What's the weather in Paris?", session="b", day=2),
    Turn("What about Berlin?", session="b", day=2),
    *(Turn(text, session=session) for session in "cd" for text in ("Book a table at Luigi's.", "What about Mario's?")),
]


def memory() -> Client:
    return Client.from_url(f"memory://{uuid4().hex}")


async def worlds(
    both: Both,
    turns: Sequence[Turn],
    chain: str,
    client: Client | None = None,
    cache: Any = True,
    other: Client | None = None,
    **options: Any,
) -> int:
    client = client or memory()
    cached = World(WORDS, chain, client, cached=True, cache=cache, **options)
    plain = World(WORDS, chain, other or memory(), cached=False)
    return await never_part(both, cached, plain, turns)


def meanings(client: Client, policy: Any = None) -> SemanticAnswerCache:
    return SemanticAnswerCache(client, Alike(), search=SearchOptions(policy=policy or VerifiedPolicy(0.05)))


# --- every server, every chain, both colours ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("chain", ["model", "rag"])
async def test_the_worlds_never_part(client: Client, url: str, prefix: str, both: Both, chain: str) -> None:
    cache = meanings(client) if chain == "model" else True
    assert await worlds(both, LIFE, chain, client, cache, Client.from_url(url, prefix=f"{prefix}:plain")) > 0


@pytest.mark.slow
@pytest.mark.parametrize("chain", ["function", "agent"])
@pytest.mark.parametrize("embedded", [False, True], ids=["exact", "meaning"])
async def test_the_worlds_of_functions_never_part(both: Both, chain: str, embedded: bool) -> None:
    client = memory()
    assert await worlds(both, LIFE, chain, client, meanings(client) if embedded else True) > 0


@pytest.mark.parametrize("name", ["exact", "meaning"])
async def test_the_worlds_of_langchains_caches_never_part(client: Client, both: Both, name: str) -> None:
    def cache_of(tenant: str) -> Any:
        if name == "exact":
            return RedisCache(client, tenant=tenant)
        return RedisSemanticCache(client, Alike(), tenant=tenant, search=SearchOptions(policy=VerifiedPolicy(0.05)))

    # LangChain's exact cache serves the very same prompt: there the day is in it, and effects are not asked for.
    exact = name == "exact"
    turns = [replace(turn, lead=f"Day {turn.day}") if exact else turn for turn in LIFE]
    turns = [
        turn for turn in turns if not exact or (WORDS[turn.text].kind != "effect" and turn.session not in ("c", "d"))
    ]
    cached, plain = PromptWorld(WORDS, cache_of), PromptWorld(WORDS, lambda tenant: False)
    assert await never_part(both, cached, plain, turns) > 0


# --- every seed ---------------------------------------------------------------------------------------------------

SYNC = Both(asynchronous=False)


@pytest.fixture
def fresh(real_url: str, prefix: str, watch: Watch) -> Callable[[], Client]:
    """Makes clients of which each has a server to itself, as far as it can see."""
    watch(real_url, prefix)
    return lambda: Client.from_url(real_url, prefix=f"{prefix}:{uuid4().hex}")


@pytest.mark.parametrize("chain", ["model", "function"])
def test_the_worlds_never_part_at_a_seed(fresh: Callable[[], Client], chain: str) -> None:
    few = settings().max_examples < 100
    asked = ASKED[:: 2 if few and chain == "function" else 1]  # neighbours are of one kind
    client, turns = fresh(), [turn for text in asked for turn in everybody(text)[:: 2 if chain == "model" else 1]]
    assert asyncio.run(worlds(SYNC, turns, chain, client, meanings(client), fresh())) > 15


def two(text: str, **of_ben: Any) -> list[Turn]:
    """A text as two users say it."""
    return [Turn(text), Turn(text, user="ben", **of_ben)]


def days(text: str) -> list[Turn]:
    """A text on two days."""
    return [Turn(text), Turn(text, day=2)]


BALANCE, TERMS, ORDER = "What is my account balance?", "How do vaccines work?", "Cancel order 123"
REPORTED: dict[str, tuple[str, list[Turn]]] = {
    "the user is in the metadata": ("function", two(BALANCE)),
    "the user is configurable": ("function", [replace(turn, where="configurable") for turn in two(BALANCE)]),
    "the user is authenticated": ("function", [replace(turn, where="auth") for turn in two(BALANCE)]),
    "the user is the session": ("function", [replace(turn, where="session") for turn in two(BALANCE)]),
    "in other words": ("function", [Turn(BALANCE), Turn("What's my account balance?", user="ben")]),
    "in still other words": ("function", [Turn(BALANCE), Turn("How much is my account balance?", user="ben")]),
    "my balance": ("function", two("What is my balance?")),
    "my open orders": ("function", two("Show my open orders.")),
    "my doctor": ("function", two("What did my doctor say?")),
    "am I": ("function", two("Am I eligible for a refund?")),
    "do I have": ("function", two("Do I have unread messages?")),
    "my order": ("function", two("Where is my order?")),
    "one effect, two users": ("function", two(ORDER)),
    "one effect, twice": ("function", [Turn(ORDER), Turn(ORDER)]),
    "one effect in other words": ("function", [Turn(ORDER), Turn("Can you cancel order 123 for me?", user="ben")]),
    "a letter": ("function", two("Send an email to Bob.")),
    "an account": ("function", two("Delete my account.")),
    "the date": ("function", days("What is the date today?")),
    "the time": ("function", days("What time is it now?")),
    "the weather": ("function", days("What's the weather today?")),
    "the match": ("function", days("Who won the match yesterday?")),
    "a dice": ("function", two("Roll a dice.")),
    "a model and the date": ("model", days("What is the date today?")),
    "a model and the time": ("model", days("What time is it now?")),
    "a model and the weather": ("model", days("What's the weather today?")),
    "a model and the match": ("model", days("Who won the match yesterday?")),
    "a model and a dice": ("model", two("Roll a dice.")),
    "a model and the news": ("model", days("What is the latest news?")),
    "documents of other rights": ("rag", [Turn(TERMS), Turn(TERMS, user="ben", role="boss")]),
    "documents of another tenant": ("rag", [Turn(TERMS), Turn(TERMS, user="ben", tenant="t")]),
    "documents that changed": ("rag", [Turn(TERMS), Turn(TERMS, user="ben", edition=2)]),
    "a new prompt under the old scope": ("model", [Turn(TERMS), Turn(TERMS, prompt="Answer in French.")]),
    "a new prompt of a function": ("function", [Turn(TERMS), Turn(TERMS, prompt="Answer in French.")]),
    "a system message": ("model", [Turn(TERMS), Turn(TERMS, lead="Be brief.")]),
    "what a tool did": ("agent", two("What is the capital of Freedonia?")),
    "what a tool found": ("agent", days("What is Freedonia?")),
    "the keys of a dict": ("cites", two(TERMS)),
    "the keys of a dict in a stream": ("cites", [replace(turn, streamed=True) for turn in two(TERMS, role="boss")]),
    "what continues the weather": (
        "model",
        [Turn(text, session=f"{day}", day=day) for day in (1, 2) for text in ("What's the weather in Paris?", ABOUT)],
    ),
    "what is everybody's": ("function", two("What is the capital of Norway?")),
}


@pytest.mark.parametrize("chain", [*CHAINS, "cites"])
def test_the_worlds_never_part_where_they_were_reported_to(fresh: Callable[[], Client], chain: str) -> None:
    client, turns = fresh(), [turn for kind, turns in REPORTED.values() if kind == chain for turn in turns]
    cache = True if chain == "rag" else meanings(client)
    hits = asyncio.run(worlds(SYNC, turns, chain, client, cache, fresh()))
    assert hits > 0 or chain == "agent"


TURNS = st.builds(
    Turn,
    text=st.sampled_from(sorted(WORDS)),
    user=st.sampled_from(["ana", "ben"]),
    session=st.sampled_from(["", "s", "of:ana"]),
    tenant=st.sampled_from(["", "a:b", "a"]),
    agent=st.sampled_from(["", "c", "b:c"]),
    role=st.sampled_from(["", "boss"]),
    where=st.sampled_from(["metadata", "configurable", "auth", "session"]),
    lead=st.sampled_from(["", "", "Be brief."]),
    tone=st.sampled_from([None, None, 1, True, "1"]),
    day=st.sampled_from([1, 1, 2]),
    edition=st.sampled_from([1, 1, 2]),
    prompt=st.sampled_from(["", "", "Answer in French."]),
    streamed=st.booleans(),
)
FEW = settings(
    max_examples=4, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)


@pytest.mark.parametrize(("chain", "embedded"), [("function", False), ("agent", True), ("rag", False)])
def test_the_worlds_never_part_whatever_is_said(fresh: Callable[[], Client], chain: str, embedded: bool) -> None:
    @FEW
    @given(st.lists(TURNS, min_size=2, max_size=6).map(lambda turns: turns * 2))
    @example(
        [
            Turn("What is the capital of Norway?", tenant="a", agent="b:c"),
            Turn("What is the capital of Norway?", tenant="a:b", agent="c"),
        ]
    )
    @example([replace(MINE, session="s"), replace(MINE, session="s", user="ben")])
    def check(turns: list[Turn]) -> None:
        client = fresh()
        asyncio.run(worlds(SYNC, turns, chain, client, meanings(client) if embedded else True, fresh()))

    check()


# --- mutants: each forgets something, and is found ----------------------------------------------------------------

KEPT = Lifetimes(user_s=60)
"""What is the asker's own is kept, so that a key which forgets him is found."""
NORWAY, MINE = Turn("What is the capital of Norway?"), Turn("Which colours do my walls have?")


class Blind(ExactAnswerCache):
    """A wrong cache: its keys leave something out."""

    def __init__(self, forget: Callable[[CacheQuestion], CacheQuestion]) -> None:
        super().__init__(60)
        self.forget = forget

    def lookup(self, asked: CacheQuestion) -> Any:
        return super().lookup(self.forget(asked))

    def store(self, asked: CacheQuestion, answer: Answer) -> Any:
        return super().store(self.forget(asked), answer)


FORGETFUL: dict[str, tuple[str, Callable[[CacheQuestion], CacheQuestion], Turn]] = {
    "the system prompt": ("model", lambda asked: replace(asked, context=()), replace(NORWAY, lead="Be brief.")),
    "the question": ("model", lambda asked: replace(asked, question=""), Turn("Who wrote Moby-Dick?")),
    "the tenant": (
        "function",
        lambda asked: replace(asked, space=replace(asked.space, tenant="")),
        replace(NORWAY, tenant="t"),
    ),
    "the agent": ("function", lambda asked: replace(asked, agent=""), replace(NORWAY, agent="x")),
    "a right in the metadata": ("function", lambda asked: replace(asked, given=None), replace(NORWAY, role="boss")),
    "an input": ("function", lambda asked: replace(asked, given=None), replace(NORWAY, tone=1)),
    "the audience": ("function", lambda asked: replace(asked, audience=""), replace(MINE, user="ben")),
}


@pytest.mark.parametrize("name", FORGETFUL)
async def test_a_cache_that_forgets_is_found(name: str) -> None:
    chain, forget, other = FORGETFUL[name]
    turns = [MINE if name == "the audience" else NORWAY, other]
    await worlds(SYNC, turns, chain, cache=Blind(lambda asked: asked), lifetimes=KEPT)
    with pytest.raises(AssertionError, match="the worlds part"):
        await worlds(SYNC, turns, chain, cache=Blind(forget), lifetimes=KEPT)


def same_for_all(chain: Any) -> Description:
    """A description that says nothing."""
    return Description("0" * 40, (), True)


MUTANTS: dict[str, tuple[Any, str, Any, str, list[Turn]]] = {
    "the user": (Asker, "name", "somebody", "function", [MINE, replace(MINE, user="ben")]),
    "the chain": (
        runnable,
        "describe",
        same_for_all,
        "function",
        [NORWAY, replace(NORWAY, prompt="Answer in French.")],
    ),
    "rights": (runnable, "rights_of", lambda config: [], "function", [NORWAY, replace(NORWAY, role="boss")]),
    "documents": (
        Answer,
        "grounded_in",
        lambda answer, documents: True,
        "rag",
        [NORWAY, replace(NORWAY, edition=2)],
    ),
    "the day": (SharingRule, "bypass", lambda sharing: "", "model", everybody("What is the date today?")),
    "effects": (SharingRule, "bypass", lambda sharing: "", "model", everybody("Cancel order 123")),
    "what is continued": (SharingRule, "bypass_after", lambda *_, **__: "", "function", LIFE[-4:]),
    "tools": (
        ToolWatch,
        "forbids_caching",
        lambda watch, told: False,
        "agent",
        [Turn("What is the capital of Freedonia?")] * 2,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_law_that_forgets_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, part, mutant, chain, turns = MUTANTS[name]
    options: dict[str, Any] = {"cache": ExactAnswerCache(60), "lifetimes": KEPT}
    await worlds(SYNC, turns, chain, **options)
    monkeypatch.setattr(owner, part, mutant)
    with pytest.raises(AssertionError, match="the worlds part"):
        await worlds(SYNC, turns, chain, **options)


async def test_a_verifier_that_trusts_the_cosine_is_found() -> None:
    turns = [Turn("How do I enable two-factor login?"), Turn("How do I disable two-factor login?")]
    for policy, parts in ((VerifiedPolicy(0.05), False), (ThresholdPolicy(0.5), True)):
        client = memory()
        if not parts:
            await worlds(SYNC, turns, "model", client, meanings(client, policy))
            continue
        with pytest.raises(AssertionError, match="the worlds part"):
            await worlds(SYNC, turns, "model", client, meanings(client, policy))


@pytest.mark.slow
async def test_a_world_without_a_cache_is_never_served() -> None:
    assert await worlds(SYNC, LIFE, "function", cache=NeverCache()) == 0
