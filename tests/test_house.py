"""The house rules, checked on the source. Each check is also fed a wrong source and seen to object."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import langchain_redis_memory
from langchain_redis_memory import errors
from langchain_redis_memory.redis import key_groups
from langchain_redis_memory.redis.key_groups import KeyGroup
from langchain_redis_memory.redis.keys import KINDS

PACKAGE = "langchain_redis_memory"
ROOT = Path(langchain_redis_memory.__file__).parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text("utf-8") for path in ROOT.rglob("*.py")
}

# --- twins and docstrings ---------------------------------------------------------------------------

Method = ast.FunctionDef | ast.AsyncFunctionDef
parsed = cache(ast.parse)  # four rules read every module
RUNS = {f"{colour}{name}" for colour in ("", "a") for name in ("run", "drive", "stream", "server")}


def classes(source: str) -> Iterator[tuple[ast.ClassDef, dict[str, Method]]]:
    """The public classes of a source with their methods."""
    for node in parsed(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node, {item.name: item for item in node.body if isinstance(item, Method)}


@cache
def speaks(method: Method) -> bool:
    """Whether a method's body runs something on its client."""
    called = (node.func for node in ast.walk(method) if isinstance(node, ast.Call))
    return any(
        isinstance(each, ast.Attribute) and each.attr in RUNS and ast.unparse(each.value) == "self._client"
        for each in called
    )


def is_property(method: Method) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in method.decorator_list)


def twin_of(name: str, method: Method) -> str:
    return f"aget_{name}" if is_property(method) else f"a{name}"


def streams(method: Method) -> bool:
    """Whether a method gives an async iterator, which needs no `async def`."""
    return "AsyncIterator" in ast.unparse(method.returns or ast.Pass())


def faults_of_twins(source: str) -> list[str]:
    """Sync methods that do I/O without an async twin, and twins that differ."""
    found = []
    for owner, methods in classes(source):
        for name, method in methods.items():
            if name.startswith("_") or isinstance(method, ast.AsyncFunctionDef) or streams(method):
                continue
            twin = methods.get(twin_of(name, method))
            if speaks(method) and not isinstance(twin, ast.AsyncFunctionDef) and not (twin and streams(twin)):
                found.append(f"{owner.name}.{name} has no async twin")
            if isinstance(twin, ast.AsyncFunctionDef) and not re.search("Iterator|Generator", ast.unparse(twin)):
                if ast.unparse(twin.args) != ast.unparse(method.args):
                    found.append(f"{owner.name}.{name} and its twin take different arguments")
                if ast.dump(twin.returns or ast.Pass()) != ast.dump(method.returns or ast.Pass()):
                    found.append(f"{owner.name}.{name} and its twin give different types")
    return found


def faults_of_docstrings(source: str) -> list[str]:
    """Public methods that do I/O without saying which keys and how many round trips."""
    found = []
    for owner, methods in classes(source):
        for name, method in methods.items():
            if name.startswith("_") or not speaks(method):
                continue
            text = ast.get_docstring(method) or ""
            if not re.search(r"\bsee `\w+`", text) and not ("**Keys:**" in text and "**Trips:**" in text):
                found.append(f"{owner.name}.{name} does not say its keys and trips")
        if any(speaks(method) for method in methods.values()):
            text = ast.get_docstring(owner) or ""
            if "**Keys:**" not in text or "**Trips:**" not in text:
                found.append(f"{owner.name} does not say its keys and trips")
    return found


def faults_by_module(rule: Callable[[str], list[str]]) -> dict[str, list[str]]:
    return {module: faults for module, source in SOURCES.items() if (faults := rule(source))}


def test_both_colours_are_twins() -> None:
    assert faults_by_module(faults_of_twins) == {}


def test_docstrings_say_keys_and_trips() -> None:
    assert faults_by_module(faults_of_docstrings) == {}


GOOD = '''
class A:
    """**Keys:** none. **Trips:** none."""
    def get(self, n: int = 1) -> int:
        """**Keys:** a. **Trips:** 1."""
        return self._client.run(n)
    async def aget(self, n: int = 1) -> int:
        """Gets; see `get`."""
        return await self._client.arun(n)
'''


def test_a_false_twin_and_a_silent_docstring_are_seen() -> None:
    assert faults_of_twins(GOOD) == faults_of_docstrings(GOOD) == []
    assert faults_of_twins(GOOD.replace("async def aget", "async def fetch")) == ["A.get has no async twin"]
    assert faults_of_twins(GOOD.replace("async def aget(self, n: int = 1)", "async def aget(self, n: int = 2)"))
    assert faults_of_twins(GOOD.replace("async def aget(self, n: int = 1) -> int", "async def aget(self, n: int = 1)"))
    assert faults_of_docstrings(GOOD.replace("**Keys:** a.", "Fine."))
    assert faults_of_docstrings(GOOD.replace("see `get`", "the same"))
    assert faults_of_docstrings(GOOD.replace("**Trips:** none.", ""))


def test_the_checks_find_the_classes_that_they_are_for() -> None:
    seen = {owner.name for source in SOURCES.values() for owner, methods in classes(source) if methods}
    assert {"RedisChatMessageHistory", "RedisSessions", "Client"} <= seen
    speaking = [
        name
        for _, methods in classes(SOURCES["history.chat_message_history"])
        for name in methods
        if speaks(methods[name])
    ]
    assert {"messages", "aget_messages", "add_messages", "recent", "edit"} <= set(speaking)


def test_the_client_itself_has_twins() -> None:
    methods = dict(classes(SOURCES["redis.client.client"]))
    client = next(found for owner, found in methods.items() if owner.name == "Client")
    for name in ("run", "drive", "server", "close"):
        assert isinstance(client[f"a{name}"], ast.AsyncFunctionDef)
        assert ast.unparse(client[f"a{name}"].args) == ast.unparse(client[name].args)
        assert re.search(r"\*\*Trips:\*\*", ast.get_docstring(client[name]) or "")


# --- size, kinds of keys, scripts -------------------------------------------------------------------


def faults_of_length(module: str, source: str) -> list[str]:
    """A module of more than 400 lines."""
    lines = len(source.splitlines())
    return [f"{module} has {lines} lines"] if lines > 400 else []


def test_modules_are_short() -> None:
    assert [fault for module, source in SOURCES.items() for fault in faults_of_length(module, source)] == []


def test_a_long_module_is_seen() -> None:
    assert len(faults_of_length("x", "a = 1\n" * 401)) == 1
    assert faults_of_length("x", "a = 1\n" * 400) == []


def kinds_of(source: str) -> set[str]:
    """The kinds of key that a source of `keys` spells."""
    found: set[str] = set()
    if "key(" not in source:
        return found
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.GeneratorExp) and "self.key(kind" in ast.unparse(node.elt):
            found |= {str(item.value) for item in ast.walk(node.generators[0].iter) if isinstance(item, ast.Constant)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "key":
            found |= {str(node.args[0].value)} if node.args and isinstance(node.args[0], ast.Constant) else set()
    return found


def test_every_kind_of_key_has_a_lifetime_that_is_written_down() -> None:
    groups = [group for group in vars(key_groups).values() if isinstance(group, type) and issubclass(group, KeyGroup)]
    grouped = {kind for group in groups for kind in group.kinds or group.attributes}
    assert kinds_of(SOURCES["redis.keys"]) | grouped | {"trip"} == set(KINDS)
    elsewhere = {kind for module, source in SOURCES.items() if module != "redis.keys" for kind in kinds_of(source)}
    assert elsewhere == {"probe"}, "only a name that is never written"
    assert kinds_of("self.key('new', agent, name)") == {"new"}


SCRIPTS = {path.stem: path.read_text("utf-8") for path in ROOT.rglob("lua/*.lua")}
FORBIDDEN = (
    r"'(KEYS|H?SCAN|SSCAN|ZSCAN|FLUSHALL|FLUSHDB|RANDOMKEY)'|cmsgpack|\bbit\.|struct\.|sha1hex|os\.|math\.random"
)


def faults_of_script(name: str, text: str) -> list[str]:
    found = []
    lines = text.splitlines()
    if len(lines) > 45:
        found.append(f"{name}.lua has {len(lines)} lines")
    if not re.match(r"-- \w.*[.:`]", lines[0]) and not lines[0].startswith("-- "):
        found.append(f"{name}.lua does not say what it does")
    if name.startswith("_"):
        if not lines[0].startswith("-- Fragment:"):
            found.append(f"{name}.lua is a fragment and does not say so")
    elif [line[3:7] for line in lines if re.match("-- (KEYS|ARGV)( |$)", line)] != ["KEYS", "ARGV"]:
        found.append(f"{name}.lua has no header")
    if re.search(FORBIDDEN, text, re.IGNORECASE):
        found.append(f"{name}.lua calls what it must not")
    return found


def test_scripts_are_short_and_have_a_header() -> None:
    assert [fault for name, text in SCRIPTS.items() for fault in faults_of_script(name, text)] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x", "-- Does.\n-- KEYS a\n-- ARGV b\n" + "local x = 1\n" * 43),
        ("x", "-- Does.\n-- KEYS a\nreturn 1"),
        ("x", "local a = 1\n-- KEYS a\n-- ARGV b"),
        ("x", "-- Does.\n-- KEYS a\n-- ARGV b\nreturn redis.call('keys', '*')"),
        ("x", "-- Does.\n-- KEYS a\n-- ARGV b\nreturn redis.call('SCAN', 0)"),
        ("x", "-- Does.\n-- KEYS a\n-- ARGV b\nreturn cmsgpack.pack(a)"),
        ("_x", "-- Something."),
    ],
)
def test_a_bad_script_is_seen(name: str, text: str) -> None:
    assert len(faults_of_script(name, text)) == 1


def test_every_script_is_used_and_every_used_one_exists() -> None:
    used = {name for source in SOURCES.values() for name in re.findall(r'(?:script|_op)\("(?:\w+/)?(\w+)"', source)}
    assert used == {name for name in SCRIPTS if not name.startswith("_")}
    fragments = {f"_{name}" for text in SCRIPTS.values() for name in re.findall(r"^-- WITH (\w+)$", text, re.MULTILINE)}
    assert fragments == {name for name in SCRIPTS if name.startswith("_")}


HEAVY = ["redis", "fakeredis", "numpy", "pydantic", "typer", "langchain_core", "ormsgpack"]


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = f"import sys, {PACKAGE}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_told_once() -> None:
    assert f'\nversion = "{langchain_redis_memory.__version__}"\n' in (ROOT.parent / "pyproject.toml").read_text(
        "utf-8"
    )


def test_every_public_name_is_there() -> None:
    for name in langchain_redis_memory.__all__:
        assert getattr(langchain_redis_memory, name) is not None
    assert set(dir(langchain_redis_memory)) == set(langchain_redis_memory.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = langchain_redis_memory.no_such_name
    with pytest.raises(AttributeError, match="RedisSaver serves sync and async calls"):
        _ = langchain_redis_memory.AsyncRedisSaver


def test_every_error_is_public() -> None:
    named = {name for name, found in vars(errors).items() if isinstance(found, type) and name.endswith("Error")}
    assert len(named) > 10
    assert named <= set(langchain_redis_memory.__all__)
    assert langchain_redis_memory.UnavailableError is errors.UnavailableError


# --- words ------------------------------------------------------------------------------------------

PLAIN = (
    "cache.",
    "checkpoint.",
    "checks",
    "cli.",
    "conversation.",
    "history.",
    "language.",
    "limits.",
    "operate.",
    "ops",
    "redis.",
    "state.",
    "store.",
    "vectors.",
)
"""Rooms whose docstrings begin with a verb; a room that is done joins the list."""
NOUNS = ("Messages", "Others", "This", "Values")
PROTOCOLS = {"__call__", "classify", "contextualise", "extract", "plan", "search", "select", "store", "turn"}
"""Methods that users write or call themselves; they may give a flow without being called so."""


def is_command(method: Method) -> bool:
    """Whether a function is a command of the CLI, whose docstring is its help text."""
    return any(ast.unparse(decorator).startswith("app.") for decorator in method.decorator_list)


def faults_of_words(source: str) -> list[str]:
    """Public functions whose docstring does not begin with a verb, and flows that are not called so."""
    found = []
    for node in ast.walk(parsed(source)):
        if not isinstance(node, Method):
            continue
        first = (ast.get_docstring(node) or "Does.").split()[0].strip(",;:.")
        verb = re.fullmatch(r"[A-Z][a-z]+s", first) and first not in NOUNS
        if not (node.name.startswith("_") or is_property(node) or is_command(node) or verb):
            found.append(f"{node.name} begins with {first!r}, not with a verb")
        flow = node.returns is not None and ast.unparse(node.returns).startswith("Flow[")
        if flow and not node.name.endswith("_flow") and node.name not in PROTOCOLS:
            found.append(f"{node.name} is a flow and is not called *_flow")
    return found


def test_docstrings_begin_with_a_verb_and_flows_are_called_flows() -> None:
    found = faults_by_module(faults_of_words)
    assert {module: faults for module, faults in found.items() if module.startswith(PLAIN)} == {}


def test_a_riddle_is_seen() -> None:
    assert faults_of_words('def f():\n    """Reads it."""\n\n\ndef read_flow() -> Flow[int]: ...\n') == []
    assert faults_of_words('def f():\n    """What is known."""\n') == ["f begins with 'What', not with a verb"]
    assert len(faults_of_words("def read() -> Flow[int]: ...\n")) == 1
    assert faults_of_words("def search() -> Flow[int]: ...\n") == []
    assert faults_of_words("def plan() -> Flow[int]: ...\n") == []
    assert faults_of_words('@app.command()\ndef f():\n    """Read it."""\n') == []
    assert len(faults_of_words('@cache\ndef f():\n    """Read it."""\n')) == 1


# --- the map for newcomers ------------------------------------------------------------------------------------------


def test_the_files_that_the_architecture_names_exist() -> None:
    named = re.findall(
        r"^\| .+ \| `([\w/]+\.py)` \|$", (ROOT.parent / "docs/architecture.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(named) >= 10
    assert [name for name in named if not (ROOT / name).is_file()] == []
