"""The envelope of cached values: what went in comes out, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.redis.codec.envelope import seal, unseal
from tests.support.envelopes import envelope


def test_golden_bytes() -> None:
    golden = b"\x01\x11iC6^m\x0f\x03|hello"
    assert seal(b"hello") == golden
    assert unseal(golden, "k") == b"hello"


@given(st.binary(max_size=400), st.sampled_from([None, 0, 128]))
def test_what_went_in_comes_out(data: bytes, deflate_from: int | None) -> None:
    assert unseal(seal(data, deflate_from=deflate_from), "k") == data


def test_what_gets_shorter_is_deflated() -> None:
    data = b"the same words " * 40
    assert len(seal(data, deflate_from=128)) < len(data) < len(seal(data))
    assert seal(data, deflate_from=len(data) + 1) == seal(data)


@given(st.binary(max_size=200), st.data())
def test_a_changed_byte_is_noticed(data: bytes, draw: Any) -> None:
    stored = bytearray(seal(data, deflate_from=100))
    stored[draw.draw(st.integers(0, len(stored) - 1))] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(CorruptDataError, match="'k'"):
        unseal(bytes(stored), "k")


FOREIGN = [b"", b"\x01", b"|hello", seal(b"")[:-1], b"\x02" + seal(b"a")[1:]]


@pytest.mark.parametrize("foreign", [*FOREIGN, *map(envelope, [b"", b"?a", b"~", b"~\x00\xff"])])
def test_what_is_no_envelope(foreign: bytes) -> None:
    with pytest.raises(CorruptDataError, match="'k'"):
        unseal(foreign, "k")
