"""Draws the figures of the page of benchmarks as SVG: ratios to peers, and how costs grow with sizes.

Each has a ground of its own, light or dark as the reader's system is, so that it is readable on any page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import cycle
from math import ceil, floor, log10, sqrt
from typing import Any

STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .soft { fill: #57606a } .end { text-anchor: end } .middle { text-anchor: middle }
.ground { fill: #ffffff } .grid { stroke: #d0d7de } .even { stroke: #57606a; stroke-width: 1.5 }
.won { fill: #1a7f37; stroke: #1a7f37 } .lost { fill: #cf4a12; stroke: #cf4a12 }
.shape { fill: #57606a; stroke: #57606a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .soft { fill: #9da7b3 } .ground { fill: #161b22 } .grid { stroke: #30363d }
.even { stroke: #9da7b3 } .shape { fill: #9da7b3; stroke: #9da7b3 }
.won { fill: #3fb950; stroke: #3fb950 } .lost { fill: #f0883e; stroke: #f0883e }
}
</style>"""
SHAPES = (
    '<circle cx="{x:.1f}" cy="{y:.1f}" r="4" {of}/>',
    '<path d="M{x:.1f} {y:.1f}m0 -5l5 9h-10z" {of}/>',
    '<path d="M{x:.1f} {y:.1f}m-4 -4h8v8h-8z" {of}/>',
    '<path d="M{x:.1f} {y:.1f}m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z" {of}/>',
    '<path d="M{x:.1f} {y:.1f}m0 5l5 -9h-10z" {of}/>',
    '<path d="M{x:.1f} {y:.1f}m-5 -1.5h10v3h-10z" {of}/>',
)
"""A mark for each peer of a table."""
COLOURS = ("#0969da", "#bf8700", "#2da44e", "#e5534b", "#8957e5", "#0598bc", "#db61a2", "#808890")


def picture(width: int, height: int, about: str, parts: Sequence[str]) -> str:
    """An SVG file."""
    box = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    return "\n".join([
        box, f"<title>{escape(about)}</title>", STYLE, f'<rect class="ground" width="{width}" height="{height}"/>',
        *parts, "</svg>", "",
    ])  # fmt: skip


def text(x: float, y: float, said: str, kind: str = "") -> str:
    """Some words."""
    return f'<text x="{x:.1f}" y="{y:.1f}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(said)}</text>'


def line(points: Sequence[tuple[float, float]], of: str) -> str:
    """A line through points."""
    return f'<polyline fill="none" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" {of}/>'


# --- ratios -------------------------------------------------------------------------------------------------------

LEFT, RIGHT, ROW = 430, 940, 17
LEAST, MOST = 0.02, 10.0


def ratios(cell: str) -> tuple[float, float, str] | None:
    """The smallest and the largest ratio that a cell of a table tells, and whether it is won, lost or of other work."""
    said = cell.partition("(")[0]
    found = [float(number) for number in re.findall(r"(\d+(?:\.\d+)?)x", said)]
    if not found:
        return None
    return min(found), max(found), "lost" if "**" in said else "won" if max(found) <= 1 and "≈" not in said else "shape"


def across(ratio: float) -> float:
    """Where a ratio is drawn; what is off the scale stands at its edge."""
    inside = min(max(ratio, LEAST), MOST)
    return LEFT + (RIGHT - LEFT) * log10(inside / LEAST) / log10(MOST / LEAST)


def speed(tables: Sequence[Mapping[str, Any]]) -> str:
    """Our costs divided by those of each peer, a mark each on a logarithmic scale; left of 1 is in our favour."""
    parts, y = [], 46.0
    for table in tables:
        names = [name.removeprefix("/ ") for name in table["columns"][2:]]
        marks = [
            (at, shape)
            for at, (name, shape) in enumerate(zip(names, cycle(SHAPES), strict=False))
            if name not in table.get("floors", ())
        ]
        rows = [(name, [(shape, ratios(cells[at])) for at, shape in marks]) for name, _, *cells in table["rows"]]
        parts.append(text(12, y + 12, table["title"], "title"))
        y += ROW
        x = 12.0
        for at, shape in marks:
            parts += [shape.format(x=x + 5, y=y + 8, of='class="shape"'), text(x + 14, y + 12, names[at], "soft")]
            x += 34 + 7 * len(names[at])
        y += ROW + 4
        for name, cells in rows:
            if any(cell for _, cell in cells):
                parts.append(text(LEFT - 10, y + 12, _short(name), "end"))
                for shape, cell in cells:
                    parts += _mark(shape, cell, y + 8) if cell else []
                y += ROW
        y += ROW
    scale = []
    for tick in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10):
        kind = "even" if tick == 1 else "grid"
        scale.append(f'<line x1="{across(tick):.1f}" x2="{across(tick):.1f}" y1="40" y2="{y - 8:.0f}" class="{kind}"/>')
        scale.append(text(across(tick), 34, f"{tick:g}x", "middle soft"))
    about = "This package / a peer: left of 1 is in our favour; grey: within the spread, or the peer found less"
    return picture(960, ceil(y), about, [*scale, text(12, 16, about, "soft"), *parts])


def _mark(shape: str, cell: tuple[float, float, str], y: float) -> Iterator[str]:
    low, high, kind = cell
    if high > low:
        yield line([(across(low), y), (across(high), y)], f'class="{kind}" stroke-width="2"')
    yield shape.format(x=across(sqrt(low * high)), y=y, of=f'class="{kind}"')


def _short(name: str, most: int = 64) -> str:
    plain = name.replace("`", "")
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


# --- growth -------------------------------------------------------------------------------------------------------

PANEL, LEGEND = (60.0, 470.0), 490.0


def growth(tables: Sequence[Mapping[str, Any]]) -> str:
    """The server's time of each operation over the sizes, both on logarithmic scales, with the fitted exponents."""
    largest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in (one for table in tables for one in table["costs"]):
        known = largest.get((one["axis"], one["operation"]))
        if known is None or _sizes(one)[-1] > _sizes(known)[-1]:
            largest[one["axis"], one["operation"]] = one
    panels: dict[str, list[Mapping[str, Any]]] = {}
    for (axis, _), one in largest.items():
        panels.setdefault(axis, []).append(one)
    about = "Time of the server for one call, in those of a bare GET; the fitted exponent behind each operation"
    parts, y = [text(12, 16, about, "soft")], 40.0
    for axis, operations in panels.items():
        height = max(110.0, 17.0 * len(operations) + 10)
        parts += _panel(axis, operations, y, height)
        y += height + 62
    return picture(960, ceil(y), about, parts)


def _sizes(one: Mapping[str, Any]) -> list[int]:
    return sorted(map(int, one["costs"]))


def _panel(axis: str, operations: Sequence[Mapping[str, Any]], top: float, height: float) -> Iterator[str]:
    sizes = sorted({size for one in operations for size in _sizes(one)})
    costs = [float(costs["server"]) for one in operations for costs in one["costs"].values()]
    low, high = floor(log10(min(costs))), max(ceil(log10(max(costs))), floor(log10(min(costs))) + 1)
    left, right, above = *PANEL, top + 20

    def at(size: float, cost: float) -> tuple[float, float]:
        share = log10(size / sizes[0]) / log10(sizes[-1] / sizes[0])
        return left + (right - left) * share, above + height * (1 - (log10(cost) - low) / (high - low))

    yield text(12, top + 10, axis, "title")
    for power in range(low, high + 1):
        y = at(sizes[0], 10.0**power)[1]
        yield line([(left, y), (right, y)], 'class="grid"')
        yield text(left - 6, y + 4, f"{10.0**power:g}", "end soft")
    shown = -100.0
    for size in sizes:
        x = at(size, 1)[0]
        yield line([(x, above), (x, above + height)], 'class="grid"')
        if x - shown > 8.0 * len(f"{size:,}"):
            yield text(x, above + height + 16, f"{size:,}", "middle soft")
            shown = x
    for row, (one, colour) in enumerate(zip(operations, cycle(COLOURS), strict=False)):
        points = [at(size, float(one["costs"][str(size)]["server"])) for size in _sizes(one)]
        yield line(points, f'stroke="{colour}" stroke-width="2"')
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
        y = above + 12 + 17 * row
        yield f'<rect x="{LEGEND:.0f}" y="{y - 8:.1f}" width="10" height="10" fill="{colour}"/>'
        yield text(LEGEND + 16, y + 2, f"{one['operation']}: {one['exponents']['server']:.2f} ({one['stated']})")
