"""Move conversations that an application wrote by hand to histories: a dry run, the move, and the move again."""

import json
import os

from langchain_redis_memory import Client, RedisChatMessageHistory, RedisMigration
from langchain_redis_memory.ops import Op

client = Client(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")

# What there was: a list for each session, a turn of JSON in each element.
turns = [{"user": "Do you deliver?", "assistant": "Yes."}, {"user": "On Sundays?", "assistant": "No."}]
old = "lrm-example:turns:ana"
for turn in turns:
    client.run(Op((("RPUSH", old, json.dumps(turn)), ("EXPIRE", old, 600)), lambda _replies: None))

migration = RedisMigration(client, "turn-lists", prefix="lrm-example:turns:")
print(migration.run(dry_run=True))
report = migration.run()
print(report)

# It can be repeated: what is there is not written again, and what was said since is added.
client.run(Op((("RPUSH", old, json.dumps({"user": "And on Mondays?", "assistant": "Yes."})),), lambda _replies: None))
print(migration.run())
history = RedisChatMessageHistory("ana", client)
print([message.content for message in history.messages], "seconds left:", (history.ttl() or 0) > 0)
