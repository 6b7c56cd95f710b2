"""Every speed benchmark, one after the other, each with all peers that are installed.

python -m benchmarks.speed [NAME ...] [--json DIRECTORY]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

NAMES = ("history", "checkpoint", "store", "cache", "values", "limits", "tasks")


def main() -> int:
    """Runs them, each in a process of its own, so that none finds the other's modules warm.

    Returns:
        1 if one of them failed, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)}; all by default")
    parser.add_argument("--json", metavar="DIRECTORY", help="also write the numbers to DIRECTORY/NAME.json")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    failed = 0
    for name in options.names or NAMES:
        command = [sys.executable, "-m", f"benchmarks.speed.{name}"]
        if options.json:
            command += ["--json", str(Path(options.json) / f"{name}.json")]
        print(f"== {name}", flush=True)
        failed |= subprocess.run(command, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
