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
    """Formats a share as a percentage; small ones get a second decimal, because they matter here."""
    return "-" if value is None else f"{100 * value:.{2 if 0 < value < 0.01 else 1}f} %"


def _of(what: Iterable[str], kinds: Iterable[Kind], *roles: Role) -> Callable[[CacheOutcome], str]:
    wanted, which = tuple(what), tuple(kinds)
    return lambda outcome: share(outcome.rate(wanted, kinds=which, roles=roles or tuple(Role)))


def _by(roles: tuple[Role, ...], wording: str) -> Callable[[CacheOutcome], str]:
    return lambda outcome: share(outcome.rate(_HIT, roles=roles, wording=wording))


def _ours(tell: Callable[[CacheOutcome], str]) -> Callable[[CacheOutcome], str]:
    """What is only known of a memory, not of a raw key."""
    return lambda outcome: "-" if outcome.risk is None else tell(outcome)


_NAMES = {
    Kind.FIRST: "opening questions",
    Kind.CUT_OFF: "openings that lean on what was cut off",
    Kind.SELF_CONTAINED: "later ones that stand alone",
    Kind.DEPENDENT: "follow-ups",
    Kind.REWRITTEN: "follow-ups, asked in full",
    Kind.NOT_KNOWN: "later ones, without a rewrite",
}
"""What a kind of turn is called before somebody who has not read the glossary."""
_ALONE = (Kind.FIRST, Kind.SELF_CONTAINED)


def _heading(text: str) -> Row:
    return (text, lambda _outcome: "")


def rows(report: ReplayReport) -> list[Row | None]:
    """Lists the rows of the table: a name and the text for an outcome; None between groups.

    Returns the rows, those left out that would be empty in every column.
    """
    kinds = [kind for kind in Kind if report.kinds[kind]]
    table_rows: list[Row | None] = [
        ("answers served wrongly", lambda o: str(len(o.wrong))),
        ("  to follow-ups", lambda o: f"{o.count(['wrong'], kinds=[Kind.DEPENDENT])} of {o.dependent}"),
        ("  share of the follow-ups", lambda o: share(o.wrong_share)),
        (f"  to {_NAMES[Kind.CUT_OFF]}", lambda o: str(o.count(["wrong"], kinds=[Kind.CUT_OFF]))),
        ("served, without a rewrite to judge by", lambda o: str(len(o.unjudged))),
        None,
    ]
    if report.settings.users > 1:
        table_rows += [
            _heading("asked again in the same words: hits"),
            *((f"  {_NAMES[kind]}", _of(_HIT, [kind], Role.REPEATS)) for kind in kinds if kind is not Kind.REWRITTEN),
            ("  all that stand alone", _of(_HIT, _ALONE, Role.REPEATS)),
            None,
        ]
    if report.settings.users > 2:
        table_rows += [
            _heading("asked again in other words: hits"),
            *((f"  {_NAMES[kind]}", _of(_HIT, [kind], Role.PARAPHRASES)) for kind in kinds),
            ("  all that stand alone", _of(_HIT, _ALONE, Role.PARAPHRASES)),
            *((f"  words by {words}", _by((Role.PARAPHRASES,), words)) for words, _ in report.wordings.most_common()),
            None,
        ]
    table_rows += [
        _heading("what became of the turns"),
        ("  served from the cache", _cached("hit")),
        ("  answered, then cached", _cached("miss")),
        ("  answered, not cached", _cached("bypass")),
        ("  answered without a cache", lambda o: _cached("off")(o) if o.cache["off"] else "0"),
        *((f"  not cached: {kind}", _ours(_past(kind))) for kind in QuestionType),
        ("  follow-ups taken for stand-alone", _ours(lambda o: f"{o.unsafe} of {o.dependent}")),
        None,
        ("tokens saved, of all", _ours(lambda o: share(_part(o.tokens_saved, o.tokens_spent)))),
        ("tokens saved", _ours(lambda o: f"{o.tokens_saved:,}")),
        ("seconds saved", _ours(lambda o: f"{o.seconds_saved:,.1f}")),
        ("milliseconds a turn, without the model", _ours(lambda o: f"{1000 * o.seconds / max(1, o.turns):.2f}")),
        ("round trips a turn (most)", _ours(lambda o: f"{o.trips / max(1, o.turns):.2f} ({o.most_trips})")),
        ("turns that the answerer failed", _ours(lambda o: str(o.failed))),
    ]
    empty = {"-", "0"}
    return [
        row for row in table_rows if row is None or any(row[1](outcome) not in empty for outcome in report.outcomes)
    ]


def reliability_rows(report: ReplayReport) -> list[tuple[str, ...]]:
    """Compares the share of errors that each cache claims with what this log shows.

    Returns a head, then a row for each cache: name, claimed share, wrong of judged serves, achieved share, the share
    that is not exceeded with 95 % confidence, and what follows.
    """
    return [
        ("", "claimed", "wrong of judged serves", "achieved", "at most", "so the claim"),
        *(
            (
                one.name,
                share(it.claimed),
                f"{it.wrong} of {it.served}",
                share(it.achieved),
                share(it.at_most),
                it.verdict,
            )
            for one in report.outcomes
            for it in (one.reliability,)
        ),
    ]


def _part(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None


def _cached(word: str) -> Callable[[CacheOutcome], str]:
    return lambda outcome: share(outcome.cache[word] / outcome.turns if outcome.turns else None)


def _past(kind: QuestionType) -> Callable[[CacheOutcome], str]:
    return lambda outcome: str(outcome.bypasses[kind])


def table(report: ReplayReport) -> RenderableType:
    """Builds the report's table for the terminal."""
    title = (
        f"{report.conversations} conversations, {report.settings.users} users each: {report.asked} turns; "
        f"{report.settings.cache} cache, {report.settings.classifier} classifier, {report.server}"
    )
    grid = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    grid.add_column("", no_wrap=True)
    for outcome in report.outcomes:
        grid.add_column(outcome.name.replace(", ", ",\n"), justify="right", style="dim" if outcome.risk is None else "")
    for row in rows(report):
        if row is None:
            grid.add_row()
        else:
            grid.add_row(row[0], *(row[1](outcome) for outcome in report.outcomes))
    head, *lines = reliability_rows(report)
    sure = Table(box=None, header_style="bold", pad_edge=False)
    for place, name in enumerate(head):
        sure.add_column(name, justify="right" if 0 < place < len(head) - 1 else "left")
    for cells in lines:
        sure.add_row(*cells)
    return Group(grid, "", sure, "", *(f"[dim]{note}[/]" for note in report.notes))
