"""What is read in every turn: preferences and personalities, loaded once for all processes, stale when they change."""

import os

from langchain_redis_memory import Client, RedisValueCache

client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
preferences = RedisValueCache.preset("preferences", client, tenant="acme")  # 5 minutes
personalities = RedisValueCache.preset("personalities", client, tenant="acme")  # 24 hours, read near for 5 s
database = {"ana": "light"}
loads = 0


@preferences.cached(key="user:{user_id}", user="user_id", stale_s=3600)
def theme(user_id: str) -> str:
    """A slow read of the database."""
    global loads  # noqa: PLW0603
    loads += 1
    return database[user_id]


for _ in range(3):
    theme("ana")
print(f"before the change: {loads} loads, {theme('ana')}")
database["ana"] = "dark"
preferences.clear_user("ana")  # whatever is kept of her, in one round trip
changed = theme("ana")
print(f"after the change: {loads} loads, {changed}")

personalities.set("doctor", {"tone": "calm", "prompt": "You are a careful doctor."}, tags=["v1"])
print(personalities.get("doctor")["tone"], "- from this process, no round trip")
personalities.invalidate_tag("v1")
print("doctor is", personalities.get("doctor"))

with preferences.lock("rebuild") as lock:
    print("one process rebuilds, its number rises:", lock.fence > 0)
value, version = preferences.versioned("cart")
print("stored:", preferences.set_if("cart", [1], version), "- and not twice:", preferences.set_if("cart", [2], version))
preferences.invalidate("*")
