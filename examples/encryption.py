"""Encryption at rest: one argument for every class; a moved value is refused, and a user's key can be shredded."""

import os

from langchain_core.messages import HumanMessage

from langchain_redis_memory import (
    Cipher,
    Client,
    KeyRing,
    RedisChatMessageHistory,
    RedisWrappedKeys,
    UnknownKeyError,
    WrappedKeyRing,
    acl_line,
)
from langchain_redis_memory.ops import Op

URL = os.environ.get("REDIS_URL", "memory://")
secret = KeyRing.new_secret()  # made once, and kept where your secrets are
client = Client.from_url(URL, prefix="lrm-example", cipher=Cipher(KeyRing({"2026-11": secret})))
history = RedisChatMessageHistory("user-42", client, tenant="acme", ttl_s=600)
history.add_messages([HumanMessage("My account number is 4711.")])
key = client.keys("acme").session("user-42").messages
(stored,) = client.run(Op((("LINDEX", key, 0),), list))
print("on the server:", b"4711" in stored, "- here:", history.messages[0].content)

# A key for each user, wrapped by a key management service; here one that turns bytes round.
keys = WrappedKeyRing(
    RedisWrappedKeys(Client.from_url(URL, prefix="lrm-example-keys")),
    wrap=lambda data: data[::-1],
    unwrap=lambda data: data[::-1],
)
by_user = Client.from_url(URL, prefix="lrm-example", cipher=Cipher(keys, owner=lambda tenant, user: user or tenant))
ana = RedisChatMessageHistory("ana", by_user, ttl_s=600)
ana.add_messages([HumanMessage("Forget me.")])
keys.shred("ana")
try:
    print(ana.messages)
except UnknownKeyError as error:
    print("shredded:", error)

print(acl_line("acme-app", RedisChatMessageHistory, tenant="acme")[:70], "...")
history.clear()
ana.clear()
