"""`Page`: a template with what it shows, and the templates' own words: times, sizes, hidden content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True)
class Page:
    """One page."""

    template: str
    title: str
    shows: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


def duration(seconds: float | None) -> str:
    """Spells a duration in its two largest units."""
    if seconds is None:
        return "never"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    left, parts = int(seconds), []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def size(count: int | None) -> str:
    """Spells a number of bytes."""
    if count is None:
        return "?"
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def moment(at: datetime | None) -> Markup:
    """Spells a time, with its exact form for machines."""
    if at is None:
        return Markup("&ndash;")
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), f"{at:%d %b %Y %H:%M:%S}")


def share(value: float) -> str:
    """Spells a share in per cent."""
    return f"{value:.0%}"


@cache
def environment() -> Environment:
    """Builds the templates' environment, one for all pages: everything is escaped, an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("langchain_redis_memory.admin"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(duration=duration, size=size, moment=moment, share=share)
    return made
