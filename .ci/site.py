"""Generates pages: benchmarks from results, keys from their kinds, the reference from the public names.

`python .ci/site.py` writes the pages that are kept (`PAGES`), figures among them; a test holds
them up to date. MkDocs loads this file as a hook and adds the reference, which nobody would read as a file.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import langchain_redis_memory
from langchain_redis_memory.redis import key_groups
from langchain_redis_memory.redis.keys import KINDS, KeySpace

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / ".ci"))  # MkDocs and the tests load this file by its path
import plots  # noqa: E402

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
    of_build = told["instructions"][0]
    thousands = of_build["thousands"]
    executed = {path: f"{n:,}" for path, n in thousands.items()}
    against = {
        path: ", ".join(f"{thousands[path] / theirs:.2f}x {peer}" for peer, theirs in of.items())
        for path, of in of_build.get("peers", {}).items()
    }
    rows = [
        [path, str(of["trips"]), str(of["commands"]), executed.get(path, ""), against.get(path, "")]
        for path, of in told["counts"].items()
    ]
    about = (
        "Round trips and commands of one call, the same on every machine. A test compares them with what was stored. "
        "Instructions (`--instructions`, by callgrind) are the client's alone, and the same within 1 % on one build of "
        f"Python, here {of_build['build']}."
    )
    columns = ["", "trips", "commands", "thousand instructions", "divided by a peer's"]
    return {**COUNTS, "about": about, "columns": columns, "rows": rows, "notes": []}


COUNTS = {"order": 0, "title": "What a call costs", "command": "python -m benchmarks.counts"}


SPEED = ("history", "checkpoint", "store", "cache", "limits", "values", "turn", "tasks", "start")
"""The benchmarks of speed, in the order of the page."""


FAR = 1.25
"""As in `benchmarks.speed.report`, which mkdocs does not load: beyond it a row is lost by its median alone."""
MORE = {"of 1": "recall", "items": "found", "namespaces": "found"}
"""Units of which more is better, and what is said of them."""


def compared(name: str, told: dict[str, Any]) -> dict[str, Any]:
    """What a benchmark of speed wrote, as a table: ours, and ours divided by each peer's; what we lose is bold.

    What the clock does not tell is marked, and the client's processor time stands in brackets. Trips, and what was
    found, stand behind the time that they belong to. A peer that found less did other work, so its ratio is told and
    not counted as lost.
    """
    _, *peers = (one for one, version in told["versions"].items() if version)
    measures: list[list[dict[str, Any]]] = []
    for row in told["rows"]:
        before = measures[-1][0]["name"] if measures else ""
        belongs = row["unit"] == "trips" and row["name"] == before
        if belongs or (row["unit"] in MORE and row["name"].rpartition(": ")[0] == before):
            measures[-1].append(row)
        else:
            measures.append([row])
    rows = []
    for row, *more in measures:
        own, value = next(iter(row["values"].items()))
        spread = f" ± {row['spread']:.0%}" if row.get("spread") else ""
        said = [f"{_number(value)} {row['unit']}".strip() + spread]
        said += [f"CPU {_number(row['cpu'][own])}"] if row.get("cpu") else []
        said += [_beside(each, own) for each in more]
        cells = ["" if peer == own else _against(row, more, own, peer) for peer in peers]
        rows.append([row["name"], ", ".join(said), *cells])
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


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _beside(row: dict[str, Any], of: str) -> str:
    """Trips, or what was found, in words."""
    value = row["values"].get(of, 0)
    if row["unit"] in MORE:
        return f"{MORE[row['unit']]} {value:.3g}"
    return "1 trip" if value == 1 else f"{value:.3g} trips"


def _against(row: dict[str, Any], more: list[dict[str, Any]], own: str, peer: str) -> str:
    """Ours divided by a peer's, and what it does otherwise."""
    theirs = row["values"].get(peer)
    if not theirs:
        return ""
    known = [(each, each["values"][own], each["values"][peer]) for each in more if peer in each["values"]]
    less = any(each["unit"] in MORE and other < 0.9 * value for each, value, other in known)
    said = _processor(row, own, peer)
    for each, value, other in known:
        if other != value:
            fewer = each["unit"] == "trips" and 0 < other < value and not less
            said.append(f"**{_beside(each, peer)}**" if fewer else _beside(each, peer))
    ratio = row["values"][own] / theirs
    worse = ratio < 1 if row["unit"] in MORE else ratio > 1 and not less
    shown = _sure(ratio, row.get("ranges", {}).get(peer), worse=worse and not less)
    return shown + (f" ({', '.join(said)})" if said else "")


def _sure(ratio: float, between: list[float] | None, *, worse: bool) -> str:
    """A ratio: bold where it is lost, with a mark where parts of the run are on both sides of 1, and it is near 1."""
    if between and between[0] <= 1 <= between[1] and ratio <= FAR:
        return f"{ratio:.2f}x ≈"
    return f"**{ratio:.2f}x**" if worse else f"{ratio:.2f}x"


def _processor(row: dict[str, Any], own: str, peer: str) -> list[str]:
    """Ours divided by a peer's in the client's processor time: bold if it is lost and the clock does not tell."""
    used = row.get("cpu", {})
    if not used.get(peer):
        return []
    ratio, between = used[own] / used[peer], row["ranges"].get(peer, [0, 0])
    undecided = between[0] <= 1 <= between[1]
    return [f"CPU {_sure(ratio, row['cpu_ranges'].get(peer), worse=undecided and ratio > 1)}"]


def lost(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows of all tables of speed in which a peer is better; what has no server at all is no peer."""
    rows = []
    for told in tables:
        if "benchmarks.speed" in told["command"] and told["columns"][1] == "this package":
            for name, own, *cells in told["rows"]:
                peers = zip(told["columns"][2:], cells, strict=True)
                worse = [
                    f"{cell} {peer}" for peer, cell in peers if "**" in cell and peer[2:] not in told.get("floors", ())
                ]
                if worse:
                    rows.append([told["title"], name, own, "; ".join(worse)])
    about = (
        "Every row of the tables below in which a peer is better. Below 1 is in our favour. A run has ten parts in "
        "which the contenders take turns: a row is lost where ours took longer in all but one of them, by the clock "
        "or, where the clock does not tell (≈), in the client's processor time; and where the medians are more than "
        f"{FAR:.2f} apart."
    )
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


def results() -> list[dict[str, Any]]:
    """What was measured, as tables in the order of the page; what we lose comes first."""
    folder = ROOT / "benchmarks" / "results"
    found = []
    for path in (folder.parent / "counts.json", *folder.glob("*.json")):
        told = json.loads(path.read_text("utf-8"))
        found.append(counts(told) if "counts" in told else compared(path.stem, told) if "versions" in told else told)
    found.sort(key=lambda one: one["order"])
    return [lost(found), *found]


def benchmarks_page() -> str:
    """What was measured, from `benchmarks/results`."""
    parts = [(ROOT / "benchmarks" / "results" / "about.md").read_text("utf-8").strip()]
    for told in results():
        parts += [f"## {told['title']}", told["about"], f"`{told['command']}`"]
        parts += [f"![{told['title']}](assets/{PLOTS[told['title']]})"] if told["title"] in PLOTS else []
        parts += [table(told["columns"], told["rows"]), *told["notes"]]
    return "\n\n".join(parts) + "\n"


PLOTS = {"What we lose": "speed.svg", "How costs grow": "growth.svg"}
"""The figures of a section."""


def speed_plot() -> str:
    """The ratios of all tables of speed."""
    return plots.speed([told for told in results()[1:] if told["columns"][1] == "this package"])


def growth_plot() -> str:
    """The costs over sizes of `benchmarks.scale`."""
    return plots.growth([told for told in results() if "costs" in told])


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
    messy = json.loads((ROOT / "benchmarks" / "quality" / "messy.json").read_text("utf-8"))
    columns = list(next(iter(messy.values())))
    parts += [
        "## What became of a small model's answers",
        table(["", *columns], [[part, *map(str, counts.values())] for part, counts in messy.items()]),
    ]
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
            of |= dict.fromkeys(group.kinds or group.attributes, subject(group))
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


PAGES = {
    "docs/keys.md": keys_page,
    "docs/benchmarks.md": benchmarks_page,
    "docs/quality.md": quality_page,
    "docs/assets/speed.svg": speed_plot,
    "docs/assets/growth.svg": growth_plot,
}


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
