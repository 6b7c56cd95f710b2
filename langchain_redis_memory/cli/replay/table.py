"""A replay's report for the terminal: one column for each cache, one row for each measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.console import Group, RenderableType
from rich.table import Table

from langchain_redis_memory.cli.replay.judge import CacheOutcome
from langchain_redis_memory.cli.replay.report import ReplayReport
from langchain_redis_memory.cli.replay.stream import Kind, Role
from langchain_redis_memory.language.classify.question_type import QuestionType

Row = tuple[str, Callable[[CacheOutcome], str]]
_HIT = ("hit",)


def share(value: float | None) -> str:
    """A share for people; small ones matter here."""
    return "-" if value is None else f"{100 * value:.{2 if 0 < value < 0.01 else 1}f} %"


def _of(what: Iterable[str], kinds: Iterable[Kind], *roles: Role) -> Callable[[CacheOutcome], str]:
    wanted, which = tuple(what), tuple(kinds)
    return lambda outcome: share(outcome.rate(wanted, kinds=which, roles=roles or tuple(Role)))


def _by(roles: tuple[Role, ...], wording: str) -> Callable[[CacheOutcome], str]:
    return lambda outcome: share(outcome.rate(_HIT, roles=roles, wording=wording))


def _ours(tell: Callable[[CacheOutcome], str]) -> Callable[[CacheOutcome], str]:
    """What is only known of a memory, not of a raw key."""
    return lambda outcome: "-" if outcome.risk is None else tell(outcome)


def rows(report: ReplayReport) -> list[Row | None]:
    """The rows: a name and what to say of an outcome; None between groups.

    Args:
        report: The report.

    Returns:
        The rows, those left out that would be empty in every column.
    """
    kinds = {kind for kind in Kind if report.kinds[kind]}
    found: list[Row | None] = [
        ("wrong serves", lambda o: str(len(o.wrong))),
        (f"  of {Kind.DEPENDENT} turns", lambda o: f"{o.count(['wrong'], kinds=[Kind.DEPENDENT])} of {o.dependent}"),
        ("  their share", lambda o: share(o.wrong_share)),
        (f"  of turns that are {Kind.CUT_OFF}", lambda o: str(o.count(["wrong"], kinds=[Kind.CUT_OFF]))),
        ("hits from other conversations, not judged", lambda o: str(len(o.unjudged))),
        None,
    ]
    if report.settings.users > 1:
        found += [
            (f"repeated word for word, hit: {kind}", _of(_HIT, [kind], Role.REPEATS))
            for kind in Kind
            if kind in kinds - {Kind.REWRITTEN}
        ]
        found += [("  first and self-contained", _of(_HIT, [Kind.FIRST, Kind.SELF_CONTAINED], Role.REPEATS)), None]
    if report.settings.users > 2:
        found += [
            (f"in other words, hit: {kind}", _of(_HIT, [kind], Role.PARAPHRASES)) for kind in Kind if kind in kinds
        ]
        found += [("  first and self-contained", _of(_HIT, [Kind.FIRST, Kind.SELF_CONTAINED], Role.PARAPHRASES))]
        found += [
            (f"  by wording: {words}", _by((Role.PARAPHRASES,), words)) for words, _ in report.wordings.most_common()
        ]
        found.append(None)
    found += [(f"cache: {word}", _cached(word)) for word in ("hit", "miss", "bypass", "off")]
    found += [(f"  past it: {kind}", _ours(_past(kind))) for kind in QuestionType]
    found += [
        (f"{Kind.DEPENDENT} taken for self-contained", _ours(lambda o: f"{o.unsafe} of {o.dependent}")),
        None,
        ("tokens saved, of all", _ours(lambda o: share(_part(o.tokens_saved, o.tokens_spent)))),
        ("tokens saved", _ours(lambda o: f"{o.tokens_saved:,}")),
        ("seconds saved", _ours(lambda o: f"{o.seconds_saved:,.1f}")),
        ("ms a turn, without the answerer", _ours(lambda o: f"{1000 * o.seconds / max(1, o.turns):.2f}")),
        ("trips a turn (most)", _ours(lambda o: f"{o.trips / max(1, o.turns):.2f} ({o.most_trips})")),
        ("turns that the answerer failed", _ours(lambda o: str(o.failed))),
    ]
    empty = {"-", "0"}
    return [row for row in found if row is None or any(row[1](outcome) not in empty for outcome in report.outcomes)]


def _part(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None


def _cached(word: str) -> Callable[[CacheOutcome], str]:
    return lambda outcome: share(outcome.cache[word] / outcome.turns if outcome.turns else None)


def _past(kind: QuestionType) -> Callable[[CacheOutcome], str]:
    return lambda outcome: str(outcome.bypasses[kind])


def table(report: ReplayReport) -> RenderableType:
    """The report as a table.

    Args:
        report: The report.

    Returns:
        What rich can print.
    """
    title = (
        f"{report.conversations} conversations, {report.settings.users} users each: {report.asked} turns; "
        f"{report.settings.cache} cache, {report.settings.classifier} classifier, {report.server}"
    )
    grid = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    grid.add_column("")
    for outcome in report.outcomes:
        grid.add_column(outcome.name, justify="right", style="dim" if outcome.risk is None else "")
    for row in rows(report):
        if row is None:
            grid.add_row()
        else:
            grid.add_row(row[0], *(row[1](outcome) for outcome in report.outcomes))
    return Group(grid, "", *(f"[dim]{note}[/]" for note in report.notes))
