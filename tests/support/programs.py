"""Programs in processes of their own that start within milliseconds: forks of a Python that has the imports behind it.

Each ends as any program does, with its exit hooks, and hashes text otherwise than this process. What asks how Python
starts (its options, what an import finds) needs `sys.executable` instead.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
WARM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import asyncio, json, threading, redis.asyncio
import rich.console, rich.progress, rich.table, typer
import langchain_core.messages, langchain_core.outputs
import langchain_redis_memory as package
from tests.support.programs import serve
package.Client, package.Outbox, package.RedisCache, package.RedisChatMessageHistory, package.RedisRateLimiter
exec(serve(int(sys.argv[1])), {{"__name__": "__main__"}})
"""


def serve(descriptor: int) -> str:
    """Forks a program for each request, and gives its code in the fork, for the end of the main module to run."""
    requests = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the ones below
    while True:
        _, files, _, _ = socket.recv_fds(requests, 1, 4)
        if not files:  # the tests are over
            os._exit(0)
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=files[3]) as teller, teller.makefile("r") as told:
        asked = json.loads(told.readline())
        if child := os.fork():  # this one tells who it is and how it ends, as only a parent knows that
            teller.sendall(f"{child}\n".encode())
            teller.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
            os._exit(0)
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may have been ignored
    sys.argv[1:] = asked["arguments"]
    os.environ.clear()
    os.environ.update(asked["environment"])
    return str(asked["code"])


@cache
def _server() -> socket.socket:
    """The way to the process that forks; it ends with this one."""
    ours, its = socket.socketpair()
    command = [sys.executable, "-W", "ignore", "-c", WARM, str(its.fileno())]
    seed = "1" if sys.flags.hash_randomization else "2"  # another than this process has
    environment = {**os.environ, "PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, pass_fds=[its.fileno()], env=environment)
    its.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


class Program:
    """A running program, as `subprocess.Popen` has it."""

    def __init__(self, code: str, *arguments: str, files: tuple[int, int, int], **environment: str) -> None:
        self._teller, its = socket.socketpair()
        with its:
            socket.send_fds(_server(), [b"."], [*files, its.fileno()])
        self._told = self._teller.makefile("r")
        asked = {"code": code, "arguments": arguments, "environment": {**os.environ, **environment}}
        self._teller.sendall(f"{json.dumps(asked)}\n".encode())
        self.pid = int(self._told.readline())

    def wait(self, timeout_s: float = 300) -> int:
        """Its exit code, or the negative number of the signal that ended it."""
        with self._teller, self._told:
            self._teller.settimeout(timeout_s)
            return int(self._told.readline())

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it was waited for."""
        if not self._told.closed:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)


class Talking:
    """A running program that is told lines and answers."""

    def __init__(self, code: str, *arguments: str) -> None:
        theirs, self.into = os.pipe()
        self.out, its = os.pipe()
        self.program = Program(code, *arguments, files=(theirs, its, 2))
        os.close(theirs)
        os.close(its)
        self.stdin: IO[str] = os.fdopen(self.into, "w")
        self.stdout: IO[str] = os.fdopen(self.out)

    def say(self, line: str) -> None:
        """Writes a line to it."""
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Closes its input; its exit code and the rest of what it prints."""
        self.stdin.close()
        with self.stdout:
            return self.program.wait(), self.stdout.read()


def run(code: str, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, Path(os.devnull).open() as nothing:
        program = Program(code, *arguments, files=(nothing.fileno(), out.fileno(), err.fileno()))
        status = program.wait(timeout_s)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read(), err.read())
