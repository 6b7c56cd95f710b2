"""Regular expressions that are compiled at their first use.

The rules for English have hundreds of them, which take longer to compile than all else that a process does before its
first turn; a turn needs a tenth of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, AnyStr, cast


class LazyPattern:
    """A regular expression that is compiled when something of it is asked for, by a text that may have it."""

    def __init__(self, pattern: str | bytes, flags: int, needs: Sequence[str] = ()) -> None:
        self.pattern: str | bytes = pattern
        self.needs = needs
        self._flags = flags

    def search(self, text: Any, *bounds: int) -> Any:
        """Searches a text; the compiled expression's own method takes this one's place."""
        return self.__getattr__("search")(text, *bounds) if self._may_be_in(text) else None

    def match(self, text: Any, *bounds: int) -> Any:
        """Matches a text's start, as `search` does."""
        return self.__getattr__("match")(text, *bounds) if self._may_be_in(text) else None

    def _may_be_in(self, text: Any) -> bool:
        return not self.needs or any(word in text for word in self.needs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, found)  # from now on it is found without this method
        return found


def lazy_pattern(pattern: AnyStr, flags: int = 0, needs: Sequence[str] = ()) -> re.Pattern[AnyStr]:
    """Makes a regular expression that is compiled at its first use, for a module's constants.

    Args:
        pattern: The expression; what is wrong in it is only found then.
        flags: As those of `re.compile`.
        needs: Of these one is in every match, in the same letters, so that a text without them needs no expression.
    """
    return cast("re.Pattern[AnyStr]", LazyPattern(pattern, flags, needs))
