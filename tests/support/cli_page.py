"""Writes the commands of the command line into docs/cli.md, from the application itself."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from typer.main import get_command

from langchain_redis_memory.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
_MARK = "<!-- commands: written by tests/support/cli_page.py -->\n"
_PANELS = ["Look", "Change", "Set up", "Try"]


def _command(name: str, command: Any) -> str:
    help_text = inspect.cleandoc(command.help)
    about, _, example = help_text.rpartition("Example: ")
    lines = [f"### {name}", "", about.strip(), "", "```sh", example.strip(), "```", ""]
    rows = [row for parameter in command.params if (row := _row(parameter))]
    if rows:
        lines += ["| | | by default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    if parameter.name == "help":
        return ""
    argument = parameter.param_type_name == "argument"
    named = parameter.metavar or parameter.name.upper() if argument else ", ".join(parameter.opts)
    if not argument and not parameter.is_flag:
        named += f" {parameter.metavar or parameter.name.upper()}"
    default = "" if parameter.default in (None, "", False, ...) else f"{parameter.default}"
    if parameter.envvar:
        default = f"`{parameter.envvar}`"
    about = " ".join((parameter.help or "").split())
    return f"| `{named}` | {about} | {default} |".replace("MODULE|", "MODULE\\|").replace("  |", " |")


def commands() -> str:
    """All commands, by what they are for."""
    found: dict[str, list[str]] = {panel: [] for panel in _PANELS}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        found[command.rich_help_panel].append(_command(name, command))
    return "\n".join(f"## {panel}\n\n" + "\n".join(sorted(parts)) for panel, parts in found.items())


def with_commands(text: str) -> str:
    """The page with its commands as they are now."""
    before, mark, _ = text.partition(_MARK)
    assert mark, f"{PAGE} has no mark for the commands"
    return before + mark + "\n" + re.sub(r"KEY\|SESSION\|THREAD", "KEY, SESSION or THREAD", commands())


if __name__ == "__main__":
    PAGE.write_text(with_commands(PAGE.read_text("utf-8")), "utf-8")
