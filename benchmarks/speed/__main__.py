"""Every speed benchmark, one after the other, each with all peers that are installed.

python -m benchmarks.speed [NAME ...] [--write] [--json DIRECTORY] [--quick]

With `--write` the numbers become `benchmarks/results` and the tables of docs/benchmarks.md, of which the first is what
we lose.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.speed.harness import QUICK, UNTIL

NAMES = ("history", "checkpoint", "store", "cache", "values", "turn", "limits", "tasks", "start", "sizes")
MORE_S = 300
"""So long restless rows of a run are measured longer; the whole takes 5 to 15 minutes where nothing else runs."""
ROOT = Path(__file__).parent.parent.parent


def main() -> int:
    """Runs them, each in a process of its own, so that none finds the other's modules warm.

    Returns:
        1 if one of them failed, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)}; all by default")
    parser.add_argument("--json", metavar="DIRECTORY", help="also write the numbers to DIRECTORY/NAME.json")
    parser.add_argument("--write", action="store_true", help="also write benchmarks/results and docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the measuring, to see that all runs")
    options = parser.parse_args()
    if options.write:
        options.json = str(ROOT / "benchmarks" / "results")
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    failed: list[str] = []
    environment = os.environ | {UNTIL: str(time.time() + MORE_S)} | ({QUICK: "1"} if options.quick else {})
    for name in options.names or NAMES:
        command = [sys.executable, "-m", f"benchmarks.speed.{name}"]
        if options.json:
            command += ["--json", str(Path(options.json) / f"{name}.json")]
        print(f"== {name}", flush=True)
        begun, worked = time.monotonic(), processors()
        if subprocess.run(command, check=False, env=environment).returncode:
            failed.append(name)
        print(f"== {name}: {time.monotonic() - begun:.0f} s, {processors() - worked:.0f} s of processors", flush=True)
    if options.write:
        subprocess.run([sys.executable, ".ci/site.py"], check=True, cwd=ROOT)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


def processors() -> float:
    """Seconds of processors that what ran so far used, its servers too: what it takes where nothing else runs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
