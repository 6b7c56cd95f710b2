"""Serialisers: the allow-list, encryption, custom ones, compression; and bytes made to be executed."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any, TypedDict

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import (
    EXT_CONSTRUCTOR_KW_ARGS,
    EXT_CONSTRUCTOR_POS_ARGS,
    EXT_CONSTRUCTOR_SINGLE_ARG,
    EXT_METHOD_SINGLE_ARG,
    EXT_PYDANTIC_V2,
    JsonPlusSerializer,
)
from langgraph.graph import START, StateGraph
from pydantic import BaseModel

from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.errors import CorruptDataError, RedisMemoryError, UnserialisableError
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support import servers
from tests.support.raw import raw
from tests.support.saves import TTL_S, chain, checkpoint, hashed, listed, loop, place, size, tidy
from tests.support.servers import Farm


@pytest.fixture(params=servers.TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """Two kinds of server: what is tested here does not depend on them."""
    return url_of(request.param, farm)


@dataclasses.dataclass
class Order:
    number: int
    note: str


class Model(BaseModel):
    name: str


class Ordered(TypedDict, total=False):
    order: Order
    model: Model


NAMES = [(__name__, "Order"), (__name__, "Model")]
SECRET = "the secret of the pyramids"


def state(order: Any = None) -> dict[str, Any]:
    return {"order": order, "messages": [HumanMessage(f"{i} {SECRET} " + "word " * 20, id=f"m{i}") for i in range(40)]}


async def stored(both: Both, saver: RedisSaver, value: Any, version: int = 1) -> Any:
    """A value as it comes back, as a channel, inside of a list and as a write."""
    values = {"a": value, "b": [value, "x" * 200]}
    config = await both(saver.put)(
        place(), checkpoint(values, dict.fromkeys(values, version)), loop(), dict.fromkeys(values, version)
    )
    await both(saver.put_writes)(config, [("c", value)], "task")
    found = await both(saver.get_tuple)(config)
    one = found.checkpoint["channel_values"]["a"]
    assert found.checkpoint["channel_values"]["b"] == [one, "x" * 200]
    assert found.pending_writes == [("task", "c", one)]
    return one


# --- the allow-list -------------------------------------------------------------------------------------


async def test_what_is_not_allowed_comes_back_as_plain_data(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    for version, thing in enumerate((Order(1, "x"), Model(name="x")), 1):
        found = await stored(both, saver, thing, version)
        assert type(found) is dict
        assert found in ({"number": 1, "note": "x"}, {"name": "x"})


async def test_nothing_is_imported_for_what_is_not_allowed(client: Client, both: Both, tmp_path: Path) -> None:
    (tmp_path / "imported_by_nobody.py").write_text(
        "import os\nos.environ['EXECUTED'] = '1'\nclass Thing(dict): pass\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        saver = RedisSaver(client, ttl_s=TTL_S)
        await both(saver.put)(
            place(), checkpoint({"a": 0, "m": [HumanMessage("x" * 99)] * 2}), loop(), {"a": 1, "m": 1}
        )
        key = client.keys().thread("t").blobs
        for code, *rest in (
            (EXT_CONSTRUCTOR_SINGLE_ARG, "x"),
            (EXT_CONSTRUCTOR_POS_ARGS, ["x"]),
            (EXT_CONSTRUCTOR_KW_ARGS, {"x": 1}),
            (EXT_METHOD_SINGLE_ARG, "x", "fromkeys"),
            (EXT_PYDANTIC_V2, {"x": 1}, "model_validate_json"),
        ):
            crafted = ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(["imported_by_nobody", "Thing", *rest])))
            element = next(field for field in hashed(client, key) if field[:1] == b"e")
            raw(client, ("HSET", key, b"b\0a\0i1", b"+m" + crafted, element, b"m" + crafted))
            found = (await both(saver.get_tuple)(place())).checkpoint["channel_values"]
            assert isinstance(found["a"], dict | list | str | None)
            assert found["m"] == [found["a"]] * 2
    finally:
        sys.path.remove(str(tmp_path))
    assert "imported_by_nobody" not in sys.modules
    assert "EXECUTED" not in os.environ


class Executed:
    def __reduce__(self) -> Any:
        return os.putenv, ("EXECUTED", "1")


async def test_crafted_bytes_construct_nothing(client: Client, both: Both) -> None:
    constructor = {"lc": 2, "type": "constructor", "id": ["os", "putenv"], "args": ["EXECUTED", "1"], "kwargs": {}}
    saver = RedisSaver(client, ttl_s=TTL_S)
    await both(saver.put)(place(), checkpoint({"a": 0}), loop(), {"a": 1})
    key = client.keys().thread("t").blobs
    for crafted in (
        b"xpickle\0" + pickle.dumps(Executed()),
        b"xjson\0" + json.dumps(constructor).encode(),
        b"xjson\0" + json.dumps(constructor | {"method": "__call__"}).encode(),
        pickle.dumps(Executed()),
    ):
        raw(client, ("HSET", key, b"b\0a\0i1", b"+" + crafted))
        try:
            found = await both(saver.get_tuple)(place())
        except CorruptDataError:
            continue
        assert isinstance(found.checkpoint["channel_values"]["a"], dict | None)
    assert os.environ.get("EXECUTED") is None


@pytest.mark.parametrize(
    "look_alike",
    [
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain", "schema", "messages", "HumanMessage"],
            "kwargs": {"content": "x"},
        },
        {"lc": 2, "type": "constructor", "id": ["builtins", "set"], "args": [[1]]},
        {"lc": 1, "type": "not_implemented", "id": ["x"]},
        {"lc": 1, "type": "secret", "id": ["PATH"]},
        {"__send__": True, "node": "x", "arg": 1},
        {"type": "human", "data": {"content": "x"}},
        {"node": "x", "arg": {}},
        {"__interrupt__": [{"value": 1}]},
    ],
)
async def test_a_dict_stays_a_dict(real: Client, both: Both, look_alike: dict[str, Any]) -> None:
    found = await stored(both, RedisSaver(real, ttl_s=TTL_S), look_alike)
    assert found == look_alike
    assert type(found) is dict


async def test_with_allowlist(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    allowing = saver.with_allowlist(NAMES)
    assert type(allowing) is RedisSaver
    assert await stored(both, allowing, Order(1, "x")) == Order(1, "x")
    assert await stored(both, allowing, Model(name="x"), 2) == Model(name="x")
    assert (await both(saver.get_tuple)(place())).checkpoint["channel_values"]["a"] == {"name": "x"}
    assert saver.with_allowlist([]) is not None
    one = JsonPlusSerializer(allowed_msgpack_modules=NAMES[:1])
    found = await stored(both, RedisSaver(client, ttl_s=TTL_S, serde=one), [Order(1, "x"), Model(name="x")], 3)
    assert found == [Order(1, "x"), {"name": "x"}]


async def test_what_no_serde_takes_is_refused_before_anything_is_sent(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    for value in (object(), lambda: 1, {"a": [object()]}, ["x" * 99, object()]):
        told = r"^channel 'a': a value of type \w+ cannot be stored: .*\. Store plain data instead, or give a serde="
        with pytest.raises(UnserialisableError, match=told):
            await both(saver.put)(place(), checkpoint({"a": value}), loop(), {"a": 1})
        with pytest.raises(UnserialisableError, match=told):
            await both(saver.put_writes)(place(at="1"), [("a", value)], "task")
        with pytest.raises(UnserialisableError):
            await both(saver.put)(place(), checkpoint({}), loop(a=value), {})
    assert raw(client, ("EXISTS", *client.keys().thread("t").all(), *client.keys().threads())) == [0]


# --- other serialisers ----------------------------------------------------------------------------------


class Rot(CipherProtocol):
    """Different bytes each time, as a real cipher gives."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def _turned(self, data: bytes, nonce: bytes) -> bytes:
        pad = (self.key + nonce) * (len(data) // 20 + 1)
        return bytes(a ^ b for a, b in zip(data, pad, strict=False))

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        nonce = os.urandom(16)
        return "rot", nonce + self._turned(b"ok" + plaintext, nonce)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        plain = self._turned(ciphertext[16:], ciphertext[:16])
        if ciphername != "rot" or plain[:2] != b"ok":
            msg = "wrong key"
            raise ValueError(msg)
        return plain[2:]


@pytest.mark.parametrize("compress_from_bytes", [None, 1])
async def test_an_encrypting_serialiser(client: Client, both: Both, compress_from_bytes: int | None) -> None:
    serde = EncryptedSerializer(Rot(b"abcd"), JsonPlusSerializer(allowed_msgpack_modules=NAMES))
    saver = RedisSaver(client, ttl_s=TTL_S, serde=serde, compress_from_bytes=compress_from_bytes)
    configs = await chain(both, saver, [state(Order(i, SECRET)) for i in range(3)])
    await both(saver.put_writes)(configs[-1], [("order", SECRET)], "task")
    found = await both(saver.get_tuple)(place())
    assert found.checkpoint["channel_values"] == state(Order(2, SECRET))
    assert found.pending_writes == [("task", "order", SECRET)]
    keys = client.keys().thread("t")
    everything = b"".join(b"".join(hashed(client, key).values()) for key in (keys.checkpoints, keys.blobs, keys.writes))
    for word in (SECRET.encode(), b"HumanMessage", b"versions_seen", b"source"):
        assert word not in everything
    assert len((await both(saver.prune)(["t"])).checkpoints) == 2
    assert tidy(client)
    wrong = RedisSaver(client, serde=EncryptedSerializer(Rot(b"abce"), JsonPlusSerializer()))
    with pytest.raises(CorruptDataError, match="serde") as caught:
        await both(wrong.get_tuple)(place())
    assert SECRET not in str(caught.value)


async def test_an_encrypting_serialiser_with_an_allowlist(client: Client, both: Both) -> None:
    serde = EncryptedSerializer(Rot(b"abcd"), JsonPlusSerializer(allowed_msgpack_modules=None))
    saver = RedisSaver(client, ttl_s=TTL_S, serde=serde)
    assert await stored(both, saver, Order(1, "x")) == {"number": 1, "note": "x"}
    assert await stored(both, saver.with_allowlist(NAMES), Order(1, "x"), 2) == Order(1, "x")


class Json:
    """A serialiser of somebody's own."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        return "my json", json.dumps(obj).encode()

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        assert data[0] == "my json"
        return json.loads(data[1])


class Upper(JsonPlusSerializer):
    """A serialiser derived from LangGraph's."""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        found = super().loads_typed(data)
        return [*found, "seen"] if isinstance(found, list) and isinstance(found[0], HumanMessage) else found


async def test_a_serialiser_of_ones_own(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S, serde=Json())
    configs = await chain(both, saver, [{"a": ["x" * 200] * 3, "b": {"1": i}} for i in range(3)])
    found = await listed(both, saver, place())
    assert [one.checkpoint["channel_values"]["b"]["1"] for one in found] == [2, 1, 0]
    assert len(configs) == 3
    await both(saver.prune)(["t"])
    assert tidy(client)


async def test_a_serialiser_derived_from_langgraphs(client: Client, both: Both) -> None:
    seen = []
    saver = RedisSaver(client, ttl_s=TTL_S, serde=Upper())
    for kept, hue in ((saver, both), (InMemorySaver(serde=Upper()), Both(asynchronous=False))):
        await hue(kept.put)(place(), checkpoint({"m": state()["messages"], "a": [1]}), loop(), {"m": 1, "a": 1})
        seen.append((await hue(kept.get_tuple)(place())).checkpoint["channel_values"])
    assert seen[0] == seen[1]


async def test_a_pickling_serialiser_is_the_users_choice(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S, serde=JsonPlusSerializer(pickle_fallback=True))
    found = await stored(both, saver, {"a": complex(1, 2), "text": "y" * 100})
    assert found == {"a": complex(1, 2), "text": "y" * 100}
    with pytest.raises(CorruptDataError):
        await both(RedisSaver(client).get_tuple)(place())


# --- compression ------------------------------------------------------------------------------------------


async def test_compression_makes_smaller_and_is_read_by_anybody(client: Client, both: Both) -> None:
    sizes = []
    for compress in (None, 512, 1):
        saver = RedisSaver(client, ttl_s=TTL_S, compress_from_bytes=compress)
        await both(saver.delete_thread)("t")
        await chain(both, saver, [state() | {"text": "word " * 2000, "small": "x"}])
        sizes.append(size(client))
        for reads in (None, 1):
            found = await both(RedisSaver(client, compress_from_bytes=reads).get_tuple)(place())
            assert found.checkpoint["channel_values"] == state() | {"text": "word " * 2000, "small": "x"}
    assert sizes[0] > 1.5 * sizes[1]
    assert sizes[1] > 1.3 * sizes[2], "messages of this size are worth it"


def test_deflating_does_not_make_longer() -> None:
    blobs = Blobs(JsonPlusSerializer(), 1)
    values: list[Any] = [os.urandom(1000), b"", b"a", "", [], None]
    for value in values:
        assert len(blobs.pack(value)) <= len(JsonPlusSerializer().dumps_typed(value)[1]) + 1
        assert blobs.unpack(blobs.pack(value)) == value


def test_an_error_names_no_content() -> None:
    with pytest.raises(RedisMemoryError) as caught:
        Blobs(JsonPlusSerializer()).pack(AIMessage(SECRET, additional_kwargs={"x": object()}))
    assert SECRET not in str(caught.value)


async def test_langgraph_allows_the_classes_that_a_graphs_state_names(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    strictness = pytest.importorskip("langgraph._internal._serde")
    monkeypatch.setattr(strictness, "STRICT_MSGPACK_ENABLED", True)  # LANGGRAPH_STRICT_MSGPACK=true, read on import
    built = StateGraph(Ordered).add_node("make", lambda _: {"order": Order(1, "x"), "model": Model(name="y")})
    app = built.add_edge(START, "make").compile(checkpointer=RedisSaver(client, ttl_s=TTL_S))
    await both(app.invoke)({}, place())
    assert app.get_state(place()).values == {"order": Order(1, "x"), "model": Model(name="y")}
