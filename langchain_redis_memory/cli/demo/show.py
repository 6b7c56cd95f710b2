"""How turns are shown: a live table, then what the cache saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from langchain_redis_memory.conversation.turn import TurnReport
from langchain_redis_memory.language.classify.question_type import QuestionType

_TYPES = {
    QuestionType.NEW_TOPIC: "[cyan]NEW_TOPIC[/]",
    QuestionType.CONTEXTUAL_FOLLOW_UP: "[magenta]CONTEXTUAL_FOLLOW_UP[/]",
    QuestionType.HISTORY_RECALL: "[yellow]HISTORY_RECALL[/]",
    QuestionType.CONTEXTUAL_WITH_SEARCH: "[blue]CONTEXTUAL_WITH_SEARCH[/]",
}
_CACHE = {"hit": "[bold green]hit[/]", "miss": "miss", "bypass": "[dim]bypass[/]", "off": "[red]off[/]"}


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


@dataclass
class TurnTable:
    """The turns so far.

    Args:
        turns: (who, report) of each turn, in order.
    """

    turns: list[tuple[str, TurnReport]] = field(default_factory=list)

    def table(self, width: int, *, newest: int | None = None) -> RenderableType:
        """The turns as a table.

        Args:
            width: Columns of the terminal.
            newest: Only that many of the newest turns; None for all.

        Returns:
            What rich can print.
        """
        table = Table(expand=True, show_lines=False, header_style="bold", pad_edge=False, box=None)
        table.add_column("#", style="dim", no_wrap=True)
        table.add_column("who", style="bold", no_wrap=True)
        table.add_column("turn, answer", ratio=5)
        table.add_column("type, why", ratio=4, min_width=22)
        table.add_column("memory", justify="right", no_wrap=True)
        table.add_column("cache", no_wrap=True)
        table.add_column("trips", justify="right")
        table.add_column("ms", justify="right")
        first = 0 if newest is None else max(0, len(self.turns) - newest)
        for number, (who, report) in enumerate(self.turns[first:], first + 1):
            answer = _clip(" ".join(str(getattr(report.value, "text", report.value)).split()), width - 40)
            why = _clip("; ".join(report.verdict.reasons), max(20, width // 2 - 20))
            memory = f"{len(report.memory)} msg\n{report.memory_tokens} tok" if report.memory else "[dim]none[/]"
            table.add_row(
                str(number),
                who,
                f"{escape(report.question)}\n[dim]{escape(answer)}[/]",
                f"{_TYPES[report.verdict.type]}\n[dim]{escape(why)}[/]",
                memory,
                _CACHE[report.cache],
                str(report.trips),
                f"{report.seconds * 1000:.1f}",
            )
        return table

    def totals(self) -> RenderableType:
        """What the cache saved.

        Returns:
            What rich can print.
        """
        reports = [report for _, report in self.turns]
        hits = [report for report in reports if report.cache == "hit"]
        misses = [report for report in reports if report.cache == "miss"]
        bypassed = [report for report in reports if report.cache == "bypass"]
        asked = len(hits) + len(misses)
        spent = sum(report.tokens for report in reports if report.cache != "hit")
        saved = sum(report.tokens for report in hits)
        lines = [
            f"[bold green]{len(hits)} hits[/] of {asked} turns that may be cached ({_share(len(hits), asked)}); "
            f"{len(bypassed)} follow-ups and recalls never met the cache",
            f"tokens: {spent} spent, [bold green]{saved} saved[/] ({_share(saved, spent + saved)})",
        ]
        if hits and misses:
            slow, fast = _mean(misses), _mean(hits)
            lines.append(
                f"time: {fast:.1f} ms a hit against {slow:.1f} ms a miss, "
                f"[bold green]{(slow - fast) * len(hits):.0f} ms saved[/] with this answerer"
            )
        most = max((report.trips for report in reports), default=0)
        lines.append(f"round trips to the server: {most} at most in a turn")
        return Panel(Group(*lines), title="what it saved", border_style="green", expand=False)


def _mean(reports: Sequence[TurnReport]) -> float:
    return 1000 * sum(report.seconds for report in reports) / len(reports)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"
