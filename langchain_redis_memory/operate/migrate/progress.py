"""The file by which an interrupted migration goes on: the units that are done, a line each."""

from __future__ import annotations

from pathlib import Path

from langchain_redis_memory.errors import ConfigError

_HEAD = "langchain-redis-memory migration from "


class FinishedUnits:
    """The units that are done, remembered in a file, which names the source as well; None remembers nothing.

    Raises `ConfigError`: the file is of another migration, or no such file.
    """

    def __init__(self, path: Path | None, source: str) -> None:
        self._path = path
        self._units: set[str] = set()
        if path is None:
            return
        head = _HEAD + source
        if path.exists():
            first, *lines = path.read_text("utf-8").split("\n")
            if first != head:
                msg = f"{path} is not the file of a migration from {source}; give another one, or remove it"
                raise ConfigError(msg)
            self._units = set(lines[:-1])
            if lines and lines[-1]:  # an interrupted line is not done, and the next one is not to be its end
                path.write_text("\n".join((first, *lines[:-1], "")), "utf-8")
        else:
            path.write_text(head + "\n", "utf-8")

    def __contains__(self, unit: bytes) -> bool:
        return _line(unit) in self._units

    def add(self, unit: bytes) -> None:
        """Notes that a unit is done."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(unit) + "\n")


def _line(unit: bytes) -> str:
    return unit.decode("utf-8", "backslashreplace").replace("\\", "\\\\").replace("\n", "\\n")
