"""The first call of a process: what langchain-core and redis-py take before it, and what this package adds.

python -m benchmarks.speed.start [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from benchmarks.speed.harness import Median, Report, installed, often, server

OURS, FLOOR = "langchain-redis-memory", "langchain-core and redis-py"
TIMES = 5
NOTES = [
    "Processor time of a new process with compiled bytecode, in ms; medians, the cases taking turns, one Redis 8.2.3.",
    "langchain-core and redis-py: both imported, a prompt and a model of langchain-core called once, a connection "
    "opened and a value read. Ours: what it takes from there to the end of the first call.",
]
_FLOOR = """
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
GOALS = {"importing the package": 15.0, "`RedisCache`: its first look-up": 50.0}


def once(code: str, url: str) -> tuple[float, float]:
    """Processor time of a new process until the floor and from there, in seconds."""
    script = f"{_FLOOR}\n{code}\nprint(floor, time.process_time() - floor)\n"
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
    options = parser.parse_args()
    report = Report("The first call of a process", {OURS: installed(OURS), FLOOR: installed("langchain-core")}, NOTES)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    with server(query_engine=False) as port:
        for turn in range(1 + often(TIMES)):
            for name, code in CASES.items():
                measured = once(code, f"redis://127.0.0.1:{port}/0")
                if turn:  # the first run compiles
                    taken[name].append(measured)
    for name, pairs in taken.items():
        floor, ours = (Median.of(seconds, 1000) for seconds in zip(*pairs, strict=True))
        goal = GOALS.get(name)
        report.add(name, "ms", {OURS: ours, FLOOR: floor}, goal, f"{goal:g} ms" if goal else "")
    report.show()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
