"""The receipt of an erasure: what there was, of which kind, and what could not be erased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class KindReceipt:
    """What was erased of one kind of data.

    Args:
        names: Ids of the conversations, threads, ...
        keys: How many keys of the server they had to themselves.
        entries: How many entries they had in what holds others' data as well: cached answers and values. None in a dry
            run for answers, which are counted as they are deleted.
        bytes: Memory of these keys in bytes, as the server estimates it; 0 where it does not say.
        failed: Why some were not erased; empty where all were.
        shared: Ids of those that stay because they are somebody else's too.
    """

    names: tuple[str, ...] = ()
    keys: int = 0
    bytes: int = 0
    failed: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    entries: int | None = 0

    def __str__(self) -> str:
        named = f"{len(self.names)}, " if self.names or not self.keys else ""
        if self.entries == 0 or self.keys:
            return f"{named}{self.keys} keys, {self.bytes} bytes"
        return "counted when they are erased" if self.entries is None else f"{self.entries}"


@dataclass(frozen=True)
class Receipt:
    """Reports an erasure, or with `dry_run` one that was not carried out.

    Args:
        subject: Whose data, as "user 'ana' of tenant 'acme'".
        kinds: Kind of data -> what was erased of it.
        dry_run: Whether nothing was erased.
    """

    subject: str
    kinds: Mapping[str, KindReceipt]
    dry_run: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing failed; else the erasure can be repeated."""
        return not any(erased.failed for erased in self.kinds.values())

    @property
    def keys(self) -> int:
        """How many keys there were in all."""
        return sum(erased.keys for erased in self.kinds.values())

    def __str__(self) -> str:
        done = "would be erased" if self.dry_run else "erased" if self.complete else "NOT wholly erased"
        lines = [f"{self.subject}: {done}"]
        for kind, erased in self.kinds.items():
            lines.append(f"  {kind}: {erased}")
            if erased.shared:
                lines.append(f"    {len(erased.shared)} stay: they are somebody else's too")
            lines += [f"    failed: {why}" for why in erased.failed]
        return "\n".join(lines)
