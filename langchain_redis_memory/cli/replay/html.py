"""A replay's report as one HTML file: tables and inline SVG, nothing loaded from elsewhere, light and dark.

Everything that comes from the recorded conversations is escaped; there is no script in the page, and its content
security policy allows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from langchain_redis_memory.cli.replay.judge import CacheOutcome, ServedAnswer
from langchain_redis_memory.cli.replay.report import ReplayReport
from langchain_redis_memory.cli.replay.stream import Kind, Role, StreamTurn
from langchain_redis_memory.cli.replay.table import reliability_rows, rows, share
from langchain_redis_memory.language.classify.question_type import QuestionType

_MOST = 200
"""Serves that are listed of each cache; the JSON has all of them."""
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _RIGHT = 640, 330, 64, 30, 52, 150
_ALONE = (Kind.FIRST, Kind.SELF_CONTAINED)
_TONES = ("t1", "t2", "t4", "t5")

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #5c6670; --paper: #ffffff; --line: #d8dee4; --card: #f6f8fa;
  --a: #0969da; --b: #8250df; --c: #1a7f37; --d: #bc4c00; --e: #1b7c83; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9aa6b2; --paper: #0d1117; --line: #30363d;
  --card: #161b22; --a: #58a6ff; --b: #bc8cff; --c: #3fb950; --d: #f0883e; --e: #39c5cf; --bad: #ff7b72; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p, li { max-width: 60rem; } .dim { color: var(--dim); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.gap td { border: 0; height: .6rem; } .raw { color: var(--dim); }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; margin: 0; padding: 1rem; flex: 1 1 28rem; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: .4rem; }
svg { display: block; height: auto; max-width: 100%; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .dim { fill: var(--dim); } svg .axis { stroke: var(--line); } svg .level { fill: var(--a); }
svg .raw { fill: var(--bad); } svg .path { fill: none; stroke: var(--a); stroke-opacity: .5; }
svg .t0 { fill: var(--a); } svg .t1 { fill: var(--b); } svg .t2 { fill: var(--d); } svg .t3 { fill: var(--c); }
svg .t4 { fill: var(--e); } svg .t5 { fill: var(--dim); } svg .lead { stroke: var(--dim); stroke-opacity: .6; }
.q { font-weight: 600; overflow-wrap: anywhere; } .wrong td { max-width: 26rem; overflow-wrap: anywhere; }
details { margin: .6rem 0; } summary { cursor: pointer; }
"""


def page(report: ReplayReport) -> str:
    """Renders the report as one self-contained HTML page, to be written as UTF-8."""
    settings = report.settings
    head = (
        f"{report.conversations} conversations with {report.recorded} turns, {settings.users} users each: "
        f"{report.asked} turns. {settings.cache} cache, {settings.classifier} classifier, {report.server}, "
        f"seed {settings.seed}; {len(report.damaged)} damaged lines skipped."
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Conversations replayed</title><style>{_STYLE}</style></head><body>",
            "<h1>Conversations replayed</h1>",
            f"<p><strong>{escape(report.conclusion)}</strong></p>",
            f'<p class="dim">{escape(head)}</p>',
            '<div class="plots">',
            _figure("What safety costs", _risk_plot(report.outcomes)),
            _figure("Hits and bypasses", _bars(report.levels)),
            "</div>",
            "<h2>How sure is that?</h2>",
            _reliability(report),
            "<h2>Measures</h2>",
            _measures(report),
            "<ul>",
            *(f"<li>{escape(note)}</li>" for note in report.notes),
            "</ul>",
            "<h2>Wrong serves</h2>",
            *(_serves(outcome, outcome.wrong, "served wrongly") for outcome in reversed(report.outcomes)),
            "<h2>Hits from other conversations that no rewrite can judge</h2>",
            *(_serves(outcome, outcome.unjudged, "to look at") for outcome in report.levels),
            _damaged(report),
            "</body></html>\n",
        ]
    )


def _figure(caption: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def _reliability(report: ReplayReport) -> str:
    head, *rows = reliability_rows(report)
    last = len(head) - 1

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = ["n" if 0 < place < last else "" for place in range(len(cells))]
        return "".join(f'<{tag} class="{kind}">{escape(cell)}</{tag}>' for kind, cell in zip(kinds, cells, strict=True))

    lines = [line(head, "th"), *(line(cells, "td") for cells in rows)]
    return '<div class="scroll"><table>' + "\n".join(f"<tr>{cells}</tr>" for cells in lines) + "</table></div>"


def _measures(report: ReplayReport) -> str:
    def cell(outcome: CacheOutcome, text: str, tag: str = "td") -> str:
        return f'<{tag} class="n{" raw" if outcome.risk is None else ""}">{escape(text)}</{tag}>'

    lines = ["<tr><th></th>" + "".join(cell(one, one.name, "th") for one in report.outcomes) + "</tr>"]
    for row in rows(report):
        if row is None:
            lines.append(f'<tr class="gap"><td colspan="{1 + len(report.outcomes)}"></td></tr>')
        else:
            name, tell = row
            indent = "&emsp;" * (len(name) - len(name.lstrip()) > 0)
            lines.append(
                f"<tr><td>{indent}{escape(name.strip())}</td>"
                + "".join(cell(one, tell(one)) for one in report.outcomes)
                + "</tr>"
            )
    return '<div class="scroll"><table>' + "\n".join(lines) + "</table></div>"


# --- plots --------------------------------------------------------------------------------------------------------


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def spread(wanted: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Places labels near where they are wanted, none closer to another than a gap; gives the places in their order.

    More labels than fit go on below the bottom.
    """
    places = [0.0] * len(wanted)
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    least = top
    for rank, at in enumerate(order):
        most = bottom - gap * (len(order) - 1 - rank)
        places[at] = max(least, min(wanted[at], most))
        least = places[at] + gap
    return places


def _risk_plot(outcomes: Sequence[CacheOutcome]) -> str:
    """Wrong share over hit rate: down and to the right is better."""
    points = [
        (one, hit, one.wrong_share)
        for one in outcomes
        if (hit := one.rate(["hit"], roles=[Role.REPEATS, Role.PARAPHRASES], kinds=_ALONE)) is not None
        and one.wrong_share is not None
    ]
    label = "Share of follow-ups served wrongly, over the hit rate of turns that stand alone"
    if not points:
        return _svg([_text(_WIDTH / 2, _HEIGHT / 2, "no rewrites, or one user: nothing to judge", kind="dim")], label)
    worst = max(wrong for _, _, wrong in points)
    most = next((level for level in (0.01, 0.02, 0.04, 0.08, 0.2, 0.4, 0.8) if worst <= 0.95 * level), 1.0)
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x(hit: float) -> float:
        return _LEFT + hit * (right - _LEFT)

    def y(wrong: float) -> float:
        return bottom - wrong / most * (bottom - _TOP)

    parts = []
    for step in range(6):
        parts += [
            _text(x(step / 5), bottom + 16, f"{20 * step} %", kind="dim"),
            f'<line x1="{x(step / 5):.1f}" x2="{x(step / 5):.1f}" y1="{_TOP}" y2="{bottom}" class="axis"/>',
        ]
    for step in range(5):
        level = most * step / 4
        parts += [
            _text(_LEFT - 8, y(level) + 4, share(level), "end", "dim"),
            f'<line x1="{_LEFT}" x2="{right}" y1="{y(level):.1f}" y2="{y(level):.1f}" class="axis"/>',
        ]
    path = " ".join(f"{x(hit):.1f},{y(wrong):.1f}" for one, hit, wrong in points if one.risk is not None)
    parts.append(f'<polyline points="{path}" class="path"/>')
    places = spread([y(wrong) for _, _, wrong in points], 15, _TOP, bottom)
    for (one, hit, wrong), place in zip(points, places, strict=True):
        kind = "raw" if one.risk is None else "level"
        said = f"{one.name}: {share(wrong)} wrong, {share(hit)} hit"
        parts += [
            f'<line x1="{x(hit):.1f}" y1="{y(wrong):.1f}" x2="{right + 8}" y2="{place:.1f}" class="lead"/>',
            f'<circle cx="{x(hit):.1f}" cy="{y(wrong):.1f}" r="5" class="{kind}">',
            f"<title>{escape(said)}</title></circle>",
            _text(right + 12, place + 4, one.name, "start"),
        ]
    parts += [
        _text((_LEFT + right) / 2, _HEIGHT - 14, "turns that stand alone and were asked again: served from the cache"),
        _text(_LEFT - 52, _TOP - 14, "follow-ups served wrongly", "start", "dim"),
    ]
    return _svg(parts, label)


def _bars(levels: Sequence[CacheOutcome]) -> str:
    """For each level, the share of hits, misses and bypasses, by type."""
    kinds = [kind for kind in QuestionType if any(one.bypasses[kind] for one in levels)]
    series = [
        ("served from the cache", "t3"),
        ("answered, then cached", "t0"),
        *((f"not cached: {kind}", tone) for kind, tone in zip(kinds, _TONES, strict=False)),
    ]
    bar = min(34.0, (_HEIGHT - _TOP - _BOTTOM - 20 * len(series)) / max(1, len(levels)) * 0.7)
    parts: list[str] = []
    for row, one in enumerate(levels):
        top, left = _TOP + row * bar / 0.7, float(_LEFT + 8)
        counts = [one.cache["hit"], one.cache["miss"], *(one.bypasses[kind] for kind in kinds)]
        parts.append(_text(_LEFT, top + bar / 2 + 4, f"risk {one.risk:g}", "end"))
        for (name, kind), count in zip(series, counts, strict=True):
            width = count / max(1, one.turns) * (_WIDTH - _RIGHT - _LEFT - 8)
            tooltip = f"{one.name}, {name}: {count} of {one.turns}"
            parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{bar:.1f}" class="{kind}">'
                f"<title>{escape(tooltip)}</title></rect>"
            )
            left += width
    for row, (name, kind) in enumerate(series):
        y = _HEIGHT - 14 - 20 * (len(series) - 1 - row)
        parts += [
            f'<rect x="{_LEFT}" y="{y - 10}" width="12" height="12" class="{kind}"/>',
            _text(_LEFT + 20, y, name, "start"),
        ]
    return _svg(parts, "Hits, misses and bypasses of each risk level")


# --- serves -------------------------------------------------------------------------------------------------------


def _serves(outcome: CacheOutcome, serves: Sequence[ServedAnswer], what: str) -> str:
    title = f"{outcome.name}: {len(serves)} {what}"
    if not serves:
        return f'<p class="dim">{escape(title)}</p>'
    left_out = f"<p>{len(serves) - _MOST} more are in the JSON.</p>" if len(serves) > _MOST else ""
    body = "\n".join(
        f"<tr><td>{escape(str(one.asked.kind))}</td><td>{_said(one.asked)}</td><td>{_said(one.made_for)}</td>"
        f"<td>{escape(one.verdict)}</td></tr>"
        for one in serves[:_MOST]
    )
    shown = " open" if outcome.risk is not None and len(serves) <= 20 else ""
    return (
        f"<details{shown}><summary>{escape(title)}</summary>"
        '<div class="scroll"><table class="wrong"><tr><th>turn</th><th>asked</th><th>got the answer to</th>'
        f"<th>taken for</th></tr>{body}</table></div>{left_out}</details>"
    )


def _said(one: StreamTurn) -> str:
    before = "".join(f"<div>{escape(text[:300])}</div>" for text in one.before[-3:])
    meaning = f"<div>= {escape(one.meaning)}</div>" if one.meaning is not None else ""
    return f'<div class="dim">{escape(one.session)}{before}</div><div class="q">{escape(one.text[:600])}</div>{meaning}'


def _damaged(report: ReplayReport) -> str:
    if not report.damaged:
        return ""
    lines = "".join(f"<li>line {fault.line}: {escape(fault.why)}</li>" for fault in report.damaged[:_MOST])
    return f"<h2>Damaged lines</h2><p>{len(report.damaged)} were skipped.</p><ul>{lines}</ul>"
