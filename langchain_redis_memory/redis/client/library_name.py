"""Names this package in the server's `CLIENT LIST`, beside redis-py.

An operator sees who holds a connection. It also saves a file: redis-py that is told no name reads its own version from
disk for each connection that it opens, which takes a millisecond.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_NAME = "langchain-redis-memory"


@cache
def library_name() -> dict[str, Any]:
    """Builds the arguments of a redis-py connection that say which library opens it."""
    import redis

    try:
        own = version(_NAME)
    except PackageNotFoundError:  # run from a checkout that is not installed
        own = "0"
    try:
        from redis.driver_info import DriverInfo
    except ImportError:  # before redis-py 7.2
        return {"lib_name": f"redis-py({_NAME}_v{own})", "lib_version": redis.__version__}
    return {"driver_info": DriverInfo(lib_version=redis.__version__).add_upstream_driver(_NAME, own)}
