"""Counts processor instructions of four hot paths with callgrind, a tool of valgrind.

The paths run in a Python under valgrind, with hashes that are not random and without collections of garbage; its start
and its imports are not counted, nor is the server, which is a process of its own. What is left is the same from run
to run within a percent, on one build of Python: another build is another number.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import repeat
from pathlib import Path
from typing import Any

PATHS = ("an exact cache hit", "a checkpoint put", "a turn added to a history", "a turn that hits")
PACKAGES = ("hiredis", "langchain-core", "langgraph-checkpoint", "ormsgpack", "pydantic", "redis")
"""Others' packages that execute most of the instructions."""
MORE = 1.05
"""How much more is a regression."""
EMPTY = "nothing"
WARM_UP, ROUNDS, OPERATIONS = 20, 5, 10
TIMEOUT_S = 900
Counted = dict[str, Any]


def available() -> bool:
    """Whether callgrind can be run and told what to do."""
    return all(map(shutil.which, ("valgrind", "vgdb")))


def build() -> str:
    """What of this machine the number of instructions depends on."""
    libc = " ".join(platform.libc_ver())
    return f"Python {platform.python_version()}, {platform.python_compiler()}, {libc}, {platform.machine()}"


def measure(url: str) -> Counted:
    """Counts the instructions of one operation of each path.

    Args:
        url: A server that is empty.

    Returns:
        The build of Python, the versions of packages, and for each path thousands of instructions: the fewest of
        some rounds; beside them those of the peers that are installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out"]
        command += [sys.executable, "-m", "benchmarks.instructions", url]
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        ran = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
        if ran.returncode:
            sys.exit(f"callgrind failed:\n{ran.stdout}{ran.stderr}")
        totals: dict[str, list[int]] = {}
        for path in Path(folder).iterdir():
            dump = path.read_text("utf-8")
            if of := re.search(r"^desc: Trigger: dump (.+)$", dump, re.MULTILINE):
                total = re.search(r"^totals: (\d+)$", dump, re.MULTILINE)
                totals.setdefault(of[1], []).append(int(total[1]) if total else 0)
    empty = min(totals[EMPTY])
    counted = {name: round((min(some) - empty) / OPERATIONS / 1000) for name, some in totals.items()}
    return {
        "build": build(),
        "packages": [f"{name}=={version(name)}" for name in PACKAGES],
        "thousands": {path: counted[path] for path in PATHS},
        "peers": {
            path: {peer: n for name, n in counted.items() if (peer := name.removeprefix(f"{path}: ")) != name}
            for path in PATHS
        },
    }


def worse(found: Counted, stored: list[Counted]) -> list[str] | None:
    """Says which paths execute more instructions than is stored for this build of Python.

    Args:
        found: The counts of now.
        stored: Those of some builds.

    Returns:
        A line for each, with what else differs; None if nothing is stored for this build.
    """
    before = next((one for one in stored if one["build"] == found["build"]), None)
    if before is None:
        return None
    others = sorted({*before["packages"]} - {*found["packages"]})
    besides = f" with {', '.join(others)}" if others else ""
    return [
        f"{path}: {n} thousand instructions, {before['thousands'][path]} are stored{besides}"
        for path, n in found["thousands"].items()
        if n > MORE * before["thousands"].get(path, n)
    ]


def written(found: Counted, stored: list[Counted]) -> list[Counted]:
    """What is stored, with the counts of now in place of those of this build."""
    kept = [one for one in stored if one["build"] != found["build"]]
    return sorted([*kept, found], key=lambda one: str(one["build"]))


def control(*command: str) -> None:
    """Tells the valgrind that runs this process what to do."""
    subprocess.run(["vgdb", f"--pid={os.getpid()}", *command], check=True, capture_output=True)


def run(url: str) -> None:
    """Runs the paths under valgrind; what a round executes is dumped under its path's name.

    The clock stands still, however slow the machine is: what is written once a second goes along with the first call.
    """
    time.monotonic = repeat(time.monotonic()).__next__  # before anybody imports it
    from benchmarks.counts import paths
    from benchmarks.peers import peers
    from benchmarks.speed.harness import connected

    with connected(url, prefix="instructions") as client:
        known = paths(client)
        works = {EMPTY: lambda _: None, **{path: known[path] for path in PATHS}}
        works |= {f"{path}: {peer}": work for path, of in peers(url).items() for peer, work in of.items()}
        for work in works.values():
            for n in range(WARM_UP):
                work(n)
        gc.disable()
        control("instrumentation", "on")
        for path, work in works.items():
            control("zero")
            for first in range(WARM_UP, WARM_UP + ROUNDS * OPERATIONS, OPERATIONS):
                for n in range(first, first + OPERATIONS):
                    work(n)
                control("dump", path)  # and counts from zero again


def packages() -> list[str]:
    """The packages with which the stored counts of this build of Python were made, as pip takes them."""
    from benchmarks.counts import STORED

    for one in json.loads(STORED.read_text("utf-8"))["instructions"]:
        if one["build"] == build():
            return list(one["packages"])
    sys.exit(f"nothing is stored for {build()}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--packages"]:
        print(*packages())
    else:
        run(sys.argv[1])
