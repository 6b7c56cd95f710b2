"""Middleware for LangChain's `create_agent`: the law of sharing, memory and limits inside an agent (extra `agents`)."""

from langchain_redis_memory.extras import missing

try:
    import langchain.agents.middleware  # noqa: F401 - is it there?
except ImportError as _error:
    raise missing("middleware for create_agent needs langchain 1.2 or newer", "agents") from _error
