"""What the first call of a process loads: its time is that of the modules, which can be counted on a busy machine."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import langchain_redis_memory
from benchmarks.speed.start import BEFORE, CASES, emptied

LOADED = f"""
{BEFORE}
import gc, json, os
def classes():
    made = (kind for kind in gc.get_objects() if isinstance(kind, type))
    return {{f"{{kind.__module__}}.{{kind.__qualname__}}" for kind in made if "__dataclass_params__" in vars(kind)}}
before, defined, told = set(sys.modules), classes(), {{}}
for name, code in json.loads(sys.argv[2]).items():
    read, write = os.pipe()
    if os.fork() == 0:
        exec(code)
        found = [sorted(set(sys.modules) - before), sorted(classes() - defined)]
        os.write(write, json.dumps(found).encode())
        os._exit(0)
    os.close(write)
    told[name] = json.load(open(read))
print(json.dumps(told))
"""
"""Each case in a fork of one process: to import langchain-core takes longer than all of them."""
PACKAGE = "langchain_redis_memory"
ROOT = Path(langchain_redis_memory.__file__).parent
OTHERS = {"langchain_core", "ormsgpack", "redis"} | sys.stdlib_module_names
"""Whose modules are loaded; versions differ in which of them langchain-core and redis-py load by themselves."""
CACHE, TURN = "`RedisCache`: its first look-up", "`ConversationMemory`: its first turn"
MOST = {CACHE: 74, TURN: 143}
"""How many of our own modules a case may load. One more is some 0.3 ms: import what few need where it is used."""
NOT = {
    CACHE: "adoption admin agents conversation equivalence health history peers sharing slots state",
    TURN: "adoption admin agents answers.semantic chat_message_history contextualise graph_stream health need.need "
    "peers recall_signs semantic_recall slots spool state user_recall",
}
"""Parts of names of modules that it has no business with."""


@cache
def loaded(url: str) -> dict[str, tuple[list[str], list[str]]]:
    cases = json.dumps({name: CASES[name] for name in (CACHE, TURN)})
    own = emptied(url.rpartition("/")[0] + "/9")  # a database that no other test uses
    done = subprocess.run([sys.executable, "-c", LOADED, own, cases], capture_output=True, text=True, check=True)
    found: dict[str, tuple[list[str], list[str]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("case", MOST)
def test_a_first_call_loads_what_it_uses_and_no_more(case: str, real_url: str) -> None:
    names, dataclasses = loaded(real_url)[case]
    assert dataclasses == [f"{PACKAGE}.frozen.Frozen"]  # no other: each is four million instructions
    assert "langchain_core.documents.base" not in names
    ours = [name for name in names if name.startswith(PACKAGE)]
    assert len(ours) <= MOST[case], ours
    assert {name.partition(".")[0] for name in names if name not in ours} <= OTHERS
    parts = {f".{part}." for part in NOT[case].split()}
    known = [f".{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}." for path in ROOT.rglob("*.py")]
    assert not [part for part in parts if not any(part in name for name in known)]
    assert not [name for name in ours if any(part in f"{name}." for part in parts)]
