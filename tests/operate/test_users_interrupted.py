"""An erasing that ends in the middle: whatever is left is found by the next one."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage

from langchain_redis_memory import RedisChatMessageHistory, RedisSaver, RedisUsers, UserProfile
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.saves import checkpoint, loop, place
from tests.support.scenario import everything

SECRET = b"xyzzy-4711"


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.slow
async def test_an_erasing_that_ended_in_the_middle_is_repeated(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data goes before its entry in the index of the user: an entry without data is harmless, data without is lost."""
    trips, left = 0, None
    while left is None:
        for name in ("one",):
            history = RedisChatMessageHistory(f"s{name}", client, ttl_s=60, user="ben")
            await both(history.add_messages)([HumanMessage(SECRET.decode())])
            saver = RedisSaver(client, ttl_s=60, owner="user_id")
            config = place(f"t{name}", user_id="ben")
            await both(saver.put)(config, checkpoint({"a": SECRET.decode()}, {"a": 1}), loop(0), {"a": 1})
        await both(UserProfile("ben", client, ttl_s=60).set)("city", SECRET.decode())
        with monkeypatch.context() as patch:
            _ends_after(trips, client, patch)
            try:
                left = await both(RedisUsers(client).erase)("ben")
            except Killed:
                trips += 1
        assert (await both(RedisUsers(client).erase)("ben")).complete
        found = everything(client)
        assert not [key for key, values in found.items() if SECRET in b"".join(values)], f"after {trips} trips"
        assert not await both(RedisUsers(client).data)("ben")
    assert trips > 4


def _ends_after(trips: int, client: Client, patch: pytest.MonkeyPatch) -> None:
    run, arun, made = client.run, client.arun, 0

    def count(op: Op[object]) -> None:
        nonlocal made
        made += bool(op.commands)
        if made > trips:
            raise Killed

    def runs(op: Op[object]) -> object:
        count(op)
        return run(op)

    async def aruns(op: Op[object]) -> object:
        count(op)
        return await arun(op)

    patch.setattr(client, "run", runs)
    patch.setattr(client, "arun", aruns)
