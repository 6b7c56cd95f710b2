"""What a write moves between the server's scripts and what is stored: not what is there already, but what comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.redis.client import in_process_commands
from tests.conftest import Both
from tests.support.saves import TTL_S, checkpoint, loop, place

LARGE = "x" * 100_000


def weight(part: Any) -> int:
    """Bytes of what a command says or is told."""
    return sum(map(weight, part)) if isinstance(part, list | tuple) else len(part) if isinstance(part, bytes) else 0


class Moved:
    """Commands in this process' server, and the bytes of their words and replies."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commands = self.bytes = 0
        for name, (function, least, more) in list(in_process_commands._COMMANDS.items()):
            monkeypatch.setitem(in_process_commands._COMMANDS, name, (self._counting(function), least, more))

    def _counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(db: Any, *words: bytes) -> Any:
            reply = function(db, *words)
            self.commands += 1
            self.bytes += weight(words) + weight(reply)
            return reply

        return counted

    def take(self) -> tuple[int, int]:
        """Commands and bytes since the last question."""
        found = self.commands, self.bytes
        self.commands = self.bytes = 0
        return found


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Moved:
    return Moved(monkeypatch)


@pytest.fixture
def saver() -> RedisSaver:
    return RedisSaver(f"memory://{uuid4().hex}", ttl_s=TTL_S, compress_from_bytes=None)


async def test_what_a_task_writes_costs_the_same_however_many_wrote_before(
    saver: RedisSaver, both: Both, moved: Moved
) -> None:
    config = await both(saver.put)(place(), checkpoint({"a": 1}), loop(), {"a": 1})
    costs = []
    for number in range(300):
        moved.take()
        await both(saver.put_writes)(config, [("a", "v" * 50)], f"task {number:030}", f"~{number:05}")
        costs.append(moved.take())
    assert costs[2:] == [costs[2]] * 298
    found = (await both(saver.get_tuple)(config)).pending_writes
    assert [write[0] for write in found] == [f"task {number:030}" for number in range(300)]


async def test_what_another_task_wrote_is_not_read_for_each(saver: RedisSaver, both: Both, moved: Moved) -> None:
    config = await both(saver.put)(place(), checkpoint({"a": 1}), loop(), {"a": 1})
    costs = []
    for number in range(4):
        moved.take()
        await both(saver.put_writes)(config, [("a", "v" if number else LARGE)], f"task {number}")
        costs.append(moved.take()[1])
    assert costs[0] > len(LARGE)
    assert costs[1] > len(LARGE), "whose name is read from what it wrote, once"
    assert max(costs[2:]) < 2_000


async def test_a_put_moves_what_is_new(saver: RedisSaver, both: Both, moved: Moved) -> None:
    values: dict[str, Any] = {"a": LARGE, "b": LARGE, "c": [{"text": "d" * 80}], "n": 0}
    config = await both(saver.put)(place(), checkpoint(values), loop(), dict.fromkeys(values, 1))
    for number in range(1, 4):
        versions = {**dict.fromkeys(values, 1), "n": number + 1}
        moved.take()
        config = await both(saver.put)(
            config, checkpoint({**values, "n": number}, versions), loop(number), {"n": number + 1}
        )
        assert moved.take()[1] < 5_000
    assert (await both(saver.get_tuple)(config)).checkpoint["channel_values"] == {**values, "n": 3}
