"""Regular expressions that are compiled at their first use.

The rules for English have hundreds of them, which take longer to compile than all else that a process does before its
first turn; a turn needs a tenth of them.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class LazyPattern:
    """A regular expression that is compiled when something of it is asked for."""

    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self.pattern: str | bytes = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, found)  # from now on it is found without this method
        return found


def lazy_pattern(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Makes a regular expression that is compiled at its first use, for a module's constants.

    Args:
        pattern: The expression; what is wrong in it is only found then.
        flags: As those of `re.compile`.
    """
    return cast("re.Pattern[AnyStr]", LazyPattern(pattern, flags))
