"""Users with the rights of one class, and of one tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from langchain_core.messages import AIMessage, HumanMessage

import langchain_redis_memory
from langchain_redis_memory import (
    AuthenticationError,
    Client,
    ConfigError,
    ConversationMemory,
    InvalidIdError,
    InvalidInputError,
    RedisChatMessageHistory,
    RedisSaver,
    RedisSessions,
    RedisStore,
    acl_line,
)
from langchain_redis_memory.redis.acl import COMMANDS
from langchain_redis_memory.redis.capabilities import EngineName
from langchain_redis_memory.redis.keys import KeySpace
from tests.conftest import Both, Watch
from tests.redis.client.test_connect import CLASSES
from tests.redis.test_keys import ADVERSARIAL, NAMED, every_key
from tests.support import servers
from tests.support.commands import table
from tests.support.raw import raw
from tests.support.saves import checkpoint, loop, place
from tests.support.scenario import SCENARIOS
from tests.support.servers import NEWEST, Farm

SERVERS = [pytest.param(name, id=name) for name in servers.REAL if name in {"redis62", NEWEST}]
Login = Callable[..., Client]


@pytest.fixture(params=SERVERS)
def login(request: pytest.FixtureRequest, farm: Farm, prefix: str, watch: Watch) -> Iterator[Login]:
    """Makes a user by an ACL line, and a client with its password."""
    url = farm.url(request.param)
    watch(url, prefix)
    made: list[tuple[Client, str]] = []
    engine: EngineName = "vector_sets" if request.param == NEWEST else "exact"
    admin = Client.from_url(url)

    def make(*classes: str, tenant: str | None = "acme") -> Client:
        user = f"{prefix}-{len(made)}"
        line = acl_line(user, *classes, tenant=tenant, prefix=prefix, password="p@ss/word", engine=engine)
        raw(admin, tuple(line.split()))
        login_url = url.replace("redis://", f"redis://{user}:p%40ss%2Fword@")
        made.append((Client.from_url(login_url, prefix=prefix), user))
        return made[-1][0]

    yield make
    for client, user in made:
        client.close()
        raw(admin, ("ACL", "DELUSER", user))
    admin.close()


@pytest.mark.slow
def test_the_table_of_commands_is_what_the_code_sends() -> None:
    """`python -m tests.support.commands` writes it."""
    assert dict(COMMANDS) == table()


def test_every_class_of_the_table_is_public_and_has_a_scenario() -> None:
    assert set(COMMANDS) <= set(langchain_redis_memory._HOMES)
    told = {name for scenario in SCENARIOS.values() for name in scenario.classes}
    assert told == set(COMMANDS) & set(langchain_redis_memory.__all__)


ELSEWHERE = {"RedisCaches", "RedisOperations", "RedisMigration"}
"""Are for operators: they go over all keys of a server by SCAN, which no user of a tenant may."""


def test_every_class_that_takes_a_server_is_a_row() -> None:
    taking = {getattr(made, "func", made).__name__ for made in CLASSES.values()}
    middleware = {name for name in langchain_redis_memory.__all__ if name.endswith(("Middleware", "_tools"))}
    assert taking | middleware | {"RedisWrappedKeys"} == set(COMMANDS) & set(langchain_redis_memory.__all__) | ELSEWHERE


@pytest.mark.pins
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_class_needs_no_other_command(login: Login, both: Both, name: str) -> None:
    scenario = SCENARIOS[name]
    client = login(*scenario.classes, tenant="" if name == "wrapped_keys" else "acme")  # that keeps them by itself
    for read in await scenario.run(both, client, "acme"):
        await read()
    assert client.ping() > 0
    assert client.health().reachable


async def test_what_reads_all_of_a_user_reads_threads_as_well(login: Login, both: Both) -> None:
    saver = RedisSaver(login("RedisSaver"), ttl_s=60, tenant="acme")
    said = {"messages": [HumanMessage("My cat is called Minka."), AIMessage("A fine name.")]}
    await both(saver.put)(place("t", user_id="ana"), checkpoint(said), loop(), {"messages": 1})
    memory = ConversationMemory(login("ConversationMemory"), tenant="acme")
    assert [turn.question for turn in await both(memory.recall)("ana", "cat")] == ["My cat is called Minka."]


async def test_a_command_less_is_not_enough(login: Login, both: Both) -> None:
    """The test above can fail."""
    client = login("RedisByteStore")
    with pytest.raises(AuthenticationError):
        await SCENARIOS["history"].run(both, client, "acme")


async def test_a_tenants_user_reaches_no_other_tenant(login: Login, both: Both) -> None:
    client, everyone = login(), login(tenant=None)
    for tenant in ("", "acm", "acme2", "acme/x", "acme%2Fx", "*", "acme}", "{acme"):
        theirs = RedisChatMessageHistory("s", everyone, ttl_s=60, tenant=tenant)
        await both(theirs.add_messages)([HumanMessage("theirs")])
        history = RedisChatMessageHistory("s", client, ttl_s=60, tenant=tenant)
        saver, store = RedisSaver(client, ttl_s=60, tenant=tenant), RedisStore(client, tenant=tenant)
        for call in (
            lambda history=history: both.messages(history),
            lambda history=history: both(history.clear)(),
            lambda history=history: both(history.add_messages)([HumanMessage("mine")]),
            lambda tenant=tenant: both(RedisSessions(client, tenant=tenant).clear_agent)(),
            lambda saver=saver: both(saver.get_tuple)(place()),
            lambda saver=saver: both(saver.delete_thread)("t"),
            lambda store=store: both(store.search)(("a",)),
            lambda store=store: both(store.put)(("a",), "k", {"x": 1}, ttl=1),
        ):
            with pytest.raises(AuthenticationError):
                await call()
        assert len(await both.messages(theirs)) == 1
    mine = RedisChatMessageHistory("s", client, ttl_s=60, tenant="acme")
    await both(mine.add_messages)([HumanMessage("mine")])
    assert len(await both.messages(mine)) == 1


def test_no_crafted_name_makes_a_key_that_another_tenants_user_reaches(farm: Farm) -> None:
    """The server itself is asked of each key, by ACL DRYRUN."""
    admin = Client.from_url(farm.url(NEWEST))
    tenants = ["", "acme", *NAMED, *(f"acme{sign}{more}" for sign in ADVERSARIAL for more in ("", "x"))]
    try:
        raw(admin, tuple(acl_line("dry", tenant="acme", prefix="p").split()))
        keys: dict[str, bool] = {}
        for tenant in dict.fromkeys(tenants):
            for name in NAMED[::8]:
                for agent in ("", name):
                    for key in every_key(KeySpace("p", tenant), agent, name).values():
                        keys[str(key)] = tenant == "acme"
        for start in range(0, len(keys), 2000):
            some = list(keys.items())[start : start + 2000]
            replies = raw(admin, *(("ACL", "DRYRUN", "dry", "GET", key) for key, _ in some))
            wrong = [key for (key, mine), reply in zip(some, replies, strict=True) if (reply == b"OK") != mine]
            assert not wrong
        assert len(keys) > 27_000
        assert any(keys.values())
    finally:
        raw(admin, ("ACL", "DELUSER", "dry"))
        admin.close()


def test_a_line_is_for_one_user_and_names_what_it_may_do() -> None:
    line = acl_line("app", RedisSaver, tenant="a b*", prefix="x", password="secret")
    assert line.startswith("ACL SETUSER app reset on #2bb80d53")
    assert " ~x:{a%20b%2A/* +del " in line
    assert "secret" not in line
    assert "+vsim" not in line
    assert "+ft.search" in acl_line("app", engine="query_engine")
    assert "+cluster|slots" in acl_line("app", cluster=True)
    for wrong, error in (
        (lambda: acl_line("a b"), InvalidInputError),
        (lambda: acl_line("a", "Nothing"), InvalidInputError),
        (lambda: acl_line("a", prefix="*"), ConfigError),
        (lambda: acl_line("a", tenant="\ud800"), InvalidIdError),
        (lambda: acl_line("a", tenant="acme", engine="query_engine"), ConfigError),
    ):
        with pytest.raises(error):
            wrong()
