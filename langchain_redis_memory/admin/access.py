"""`Access`: who looks at the admin page, and what they may see and do.

It is what the application's own `auth` dependency returns. Nothing is allowed that it does not name: an `Access` with a
name alone reads counts, ids and reasons, no words of a user, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from langchain_redis_memory.errors import ConfigError

Role = Literal["view", "operate", "erase", "read_content"]

VIEW_ONLY: frozenset[Role] = frozenset({"view"})
"""What an `Access` may do that does not say more."""


@dataclass(frozen=True)
class Access:
    """Says what one person may see and do on the admin page.

    Args:
        name: Who it is, for the audit log.
        roles: "view" for the pages; "read_content" for words of users, answers and facts; "operate" for reports, edits,
            lifetimes, switches and pruning; "erase" for deleting what is kept of somebody.
        tenants: The tenants that are visible; None for all.

    Raises:
        ConfigError: There is no name, or a role does not exist.
    """

    name: str
    roles: Collection[Role] = VIEW_ONLY
    tenants: Collection[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ConfigError("an Access has a name: it is what the audit log says")
        wrong = isinstance(self.roles, str) or not isinstance(self.roles, Collection)
        if wrong or any(role not in get_args(Role) for role in self.roles):
            raise ConfigError(f"roles are {', '.join(get_args(Role))}, in a set; got {self.roles!r}")
        if isinstance(self.tenants, str) or not isinstance(self.tenants, Collection | None):
            raise ConfigError(f"tenants is a collection of tenants, as in {{'acme'}}, or None; got {self.tenants!r}")

    def may(self, role: Role) -> bool:
        """Returns whether it includes a role."""
        return role in self.roles

    def sees(self, tenant: str) -> bool:
        """Returns whether a tenant is visible."""
        return self.tenants is None or tenant in self.tenants
