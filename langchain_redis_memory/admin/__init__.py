"""The admin page and the JSON API of sessions, to mount in a FastAPI application (extra `admin`)."""

from langchain_redis_memory.extras import missing

try:
    import fastapi  # noqa: F401 - is it there?
    import jinja2  # noqa: F401 - and this?
except ImportError as _error:
    raise missing("the admin page needs fastapi and jinja2", "admin") from _error
