"""Loads Lua scripts from files: one effect each, with named keys and arguments.

A script lies in the `lua/` folder of the room that calls it: `script("cache/entry_get")` is `cache/lua/entry_get.lua`.
Its file starts with a sentence of what it does and two header lines, `-- KEYS a b` and `-- ARGV x y ...`. The names
become locals of the script, so the body never spells `KEYS[1]`; `...` says that more keys or arguments follow, which
the body reads from `KEYS` or `ARGV` after the named ones. `-- WITH name` puts the fragment `_name.lua` in front of the
body, from the same folder, or from `redis/lua/`, which holds what several rooms share. `-- WITH once` is for a script
that must not run twice: each call gets a key of its own, by which the server knows it again (see `_once.lua`).

Atomicity comes from scripts alone; calls go out as EVALSHA and are sent again as EVAL only when the server does not
know them.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha1
from importlib import resources

from langchain_redis_memory.ops import Arg, Call, Script
from langchain_redis_memory.redis.keys import trip_key

_HEADER = re.compile(r"^-- (KEYS|ARGV)(?: ([\w ]+?))?( \.\.\.)?$", re.MULTILINE)
_PACKAGE = resources.files("langchain_redis_memory")
_WITH = re.compile(r"^-- WITH (\w+)$", re.MULTILINE)


@cache
def script(name: str) -> Script:
    """Returns a script by its room and the name of its file, which is read once per process."""
    return parse(name, _read(name))


def _read(name: str) -> str:
    room, _, leaf = name.rpartition("/")
    return (_PACKAGE.joinpath(room) / "lua" / f"{leaf}.lua").read_text("utf-8")


def _fragment(room: str, name: str) -> str:
    beside = _PACKAGE.joinpath(room) / "lua" / f"_{name}.lua"
    return beside.read_text("utf-8") if beside.is_file() else _read(f"redis/_{name}")


def _code(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.strip() and not line.strip().startswith("--"))


def parse(name: str, text: str) -> Script:
    """Parses a script from the text of its file. Raises `ValueError`: the header lines are missing."""
    header = {kind: ((names or "").split(), bool(rest)) for kind, names, rest in _HEADER.findall(text)}
    if set(header) != {"KEYS", "ARGV"}:
        raise ValueError(f"{name}.lua needs the header lines '-- KEYS ...' and '-- ARGV ...'")
    bound = [
        f"local {', '.join(names)} = {', '.join(f'{table}[{i}]' for i in range(1, len(names) + 1))}"
        for table, (names, _) in header.items()
        if names
    ]
    room = name.rpartition("/")[0]
    fragments = [_code(_fragment(room, fragment)) for fragment in _WITH.findall(text)]
    once = "once" in _WITH.findall(text)
    body = f"return once(function()\n{_code(text)}\nend)" if once else _code(text)
    source = "\n".join([*bound, *fragments, body])
    (keys, more), (args, rest) = header["KEYS"], header["ARGV"]
    sha = sha1(source.encode()).hexdigest()  # noqa: S324
    return Script(name, source, tuple(keys), tuple(args), rest, sha, more, trip_key if once else None)


def command(verb: str, keys: tuple[str, ...], *args: Arg) -> Call:
    """Builds a call that runs one command once, however often it is sent; its reply is the command's."""
    return script("redis/command")(keys, verb, *args)
