"""What is optional is imported on use, and the error names its extra where it is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import util
from importlib.machinery import ModuleSpec
from typing import NamedTuple

import pytest
from langchain_core.embeddings import FakeEmbeddings

from langchain_redis_memory import EmbeddingClassifier, MemorySelector, RedisSemanticCache, RedisStore
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import _Numpy
from langchain_redis_memory.redis.client.options import Options
from langchain_redis_memory.redis.client.topology import topology

EXTRAS = ("numpy", "fakeredis", "lupa", "typer", "rich")
MAIN = "from langchain_redis_memory.__main__ import main; main()"
CHAT = """
from langchain_redis_memory.cli import replay
print(replay.local_model())
import sys
sys.argv[1:] = ["chat"]
"""
PUBLIC = """
import langchain_redis_memory as package
print(len([getattr(package, name) for name in package.__all__]) == len(package.__all__))
"""
WITHOUT: dict[str, tuple[tuple[str, ...], str]] = {
    "langchain": (("langchain", *EXTRAS), "from langchain_redis_memory import AnswerCacheMiddleware"),
    "fastapi": (("fastapi", *EXTRAS), "from langchain_redis_memory import admin_router"),
    "jinja2": (("jinja2", *EXTRAS), "from langchain_redis_memory import admin_router"),
    "typer": (EXTRAS, MAIN),
    "the extras": (EXTRAS, PUBLIC),
    "another": (("numpy", "getpass"), MAIN),
    "rich": (("numpy", "rich"), MAIN),
    "the local model": (("numpy", "onnxruntime", "tokenizers"), CHAT + MAIN),
}
"""What is tried, without which packages: in this order in one process, so none is imported before it is absent."""
TRIES = """
import json, sys, traceback
from importlib import util
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

class Absent:
    names = ()

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent, told, find = Absent(), {}, util.find_spec
util.find_spec = lambda name, package=None: None if name in absent.names else find(name, package)
sys.meta_path.insert(0, absent)
for one, (names, code) in json.loads(sys.argv[1]).items():
    assert not {name.partition(".")[0] for name in sys.modules} & set(names), one
    absent.names, out, err, status = names, StringIO(), StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            exec(code, {})
        except SystemExit as end:
            status = end.code
        except Exception:
            traceback.print_exc()
            status = 1
    told[one] = status, out.getvalue(), err.getvalue()
print(json.dumps(told))
"""


class Told(NamedTuple):
    """How a program ended, and what it printed."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def without() -> dict[str, Told]:
    """What came of each, in a Python that does not have these packages."""
    command = [sys.executable, "-W", "error", "-c", TRIES, json.dumps(WITHOUT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: Told(*told) for name, told in json.loads(done.stdout).items()}


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No optional package can be found."""
    find = util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in EXTRAS else find(name, package)

    monkeypatch.setattr("langchain_redis_memory.extras.find_spec", find_spec)
    monkeypatch.setattr("langchain_redis_memory.redis.client.topology.find_spec", find_spec)


def test_every_public_name_is_there_without_the_extras(without: dict[str, Told]) -> None:
    assert without["the extras"] == (0, "True\n", "")


def test_middleware_names_its_extra(without: dict[str, Told]) -> None:
    assert "ConfigError: middleware for create_agent needs langchain" in without["langchain"].stderr
    assert "langchain-redis-memory[agents]" in without["langchain"].stderr


@pytest.mark.parametrize("name", ["fastapi", "jinja2"])
def test_the_admin_page_names_its_extra(name: str, without: dict[str, Told]) -> None:
    assert "ConfigError: the admin page needs fastapi and jinja2" in without[name].stderr
    assert "langchain-redis-memory[admin]" in without[name].stderr


@pytest.mark.usefixtures("absent")
def test_memory_urls_name_their_extra() -> None:
    with pytest.raises(ConfigError, match=r"langchain-redis-memory\[memory\]"):
        topology("memory://", Options())


@pytest.mark.usefixtures("absent")
def test_whatever_compares_embeddings_names_its_extra() -> None:
    embeddings = FakeEmbeddings(size=3)
    for build in (
        lambda: EmbeddingClassifier(embeddings),
        lambda: MemorySelector(embeddings=embeddings),
        lambda: RedisSemanticCache("redis://localhost", embeddings),
        lambda: RedisStore("redis://localhost", index={"dims": 3, "embed": embeddings}),
        lambda: _Numpy().float32,
    ):
        with pytest.raises(ConfigError, match=r"langchain-redis-memory\[vectors\]"):
            build()


def test_what_is_no_attribute_of_numpy_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = _Numpy().no_such_name
    assert not hasattr(_Numpy(), "__wrapped__")


def test_what_comes_without_the_local_model_is_replayed_and_the_chat_names_it(without: dict[str, Told]) -> None:
    done = without["the local model"]
    assert (done.status, done.stdout.partition("\n")[0]) == (1, "False")
    assert "ConfigError: the local embedding model is not installed (" in done.stderr
    assert "langchain-redis-memory[local]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["typer", "rich"])
def test_the_command_without_its_extra_says_one_line(name: str, without: dict[str, Told]) -> None:
    done = without[name]
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "langchain-redis-memory[cli]" in done.stderr


def test_another_missing_module_of_the_command_is_not_hidden(without: dict[str, Told]) -> None:
    assert "No module named 'getpass'" in without["another"].stderr
    assert without["another"].status == 1
