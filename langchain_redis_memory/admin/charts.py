"""Charts as SVG, made on the server: no script, no inline style, and the numbers stand beside them as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from langchain_redis_memory.cache.stats import Stats

_WIDTH, _HEIGHT, _FOOT = 720, 140, 18
SHOWN = (("hits", "hit"), ("misses", "miss"), ("bypasses", "bypass"))
"""Metrics of a chart by hour, with the class of their colour."""


def hours_of(stats: Stats) -> list[tuple[datetime, Stats]]:
    """Splits the statistics of the last 48 hours by hour, with the hours in which nothing happened.

    Returns the hours, the oldest first.
    """
    by_hour = {hour: found for hour, found in stats.by("hour").items() if isinstance(hour, datetime)}
    if not by_hour:
        return []
    last = max(by_hour)
    first = max(min(by_hour), last - timedelta(hours=47))
    count = int((last - first) / timedelta(hours=1)) + 1
    none = Stats((), stats.prices)
    return [(hour, by_hour.get(hour, none)) for hour in (first + timedelta(hours=n) for n in range(count))]


def hourly(hours: Sequence[tuple[datetime, Stats]], title: str) -> Markup:
    """Draws how many look-ups hit, missed and bypassed by hour, as stacked bars in SVG; "" for nothing."""
    if not hours:
        return Markup()
    top = max(1, *(sum(stats.total(metric) for metric, _ in SHOWN) for _, stats in hours))
    step = _WIDTH / max(len(hours), 12)
    bars = []
    for at, (hour, stats) in enumerate(hours):
        y = float(_HEIGHT)
        for metric, colour in SHOWN:
            count = stats.total(metric)
            height = count / top * (_HEIGHT - 4)
            y -= height
            if count:
                label = f"{hour:%d %b %H:00}: {count} {metric}"
                bars.append(
                    f'<rect class="{colour}" x="{at * step + 1:.1f}" y="{y:.1f}" width="{step - 2:.1f}" '
                    f'height="{height:.1f}"><title>{label}</title></rect>'
                )
    ends = [(0.0, "start", hours[0][0])]
    if len(hours) > 6:
        ends.append((min(len(hours) * step, _WIDTH), "end", hours[-1][0]))
    texts = "".join(
        f'<text x="{x:.0f}" y="{_HEIGHT + _FOOT - 4}" text-anchor="{anchor}">{hour:%d %b %H:00} UTC</text>'
        for x, anchor, hour in ends
    )
    line = f'<line x1="0" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>'
    return Markup(  # noqa: S704 - numbers, dates and an escaped title
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT + _FOOT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(bars)}{line}{texts}</svg>"
    )
