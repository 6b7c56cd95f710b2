"""Who may ask how much? Limits that all processes share: requests, tokens and places, settled by what calls used."""

import os

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from langchain_redis_memory import Client, Limit, RateLimitedError, RedisRateLimiter

client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
limiter = RedisRateLimiter(
    client,
    [Limit(3, "1h"), Limit(200, "1h", unit="tokens"), Limit(2, unit="concurrent")],
    key="user",
    reserve=50,  # tokens that a call takes until it is known what it used
    timeout_s=1,
)
answer = AIMessage("Hello!", usage_metadata={"input_tokens": 8, "output_tokens": 2, "total_tokens": 10})
model = GenericFakeChatModel(messages=iter([answer] * 9), rate_limiter=limiter, callbacks=[limiter.settler()])

for number in range(4):
    try:
        model.invoke("Hi", config={"metadata": {"user_id": "ana"}})
    except RateLimitedError as error:
        print(f"call {number + 1} of ana: {error}")

for user in ("ana", "ben"):
    requests, tokens, places = limiter.status(user)
    print(f"{user}: {tokens.remaining} of {tokens.limit.count} tokens left, {requests.remaining} requests")

with limiter.reserve("ben", tokens=120) as lease:  # around whatever else costs something
    lease.settle({"total_tokens": 30})
decision = limiter.check("ben", tokens=180)  # for an endpoint of your own
print(429 if not decision.allowed else 200, decision.headers())
for user in ("ana", "ben"):
    limiter.reset(user)
