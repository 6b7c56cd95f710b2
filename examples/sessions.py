"""Which conversations are there? An index for each agent, pages, and erasing everything that is stored of one."""

import os

from langchain_redis_memory import Client, RedisChatMessageHistory, RedisSessions

client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
for number in range(5):
    history = RedisChatMessageHistory(f"user-{number}", client, tenant="acme", agent="support", ttl_s=600)
    history.add_turn("Hello", f"Hello, user {number}")

sessions = RedisSessions(client, tenant="acme")
cursor = None
while True:
    page = sessions.list_sessions("support", limit=2, cursor=cursor)
    for session in page.sessions:
        print(
            f"{session.session_id}: {session.messages} messages, {session.turns} turns, {session.ttl_s:.0f} s to live"
        )
    cursor = page.cursor
    if cursor is None:
        break

print("erased:", sessions.erase("user-3", agent="support"))
print("another tenant sees:", RedisSessions(client, tenant="globex").list_sessions("support").sessions)
print("cleared:", sessions.clear_agent("support"))
