"""Fixtures: servers, clients, both colours of every method, and the guard against keys that never expire."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import pytest
from hypothesis import is_hypothesis_test
from typer import testing
from typer.main import get_command

from langchain_redis_memory.cache import decision_log, single_flight, stats
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.redis.client import outboxes
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.client.deadline import CALL
from langchain_redis_memory.redis.client.options import Options
from langchain_redis_memory.redis.client.topology import topology
from tests.support import examples, patience, servers
from tests.support.servers import PATIENT_S, Farm

examples.load_profiles()

# Nor do the clients that tests, examples and programs make themselves give up on a machine that is busy.
for _bound in ("REDIS_MEMORY_TIMEOUT_S", "REDIS_MEMORY_CONNECT_TIMEOUT_S"):
    os.environ.setdefault(_bound, str(PATIENT_S))

pytest_runtest_protocol = patience.pytest_runtest_protocol

# To rewrite the tests' assertions takes each worker longer than to collect them; so they are kept in `__pycache__`, and
# so is the package for the processes that tests start, also where Python is told to keep nothing.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A second after the last ones, counts and log lines go along with a read. On a busy machine a trip would be larger
# than a test says, and where the server does not know their script yet, there would be one more.
stats._LONG_S = decision_log._LONG_S = 3600.0

# Its runner builds all commands of an app at each call, which costs more than most of them do.
vars(testing)["_get_command"] = cache(get_command)

IN_TURN = "in-turn"
QUICK = "quick"
COLOURS = ("sync", "async")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pins: the test makes keys without a lifetime on purpose")
    config.addinivalue_line("markers", "clocked: what a busy machine made late is repeated with longer waits")
    config.addinivalue_line("markers", "slow: one row takes more than some tenth of a second of a processor")
    config.addinivalue_line("markers", "quick: one row of each test that needs no server and no process; see `quick`")
    if config.getoption("markexpr") == QUICK and config.getoption("--servers") == IN_TURN:
        config.option.servers = "memory"  # to make all the others and leave them out costs seconds
    for name in ("benchmark", "vcr"):  # langchain-tests marks with them, for plugins that pyproject.toml turns off
        config.addinivalue_line("markers", f"{name}: not used here")


# --- which tests run, and where -------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        metavar="NAMES",
        default=IN_TURN,
        help="in-turn: each test on one kind of server, every third in this process too, in one colour each; "
        "memory: in this process; whole rooms in one colour, a file that is named in both; "
        f"all: each on all, in both colours; or names, as in --servers=memory: {', '.join(servers.NAMES)}",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One file or one test runs in this process, where a debugger and prints work; all else on every processor.

    Two more processes than there are processors work while the others wait for a server or for a process.
    """
    if config.getoption("markexpr") == QUICK:  # nobody waits for anything, and each process makes all tests anew
        return min(2, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else 2
    selected = [argument.partition("::")[0] for argument in config.args]
    if all(argument.endswith(".py") for argument in selected) and len(set(selected)) == 1:
        return 0
    return len(os.sched_getaffinity(0)) + 2 if hasattr(os, "sched_getaffinity") else None


TOGETHER = (
    "tests/admin/test_browser.py",
    "tests/faults/test_durability.py",
    "tests/faults/test_replicas.py",
    "tests/test_extras.py",
    "tests/test_house.py",
    "tests/test_imports.py",
)
"""What one process runs whole, as what it needs takes seconds: a browser's start, all imports, all sources parsed."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Sends the next test, with all its parameters, to the process that is free: what it needs is made once.

    To send each parameter alone costs xdist seconds, as it goes over all that it sent. The marks of its own groups
    are lost on pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return next((group for group in TOGETHER if nodeid.startswith(group)), nodeid.partition("[")[0])

    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Iterator[None]:
    """Makes no test for a server that is not wanted: to make them and leave them out costs seconds."""
    given = metafunc.config.getoption("--servers")
    parametrize = metafunc.parametrize

    def with_chosen(argnames: Any, argvalues: Any, *args: Any, **kwargs: Any) -> None:
        values = list(argvalues)
        asked = [named(value.values if isinstance(value, type(pytest.param())) else (value,)) for value in values]
        chosen = turn(metafunc.definition.nodeid, asked) if given == IN_TURN else wanted(metafunc.config)
        kept = [value for value, names in zip(values, asked, strict=True) if names <= chosen]
        if len(kept) < len(values) and not isinstance(kwargs.get("ids"), (list, tuple)):
            values = kept or values[:1]  # the one of a test that needs another server is left out below
        parametrize(argnames, values, *args, **kwargs)

    if given != "all":
        metafunc.parametrize = with_chosen  # type: ignore[method-assign]
    yield
    alone = given == "memory" and not any(".py" in argument for argument in metafunc.config.args)
    if given == IN_TURN or alone:
        metafunc._calls[:] = shared_out(metafunc, alone=alone)
    if metafunc.config.getoption("markexpr") == QUICK:
        metafunc._calls[:] = first_row(metafunc)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Does not even import what is not quick, in a run of what is."""
    if config.getoption("markexpr") != QUICK:
        return None
    return str(collection_path.relative_to(config.rootpath)).startswith(NOT_QUICK) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs a server that `--servers` does not name."""
    chosen = wanted(config)
    left_out = [item for item in items if not needs(params_of(item), getattr(item, "fixturenames", ())) <= chosen]
    config.hook.pytest_deselected(items=left_out)
    unwanted = set(left_out)
    items[:] = [item for item in items if item not in unwanted]
    for item in quick(items):
        item.add_marker(QUICK)


NOT_QUICK = ("tests/faults", "tests/test_docs", "tests/test_examples", "tests/test_house", "tests/test_imports")
"""What is about time, or reads and runs the whole project."""
PROCESSES = {"multiprocessing", "programs", "Program", "Talking", "subprocess", "testing", "uvicorn"}
"""Names by which a module of tests starts processes, servers of its own, or commands."""


def quick(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """The first row of each test that asks no server, in modules that start no process; nothing slow, no property."""
    seen: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        module = vars(getattr(item, "module", None) or object)
        if test in seen or item.nodeid.startswith(NOT_QUICK) or PROCESSES & module.keys():
            continue
        if item.get_closest_marker("slow") or is_hypothesis_test(getattr(item, "obj", None)):
            continue
        asked = needs(params_of(item), getattr(item, "fixturenames", ()))
        if asked <= {"memory"}:
            seen.add(test)
            yield item


def first_row(metafunc: pytest.Metafunc) -> list[Any]:
    """The only row of a test that may be quick: to make all the others and leave them out takes seconds."""
    for call in metafunc._calls:
        if needs(call.params, metafunc.fixturenames) <= {"memory"} and all(mark.name != "slow" for mark in call.marks):
            return [call]
    return metafunc._calls[:1]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is made while tests are collected lives to the end: nobody need look for garbage."""
    gc.disable()
    yield
    gc.enable()


def pytest_collection_finish() -> None:
    """The garbage collector need not visit what lives to the end, nor come as often as it does.

    A test that waits for garbage collects it itself.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def wanted(config: pytest.Config) -> set[str]:
    """The servers that `--servers` names."""
    given = config.getoption("--servers")
    chosen = set(servers.NAMES) if given in ("all", IN_TURN) else set(given.split(","))
    if unknown := chosen - set(servers.NAMES):
        msg = f"--servers knows in-turn, all, {', '.join(servers.NAMES)}; got {', '.join(sorted(unknown))}"
        raise pytest.UsageError(msg)
    return chosen


def turn(test: str, asked: list[set[str]]) -> set[str]:
    """The servers on which a test runs in turn: all that are no plain server, and one of those that are.

    Where the Query Engine is in a table the test asks what a server can do, so it runs on each.
    """
    plain = sorted(set().union(*asked) & set(servers.PROGRAMS))
    if len(plain) < 2 or "search" in set().union(*asked):
        return set(servers.NAMES)
    return set(servers.NAMES) - set(plain) | {plain[crc32(test.encode()) % len(plain)]}


def shared_out(metafunc: pytest.Metafunc, *, alone: bool) -> list[Any]:
    """Of a test that runs in both colours, in this process and on servers: one colour on a server, the other one here.

    Every third test is run here at all, and one that asks a single server in one colour, unless it is about faults,
    a cluster or a sentinel, where each colour has code of its own. Of one that asks no server and has rows, each row
    is run in one colour, and the next row in the other.
    `alone` is a run in this process only, of whole rooms: one colour here, and no other.
    """
    places: dict[str, set[bool]] = {}
    own: list[tuple[str, bool, str, set[str]]] = []
    for call in metafunc._calls:
        words = [*re.split(r"[\[\]-]", metafunc.definition.nodeid), *call.id.split("-"), ""]
        names, asked = named(call.params.values()), needs(call.params, metafunc.fixturenames)
        colour = next((word for word in words if word in COLOURS), "")
        test = "-".join(word for word in words if word not in names and word != colour)
        own.append((test, "memory" in names, colour, asked))
        places.setdefault(test, set()).add("memory" in names)
    kept, rows = [], list(places)
    for call, (test, here, colour, asked) in zip(metafunc._calls, own, strict=True):
        turn_of, both = crc32(test.encode()) if asked else rows.index(test), len(places[test]) == 2
        each_colour = not (both or alone) and ("/faults/" in test or asked & {"cluster", "sentinel"})
        each_colour = each_colour or (not asked and len(rows) == 1)
        if colour and not each_colour and COLOURS.index(colour) != (turn_of + here) % 2:
            continue
        if alone or not (here and both and turn_of // 2 % 3):
            kept.append(call)
    return kept or metafunc._calls[:1]  # one whose colours are tied to servers runs on one of them


def named(values: Iterable[object]) -> set[str]:
    """The servers that parameters name, alone or in a tuple."""
    words = [word for value in values for word in (value if isinstance(value, tuple) else (value,))]
    return {word for word in words if isinstance(word, str) and word in servers.NAMES}


def params_of(item: pytest.Item) -> Mapping[str, object]:
    """The parameters of a test."""
    return item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


def needs(params: Mapping[str, object], fixtures: Collection[str]) -> set[str]:
    """The servers that a test asks: those that its parameters name, those of its fixtures, else one real one."""
    asked = named(params.values())
    asked |= {name for name in ("cluster", "sentinel") if f"{name}_url" in fixtures}
    if "real_url" in fixtures or ("farm" in fixtures and not asked):
        asked.add(servers.NEWEST)
    return asked


# --- servers --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def farm() -> Iterator[Farm]:
    """Starts servers; all of them end with the session."""
    running = Farm()
    yield running
    for client in _opened.values():
        client.close()
    running.stop()


def url_of(name: str, farm: Farm) -> str:
    """The URL of a row of the table: for `memory` a fresh server each time."""
    return f"memory://{uuid4().hex}" if name == "memory" else farm.url(name)


@pytest.fixture(params=servers.TABLE)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """The URL of each kind of server in turn."""
    return url_of(request.param, farm)


@pytest.fixture
def real_url(farm: Farm) -> str:
    """The URL of one real server."""
    return farm.url(servers.NEWEST)


@pytest.fixture(scope="session")
def cluster_url(farm: Farm) -> str:
    """The URL of a cluster of three masters."""
    return servers.start_cluster(farm)


@pytest.fixture(scope="session")
def sentinel_url(farm: Farm) -> str:
    """The URL of a master behind a sentinel, service `main`."""
    sentinel = farm.sentinel(farm.start(servers.NEWEST), "main")
    return f"redis+sentinel://127.0.0.1:{sentinel.port}/main/0"


# --- keys that never expire -----------------------------------------------------------------------


_opened: dict[str, Any] = {}
"""A client of redis-py for each server: to open one costs as much as a small test."""


def immortal(url: str, prefix: str) -> list[str]:
    """The keys under a prefix that have no lifetime."""
    return [key for key, left in lifetimes(url, prefix).items() if left == -1]


def lifetimes(url: str, prefix: str, *, sweeps: bool = False) -> dict[str, int]:
    """The keys under a prefix and how long each has; with `sweeps` they are deleted in the same trip."""
    if url.startswith("memory:"):  # each test has its own; a client of redis-py would cost as much as a small test
        server = topology(url, Options()).open()
        keys = sorted(server.send([("KEYS", f"{prefix}:*")], by_digest=False)[0])
        replies = server.send([("PTTL", key) for key in keys], by_digest=False) if keys else []
        server.close()
    else:
        if (client := _opened.get(url)) is None:
            client = _opened[url] = servers.admin(url)
        keys = sorted(client.scan_iter(f"{prefix}:*", 1000))
        pipe = client.pipeline(transaction=False)
        for command in ("PTTL", "UNLINK")[: 1 + sweeps]:
            for key in keys:
                pipe.execute_command(command, key)
        replies = pipe.execute()[: len(keys)] if keys else []
    return {key.decode(): left for key, left in zip(keys, replies, strict=True)}


Watch = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    """What a test leaves unstored is nobody's business afterwards: its server is gone."""
    yield
    for outbox in [outbox for outbox in outboxes.everywhere if len(outbox)]:
        outbox.reset()


@pytest.fixture(autouse=True)
def no_leases() -> None:
    """This thread, and the tasks that it will start, go on with nothing that an earlier test was interrupted in."""
    single_flight._mine.set(None)
    single_flight._owed.clear()
    CALL.until = inf


@pytest.fixture(autouse=True)
def watch(request: pytest.FixtureRequest) -> Iterator[Watch]:
    """After every test: each key under the prefixes it named has a lifetime, unless it is marked `pins`."""
    watched: set[tuple[str, str]] = set()
    yield lambda url, prefix: watched.add((url, prefix))
    leaked = [key for url, prefix in watched for key, left in lifetimes(url, prefix, sweeps=True).items() if left == -1]
    if leaked and request.node.get_closest_marker("pins") is None:
        pytest.fail(f"keys without a lifetime: {leaked}")


# --- clients --------------------------------------------------------------------------------------


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test uses."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
def trips() -> list[Trip]:
    """Receives the round trips of `client`."""
    return []


@pytest.fixture
async def open_client(prefix: str, trips: list[Trip], watch: Watch) -> AsyncIterator[Callable[[str], Client]]:
    """Makes a client of a URL, whose round trips are noted; it is closed after the test."""
    made: list[Client] = []

    def open_url(url: str) -> Client:
        watch(url, prefix)
        made.append(Client.from_url(url, prefix=prefix, on_trip=trips.append, timeout_s=PATIENT_S))
        return made[-1]

    yield open_url
    for client in made:
        await client.aclose()


@pytest.fixture
def client(url: str, open_client: Callable[[str], Client]) -> Client:
    """A client on each kind of server in turn."""
    return open_client(url)


@pytest.fixture
def real(real_url: str, open_client: Callable[[str], Client]) -> Client:
    """A client on one real server."""
    return open_client(real_url)


@pytest.fixture
def cluster(cluster_url: str, open_client: Callable[[str], Client]) -> Client:
    """A client on the cluster."""
    return open_client(cluster_url)


@pytest.fixture
def sentinel(sentinel_url: str, open_client: Callable[[str], Client]) -> Client:
    """A client on the master behind the sentinel."""
    return open_client(sentinel_url)


@pytest.fixture
def history(client: Client) -> Callable[..., RedisChatMessageHistory]:
    """Makes a history: `history()`, `history("other", max_messages=3)`."""

    def make(session_id: str = "s", **options: Any) -> RedisChatMessageHistory:
        return RedisChatMessageHistory(session_id, client, **options)

    return make


# --- colours --------------------------------------------------------------------------------------

_PROPERTIES = {"messages": "aget_messages"}


class Both:
    """Calls a method in one colour: `await both(history.clear)()` is `clear()` or `await aclear()`."""

    def __init__(self, *, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    def __call__(self, method: Callable[..., Any]) -> Callable[..., Any]:
        owner, name = method.__self__, method.__name__  # type: ignore[attr-defined]
        chosen = getattr(owner, f"a{name}") if self.asynchronous else method

        async def call(*args: Any, **kwargs: Any) -> Any:
            result = chosen(*args, **kwargs)
            return await result if self.asynchronous else result

        return call

    def each(self, method: Callable[..., Any]) -> Callable[..., Awaitable[list[Any]]]:
        """Lists what an iterator gives in one colour: `await both.each(users.export)("ana")`."""
        owner, name = method.__self__, method.__name__  # type: ignore[attr-defined]

        async def call(*args: Any, **kwargs: Any) -> list[Any]:
            if self.asynchronous:
                return [one async for one in getattr(owner, f"a{name}")(*args, **kwargs)]
            return list(method(*args, **kwargs))

        return call

    async def get(self, owner: Any, name: str) -> Any:
        """A property, or the async method that stands for it."""
        if self.asynchronous:
            return await getattr(owner, _PROPERTIES[name])()
        return getattr(owner, name)

    async def messages(self, owner: Any) -> Any:
        """All messages of a history."""
        return await self.get(owner, "messages")

    async def len(self, owner: Any) -> int:
        """`len(owner)`, or what stands for it."""
        return await owner.acount() if self.asynchronous else len(owner)

    async def chunks(self, client: Client, flow: Any) -> tuple[list[Any], Any]:
        """The chunks of a flow that streams, and its result."""
        if self.asynchronous:
            result: list[Any] = []
            return [chunk async for chunk in client.astream(flow, chunks=True, result=result)], result[0]
        seen: list[Any] = []
        source = client.stream(flow, chunks=True)
        step = partial(next, source)
        while True:
            try:
                seen.append(step())
            except StopIteration as done:
                return seen, done.value


@pytest.fixture(params=COLOURS)
def both(request: pytest.FixtureRequest) -> Both:
    """Each colour in turn."""
    return Both(asynchronous=request.param == "async")
