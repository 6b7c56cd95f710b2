"""`python -m langchain_redis_memory` and the `langchain-redis-memory` command."""

from __future__ import annotations


def main() -> None:
    """Runs the command line."""
    from langchain_redis_memory.cli.app import app

    app()


if __name__ == "__main__":
    main()
