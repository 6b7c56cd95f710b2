"""Move what was written by hand, or by another package, to the classes of this one."""

import json

from _redis import URL

from langchain_redis_memory import Client, RedisChatMessageHistory, RedisMigration
from langchain_redis_memory.ops import Op
