"""The first call of a process: what langchain-core and redis-py take before it, and what this package adds.

python -m benchmarks.speed.start [--json FILE]

Time depends on the machine and on what else it does. Where valgrind is installed it counts what the processor executes,
the same from run to run within a percent; its ratio to what the floor executes is that of any machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import redis

from benchmarks.instructions import available
from benchmarks.speed.harness import Median, often, server
from benchmarks.speed.report import Report, command, installed

OURS, FLOOR = "langchain-redis-memory", "langchain-core and redis-py"
TIMES = 3
NOTES = [
    "Processor time of a new process with compiled bytecode, in ms; medians, the cases taking turns, one Redis 8.2.3.",
    "Instructions are counted by valgrind: their ratio is that of any machine.",
    "langchain-core and redis-py: both imported, a prompt and a model of langchain-core called once, a connection "
    "opened and a value read. Ours: what it takes from there to the end of the first call.",
]
BEFORE = """
import langchain_core.caches, langsmith, redis, redis.asyncio, sys, time, warnings
from langchain_core.language_models import FakeListChatModel
from langchain_core.outputs import Generation
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
warnings.simplefilter("ignore")
url = sys.argv[1]
prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
chain = prompt | FakeListChatModel(responses=["By mail."])
chain.invoke({"question": "How do refunds work?", "history": []})
redis.Redis.from_url(url).get("none")
floor = time.process_time()
"""
_TURN = """
chain = ConversationMemory({url}).wrap(chain)
chain.invoke({{"question": "How do refunds work?"}}, {{"configurable": {{"session_id": "s"}}}})
"""
CASES = {
    "importing the package": "import langchain_redis_memory",
    "`RedisCache`: its first look-up": """
from langchain_redis_memory import RedisCache
RedisCache(url, ttl_s=600).lookup("How do refunds work?", "model")
""",
    "`ConversationMemory`: its first turn": f"from langchain_redis_memory import ConversationMemory{_TURN}".format(
        url="url"
    ),
    "`ConversationMemory` on `memory://`: its first turn": (
        f"from langchain_redis_memory import ConversationMemory{_TURN}".format(url='"memory://"')
    ),
}
GOALS = {
    "importing the package": 15.0,
    "`RedisCache`: its first look-up": 50.0,
    "`ConversationMemory`: its first turn": 50.0,
}
_FORKS = """
import json, os
for url, code in json.loads(sys.argv[2]):
    child = os.fork()
    if not child:
        exec(code)
        os._exit(0)
    os.waitpid(child, 0)
    print(child)
"""


def emptied(url: str) -> str:
    """Empties a server, as a conversation and an answer of the process before would be found there."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


def instructions(url: str) -> tuple[float, dict[str, float]]:
    """Counts what the processor executes until the floor, and from there in each case, in millions of instructions.

    One process counts until the floor, and a fork of it goes on in each case; one that does nothing is the floor.
    """
    server = url.rpartition("/")[0]
    works = [(f"{server}/{number}", code) for number, code in enumerate(["", *CASES.values()])]
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={folder}/%p"]
        command += [sys.executable, "-c", BEFORE + _FORKS, emptied(url), json.dumps(works)]
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        told = [Path(folder, child).read_text("utf-8").rpartition("summary:")[2] for child in ran.stdout.split()]
    floor, *ends = (int(one.split()[0]) / 1e6 for one in told)
    return floor, {name: end - floor for name, end in zip(CASES, ends, strict=True)}


def once(code: str, url: str) -> tuple[float, float]:
    """Processor time of a new process until the floor and from there, in seconds."""
    script = f"{BEFORE}\n{code}\nprint(floor, time.process_time() - floor)\n"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, check=True, env=environment
    )
    floor, ours = map(float, ran.stdout.split())
    return floor, ours


def measure_all() -> Report:
    """Measures everything."""
    report = Report(
        "The first call of a process", {OURS: installed(OURS), FLOOR: installed("langchain-core")}, [*NOTES]
    )
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    with server(query_engine=False) as port:
        url = f"redis://127.0.0.1:{port}/0"
        for turn in range(1 + often(TIMES)):
            for name, code in CASES.items():
                measured = once(code, emptied(url))
                if turn:  # the first run compiles
                    taken[name].append(measured)
        counted = instructions(url) if available() else None
    for name, pairs in taken.items():
        floor, ours = (Median.of(seconds, 1000) for seconds in zip(*pairs, strict=True))
        goal = GOALS.get(name)
        report.add(name, "ms", {OURS: ours, FLOOR: floor}, goal, f"{goal:g} ms" if goal else "")
        each = sorted(1000 * seconds for _, seconds in pairs)
        report.notes.append(f"{name}: {each[0]:.0f} to {each[-1]:.0f} ms.")
    if counted is None:
        report.notes.append("Instructions are counted by valgrind, which is not installed here.")
    else:
        for name, millions in counted[1].items():
            report.add(name, "million instructions", {OURS: round(millions), FLOOR: round(counted[0])})
    return report


if __name__ == "__main__":
    command("start", __doc__, measure_all)
