"""Values and messages as bytes, and back. Messages register themselves as values when this package is imported."""

from langchain_redis_memory.redis.codec import messages as messages
