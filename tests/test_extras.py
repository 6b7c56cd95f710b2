"""What is optional is imported on use, and the error names its extra where it is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib import util
from importlib.machinery import ModuleSpec

import pytest
from langchain_core.embeddings import FakeEmbeddings

from langchain_redis_memory import EmbeddingClassifier, MemorySelector, RedisSemanticCache, RedisStore
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import _Numpy
from langchain_redis_memory.redis.client.options import Options
from langchain_redis_memory.redis.client.topology import topology

BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""
EXTRAS = ("numpy", "fakeredis", "lupa", "typer", "rich")


def run_without(names: Sequence[str], code: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a Python that does not have these packages."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCK.format(names=list(names)) + code],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No optional package can be found."""
    find = util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in EXTRAS else find(name, package)

    monkeypatch.setattr("langchain_redis_memory.extras.find_spec", find_spec)
    monkeypatch.setattr("langchain_redis_memory.redis.client.topology.find_spec", find_spec)


def test_every_public_name_is_there_without_the_extras() -> None:
    done = run_without(
        EXTRAS,
        "import langchain_redis_memory as package\n"
        "print(len([getattr(package, name) for name in package.__all__]) == len(package.__all__))",
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_middleware_names_its_extra() -> None:
    done = run_without(["langchain"], "from langchain_redis_memory import AnswerCacheMiddleware")
    assert "ConfigError: middleware for create_agent needs langchain" in done.stderr
    assert "langchain-redis-memory[agents]" in done.stderr


def test_the_admin_page_names_its_extra() -> None:
    for package in ("fastapi", "jinja2"):
        done = run_without([package], "from langchain_redis_memory import admin_router")
        assert "ConfigError: the admin page needs fastapi and jinja2" in done.stderr
        assert "langchain-redis-memory[admin]" in done.stderr


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


def test_what_comes_without_the_local_model_is_replayed_and_the_chat_names_it() -> None:
    blocked = ["numpy", "onnxruntime", "tokenizers"]
    replay = "from langchain_redis_memory.cli import replay; print(replay.local_model()); "
    chat = "import sys; sys.argv[1:] = ['chat']; from langchain_redis_memory.__main__ import main; main()"
    absent = "import importlib.util as util; find = util.find_spec\n"
    absent += "util.find_spec = lambda name, package=None: None if name in blocked else find(name, package)\n"
    done = run_without(blocked, f"blocked = {blocked}\n" + absent + replay + chat)
    assert (done.returncode, done.stdout.partition("\n")[0]) == (1, "False")
    assert "ConfigError: the local embedding model is not installed (" in done.stderr
    assert "langchain-redis-memory[local]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["typer", "rich"])
def test_the_command_without_its_extra_says_one_line(name: str) -> None:
    done = run_without([name], "from langchain_redis_memory.__main__ import main; main()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "langchain-redis-memory[cli]" in done.stderr


def test_another_missing_module_of_the_command_is_not_hidden() -> None:
    done = run_without(["json"], "from langchain_redis_memory.__main__ import main; main()")
    assert "No module named 'json'" in done.stderr
    assert done.returncode == 1
