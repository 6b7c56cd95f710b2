"""Generates pages: benchmarks from results, keys from their kinds, the reference from the public names.

`python .ci/site.py` writes the pages that are kept (docs/keys.md, docs/benchmarks.md, docs/quality.md); a test holds
them up to date. MkDocs loads this file as a hook and adds the reference, which nobody would read as a file.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import langchain_redis_memory
from langchain_redis_memory.redis import key_groups
from langchain_redis_memory.redis.keys import KINDS, KeySpace

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parent.parent
REPOSITORY = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
"""Files above docs/ that are pages of the site, too."""
ROOMS = {
    "conversation": "A turn: memory, policy, selection",
    "history": "Chat history and sessions",
    "checkpoint": "Checkpointer",
    "store": "Stores and records",
    "cache": "Caches",
    "state": "State, summaries, profiles",
    "agents": "Middleware and tools for agents",
    "limits": "Limits",
    "language": "Classifiers, contextualisers, verifier",
    "vectors": "Embeddings",
    "operate": "Operate",
    "peers": "Adoption from other packages",
    "admin": "Admin page and HTTP",
    "redis": "Client, keys, encryption",
    "errors": "Errors",
}


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    head = f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}".replace("|  |", "| |")
    return "\n".join([head, *(f"| {' | '.join(row)} |" for row in rows)])


def counts(told: dict[str, Any]) -> dict[str, Any]:
    """The stored counts of the hot paths as a table of what is the same on every machine."""
    rows = [[path, str(of["trips"]), str(of["commands"])] for path, of in told["counts"].items()]
    about = (
        "Round trips and commands of one call, the same on every machine. A test compares them with what was stored."
    )
    columns = ["", "trips", "commands"]
    return {**COUNTS, "about": about, "columns": columns, "rows": rows, "notes": []}


COUNTS = {"order": 0, "title": "What a call costs", "command": "python -m benchmarks.counts"}


SPEED = ("history", "checkpoint", "store", "cache", "limits", "values", "tasks", "start")
"""The benchmarks of speed, in the order of the page."""


def compared(name: str, told: dict[str, Any]) -> dict[str, Any]:
    """What a benchmark of speed wrote, as a table: ours, and ours divided by each peer's; what we lose is bold."""
    ours, *peers = (one for one, version in told["versions"].items() if version)
    rows = []
    for row in told["rows"]:
        values, spread = row["values"], row.get("spread")
        own = f"{values[ours]:.3g} {row['unit']}".strip() + (f" ± {spread:.0%}" if spread else "")
        ratios = {peer: values[ours] / values[peer] for peer in peers if values.get(peer)}
        shown = [f"**{ratios[peer]:.2f}x**" if ratios[peer] > 1 else f"{ratios[peer]:.2f}x" for peer in ratios]
        cells = dict(zip(ratios, shown, strict=True))
        rows.append([row["name"], own, *(cells.get(peer, "") for peer in peers)])
    names = ", ".join(f"{peer} {told['versions'][peer]}" for peer in peers)
    about = f"Against {names}. {told['machine']}."
    columns = ["", "this package", *(f"/ {peer}" for peer in peers)]
    command = f"python -m benchmarks.speed {name}"
    return {
        **told,
        "order": 1 + SPEED.index(name) / 10,
        "about": about,
        "command": command,
        "columns": columns,
        "rows": rows,
    }


def lost(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows of all tables of speed in which a peer is better."""
    rows = [
        [
            told["title"],
            row[0],
            row[1],
            "; ".join(
                f"{cell} {name}" for name, cell in zip(told["columns"][2:], row[2:], strict=True) if "**" in cell
            ),
        ]
        for told in results
        if "benchmarks.speed" in told["command"] and told["columns"][1] == "this package"
        for row in told["rows"]
        if any("**" in cell for cell in row[2:])
    ]
    about = "Every row of the tables below in which a peer is better. Below 1 is in our favour."
    columns = ["", "measure", "this package", "against"]
    return {
        "order": 0,
        "title": "What we lose",
        "command": "python -m benchmarks.speed",
        "about": about,
        "columns": columns,
        "rows": rows,
        "notes": [],
    }


def benchmarks_page() -> str:
    """What was measured, from `benchmarks/results`; what we lose comes first."""
    folder = ROOT / "benchmarks" / "results"
    results = []
    for path in (folder.parent / "counts.json", *folder.glob("*.json")):
        told = json.loads(path.read_text("utf-8"))
        results.append(counts(told) if "counts" in told else compared(path.stem, told) if "versions" in told else told)
    results.sort(key=lambda one: one["order"])
    parts = [(folder / "about.md").read_text("utf-8").strip()]
    for told in (lost(results), *results):
        parts += [f"## {told['title']}", told["about"], f"`{told['command']}`", table(told["columns"], told["rows"])]
        parts += told["notes"]
    return "\n\n".join(parts) + "\n"


def quality_page() -> str:
    """How often the caches and classifiers are right, from the last run of `python -m benchmarks.quality`."""
    last = json.loads((ROOT / "benchmarks" / "quality" / "last.json").read_text("utf-8"))
    parts = [(ROOT / ".ci" / "quality.md").read_text("utf-8").strip().replace("{limit}", str(last["limit"]))]
    for title, rows in last["tables"].items():
        columns = list(dict.fromkeys(name for figures in rows.values() for name in figures))
        cells = [
            [row, *(f"{figures[name]:.3f}" if name in figures else "" for name in columns)]
            for row, figures in rows.items()
        ]
        parts += [f"## {title}", table(["", *columns], cells)]
    return "\n\n".join(parts) + "\n"


def subject(of: object) -> str:
    """What keys belong to, from the first line of a docstring."""
    said = re.match(r"(?:Spells the keys? of|The keys of) (.+?)(?:[.:;]|, |$)", inspect.getdoc(of) or "", re.MULTILINE)
    return said[1] if said else ""


def keys_page() -> str:
    """The kinds of key with their lifetimes, by what they belong to."""
    of: dict[str, str] = {}
    for group in vars(key_groups).values():
        if isinstance(group, type) and issubclass(group, key_groups.KeyGroup):
            of |= dict.fromkeys(group.kinds or group.__match_args__, subject(group))
    for method in vars(KeySpace).values():
        if subject(method):
            of |= dict.fromkeys(re.findall(r"self\.key\([\"'](\w+)", inspect.getsource(method)), subject(method))
    rows: dict[tuple[str, str], list[str]] = {}
    for kind, life in KINDS.items():
        rows.setdefault((of.get(kind, "a write that may be sent again"), life), []).append(f"`{kind}`")
    listed = table(
        ["of", "kinds", "live for"], [[what, ", ".join(kinds), life] for (what, life), kinds in rows.items()]
    )
    return (ROOT / ".ci" / "keys.md").read_text("utf-8").replace("{table}", listed)


PAGES = {"docs/keys.md": keys_page, "docs/benchmarks.md": benchmarks_page, "docs/quality.md": quality_page}


def reference_pages() -> dict[str, str]:
    """A page for each room with its public names, for mkdocstrings."""
    homes: dict[str, str] = vars(langchain_redis_memory)["_HOMES"]
    pages = {}
    for room, title in ROOMS.items():
        names = sorted((name for name, home in homes.items() if home.partition(".")[0] == room), key=str.lower)
        listed = "\n\n".join(f"::: langchain_redis_memory.{name}" for name in names)
        about = f"# {title}\n\nEvery name is imported from `langchain_redis_memory`."
        pages[f"reference/{room}.md"] = f"{about}\n\n{listed}\n"
    return pages


# --- MkDocs -------------------------------------------------------------------------------------------------------


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the reference, and what stands above docs/."""
    from mkdocs.structure.files import File

    above = {path: (ROOT / source).read_text("utf-8") for path, source in REPOSITORY.items()}
    for path, text in {**reference_pages(), **above}.items():
        files.append(File.generated(config, path, content=text))
    return files


if __name__ == "__main__":
    for name, make in PAGES.items():
        (ROOT / name).write_text(make(), "utf-8")
