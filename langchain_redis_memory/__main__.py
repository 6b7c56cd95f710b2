"""`python -m langchain_redis_memory` and the `langchain-redis-memory` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; without its extra, say how to install it and exit with status 2."""
    try:
        from langchain_redis_memory.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.stderr.write("the command line needs typer and rich: pip install 'langchain-redis-memory[cli]'\n")
        raise SystemExit(2) from None
    app()


if __name__ == "__main__":
    main()
