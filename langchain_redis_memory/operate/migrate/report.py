"""The report of a migration: what was moved, what was there, what was lost, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from langchain_redis_memory.peers.records import (
    Conversation,
    Record,
    SavedAnswer,
    SavedCheckpoint,
    SavedItem,
    SavedVector,
    Unreadable,
)

_KINDS: dict[type, str] = {
    Conversation: "conversations",
    SavedCheckpoint: "checkpoints",
    SavedItem: "items",
    SavedAnswer: "answers",
    SavedVector: "vectors",
}

_WHY_LEFT = {"answers": "they may not be shared", "vectors": "another model gave them"}


def kind_of(record: Record) -> str:
    """Names the kind of a record, for people."""
    return _KINDS.get(type(record), "keys")


@dataclass(frozen=True)
class KindReport:
    """What became of the records of one kind.

    Args:
        found: How many there are at the source.
        moved: How many were stored, read again and found equal.
        there: How many were there already.
        kept: How many were left as they are at the target, because something newer or else is there.
        refused: How many were left behind: answers that may not be shared or cached, vectors of another model.
    """

    found: int = 0
    moved: int = 0
    there: int = 0
    kept: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Failure:
    """What could not be moved, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class MigrationReport:
    """Reports a migration, or with `dry_run` one that was not carried out.

    Args:
        source: The source's name.
        kinds: Kind of data -> what became of it.
        lost: What the records lack at the target -> how many of them.
        failed: What could not be moved.
        skipped: Units that an earlier run had done, by the file given as `resume`.
        dry_run: Whether nothing was written.
    """

    source: str
    kinds: Mapping[str, KindReport]
    lost: Mapping[str, int]
    failed: tuple[Failure, ...]
    skipped: int = 0
    dry_run: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything that was found is at the target now, or would be."""
        return not self.failed

    def __str__(self) -> str:
        done = "would be moved" if self.dry_run else "moved" if self.complete else "NOT wholly moved"
        lines = [f"{self.source}: {done}"]
        for kind, moved in self.kinds.items():
            parts = [f"{moved.found} found"]
            if not self.dry_run:
                parts += [f"{moved.moved} moved", f"{moved.there} were there"]
                parts += [f"{moved.kept} left as they are at the target"] if moved.kept else []
                parts += [f"{moved.refused} left behind: {_WHY_LEFT.get(kind)}"] if moved.refused else []
            lines.append(f"  {kind}: {', '.join(parts)}")
        if not self.kinds and not self.failed:
            lines.append("  nothing found: is it the right server, database and prefix?")
        lines += [f"  done before: {self.skipped}"] if self.skipped else []
        lines += [f"  lost ({count}): {why}" for why, count in self.lost.items()]
        lines += [f"  failed: {failure.name}: {failure.why}" for failure in self.failed]
        return "\n".join(lines)


@dataclass
class Tally:
    """Counts while a migration runs."""

    source: str
    dry_run: bool
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)
    failed: list[Failure] = field(default_factory=list)
    skipped: int = 0

    def found(self, record: Record) -> None:
        """Counts a record of the source."""
        if isinstance(record, Unreadable):
            self.failed.append(Failure(record.key, record.why))
            return
        self.counts.setdefault(kind_of(record), Counter())["found"] += 1
        self.lost.update(record.lost)

    def wrote(self, record: Record, outcome: str) -> None:
        """Counts what became of it: "moved", "there", "kept" or "refused"."""
        self.counts[kind_of(record)][outcome] += 1

    def report(self) -> MigrationReport:
        """Returns what was counted."""
        kinds = {kind: KindReport(**counts) for kind, counts in self.counts.items()}
        return MigrationReport(self.source, kinds, dict(self.lost), tuple(self.failed), self.skipped, self.dry_run)
