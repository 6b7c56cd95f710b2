"""What a connection says to a server before its first command: its protocol, and who it is.

`CLIENT LIST` shows this package beside redis-py, so that an operator sees who holds a connection. It also saves a file:
redis-py that is told no name reads its own version from disk for each connection that it opens, for a millisecond.
Reading ours there would take longer than all else of opening a client.

redis-py's maintenance notifications are left out. Redis itself refuses that command, so each new connection would pay
a round trip and a call of `logging` for it; trips that fail are made again here anyway.
"""

from __future__ import annotations

from functools import cache
from inspect import signature
from typing import Any

from langchain_redis_memory.version import __version__

_NAME = "langchain-redis-memory"
_MAINTENANCE = "maint_notifications_config"


@cache
def handshake(*, asynchronous: bool) -> dict[str, Any]:
    """Builds the arguments by which a redis-py connection introduces itself; a release takes those that it knows."""
    return {**_library(), **_no_maintenance(asynchronous)}


def _library() -> dict[str, Any]:
    import redis

    try:
        from redis.driver_info import DriverInfo
    except ImportError:  # before redis-py 7.2
        return {"lib_name": f"redis-py({_NAME}_v{__version__})", "lib_version": redis.__version__}
    return {"driver_info": DriverInfo(lib_version=redis.__version__).add_upstream_driver(_NAME, __version__)}


def _no_maintenance(asynchronous: bool) -> dict[str, Any]:
    if asynchronous:
        from redis.asyncio.connection import AbstractConnection as Kind
    else:
        from redis.connection import AbstractConnection as Kind  # type: ignore[assignment]
    if _MAINTENANCE not in signature(Kind).parameters:  # before redis-py 7; of async connections before 8
        return {}
    from redis.maint_notifications import MaintNotificationsConfig

    return {_MAINTENANCE: MaintNotificationsConfig(enabled=False)}
