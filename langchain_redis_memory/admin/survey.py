"""What there is to look at, by the names of the keys: tenants, agents, users, caches, limits.

No list of tenants or of users is kept anywhere, so the names of keys are read with SCAN, a bounded number of them, and
remembered for a few requests. Nothing is decided by what is found: it only fills lists of links.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis.key_parts import KeyParts, parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan

MOST_PAGES = 300
"""How many pages of about 1,000 keys of the server are looked at."""


@dataclass
class TenantSurvey:
    """The names of one tenant's data.

    Args:
        kinds: Kind of key -> how many there are.
        agents: The agents with conversations.
        users: The users of whom something is kept.
        caches: Caches with statistics: what for, and their names.
        logs: Names of decision logs; "" is that of conversations' turns.
        epochs: Corpora with an epoch: the corpus and what for.
        values: Names of value caches.
        limited: Who is limited, and by which limit.
        complete: Whether all keys of the server were looked at.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    agents: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    caches: set[tuple[str, str]] = field(default_factory=set)
    logs: set[str] = field(default_factory=set)
    epochs: set[tuple[str, str]] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    limited: set[tuple[str, str]] = field(default_factory=set)
    complete: bool = True

    def note(self, key: KeyParts) -> None:
        """Notes a key."""
        self.kinds[key.kind] += 1
        match key.kind:
            case "sessions":
                self.agents.add(key.agent)
            case "user_data" | "profile":
                self.users.add(key.name)
            case "tally":
                self.caches.add((key.agent, key.name))
            case "decisions":
                self.logs.add(key.name)
            case "epoch":
                self.epochs.add((key.name, key.more))
            case "values":
                self.values.add(key.name.partition("/")[2])
            case "rate":
                self.limited.add((key.name, key.more))


@dataclass(frozen=True)
class Survey:
    """The tenants of a server and the names of their data, as the names of so many keys tell: all, if complete."""

    tenants: Mapping[str, TenantSurvey]
    keys: int
    complete: bool


def survey_flow(space: KeySpace, pattern: str, most: int = MOST_PAGES) -> Flow[Survey]:
    """Reads the names of keys that fit a pattern of SCAN, `most` so many pages.

    **Keys:** the names of all.
    **Trips:** 1, and 1 for each 1,000 keys of the server.
    """
    scan, tenants, seen = KeyScan(space, pattern), defaultdict[str, TenantSurvey](TenantSurvey), set[str]()
    pages = 0
    while not scan.ended and pages < most:
        pages += 1
        for name in (yield from scan.page_flow()):
            parts = parse_key(name, space.prefix)
            if parts is not None and name not in seen:
                tenants[parts.tenant].note(parts)
            seen.add(name)
    for survey in tenants.values():
        survey.complete = scan.ended
    return Survey(dict(sorted(tenants.items())), len(seen), scan.ended)
