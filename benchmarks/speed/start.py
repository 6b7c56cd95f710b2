"""The first call of a process: what langchain-core and redis-py take before it, and what this package adds.

python -m benchmarks.speed.start [--instructions] [--json FILE]

On a busy machine `--instructions` tells more: valgrind counts what the processor executes from there to the end of the
first call, the same from run to run within a percent.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import redis

from benchmarks.instructions import available
from benchmarks.speed.harness import Median, often, server
from benchmarks.speed.report import Report, installed

OURS, FLOOR = "langchain-redis-memory", "langchain-core and redis-py"
TIMES = 5
NOTES = [
    "Processor time of a new process with compiled bytecode, in ms; medians, the cases taking turns, one Redis 8.2.3.",
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
_COUNT = """
import os, subprocess
def count(*command): subprocess.run(["vgdb", f"--pid={os.getpid()}", *command], check=True, capture_output=True)
count("instrumentation", "on")
count("zero")
"""


def emptied(url: str) -> str:
    """Empties a server, as a conversation and an answer of the process before would be found there."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


def instructions(code: str, url: str) -> float:
    """Counts what the processor executes from the floor to the end of the first call, in millions of instructions."""
    script = f"{BEFORE}\n{_COUNT}\n{code}\ncount('dump', 'first')\nos._exit(0)"
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out"]
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        subprocess.run([*command, sys.executable, "-c", script, url], check=True, capture_output=True, env=environment)
        dumps = [path.read_text("utf-8") for path in Path(folder).iterdir()]
    (found,) = (re.search(r"^totals: (\d+)$", dump, re.MULTILINE) for dump in dumps if "dump first" in dump)
    assert found is not None
    return int(found[1]) / 1e6


def once(code: str, url: str) -> tuple[float, float]:
    """Processor time of a new process until the floor and from there, in seconds."""
    script = f"{BEFORE}\n{code}\nprint(floor, time.process_time() - floor)\n"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, check=True, env=environment
    )
    floor, ours = map(float, ran.stdout.split())
    return floor, ours


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.start", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="also write the numbers to a file")
    parser.add_argument("--instructions", action="store_true", help="also count the processor's instructions")
    options = parser.parse_args()
    if options.instructions and not available():
        parser.error("counting instructions needs valgrind")
    report = Report(
        "The first call of a process", {OURS: installed(OURS), FLOOR: installed("langchain-core")}, [*NOTES]
    )
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    counted: dict[str, float] = {}
    with server(query_engine=False) as port:
        url = f"redis://127.0.0.1:{port}/0"
        for turn in range(1 + often(TIMES)):
            for name, code in CASES.items():
                measured = once(code, emptied(url))
                if turn:  # the first run compiles
                    taken[name].append(measured)
        if options.instructions:
            counted = {name: instructions(code, emptied(url)) for name, code in CASES.items()}
    for name, pairs in taken.items():
        floor, ours = (Median.of(seconds, 1000) for seconds in zip(*pairs, strict=True))
        goal = GOALS.get(name)
        report.add(name, "ms", {OURS: ours, FLOOR: floor}, goal, f"{goal:g} ms" if goal else "")
        each = sorted(1000 * seconds for _, seconds in pairs)
        report.notes.append(f"{name}: {each[0]:.0f} to {each[-1]:.0f} ms.")
    for name, millions in counted.items():
        report.add(name, "million instructions", {OURS: round(millions)})
    report.show()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
