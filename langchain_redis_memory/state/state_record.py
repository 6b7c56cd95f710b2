"""The state of one conversation, as ops. It lies beside the messages, under the same hash tag, and lives as long.

A state that cannot be read (damaged, or somebody else's bytes) counts as absent and is logged. One that a newer version
of this package wrote is not touched: what turns contribute is noted beside it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from langchain_redis_memory.errors import ConflictError, UnserialisableError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis import cas_record
from langchain_redis_memory.redis.cas_record import CasRecord, Version
from langchain_redis_memory.redis.codec.values import pack, unpack_raw
from langchain_redis_memory.redis.key_groups import SessionKeys
from langchain_redis_memory.state.model import (
    SCHEMA,
    ConversationState,
    StateDelta,
    apply_delta,
    delta_from_plain,
    from_plain,
    plain,
    plain_delta,
)

_log = logging.getLogger(__name__)

FIELD = "state"
_NEWER = Version("0-newer")
"""Fits nothing that is stored: a state under this version is never written over another."""


def decode(record: CasRecord, where: str) -> ConversationState:
    """Decodes a state from what is stored, with the notes beside it taken into account."""
    state = ConversationState(version=record.version)
    if record.body is not None:
        try:
            schema, plain = unpack_raw(record.body)
            if type(schema) is int and schema > SCHEMA:
                _log.warning("the state under %r was written by a newer version of this package", where)
                return ConversationState(version=_NEWER)
            state = replace(from_plain(plain), version=record.version)
        except Exception as error:  # noqa: BLE001 - of many kinds, where the bytes are damaged
            _log.warning("the state under %r is damaged and counts as absent: %s", where, type(error).__name__)
    for note in record.notes:
        try:
            _token, deltas = unpack_raw(note)
            state = reduce(apply_delta, map(delta_from_plain, deltas), state)
        except Exception as error:  # noqa: BLE001
            _log.warning("a note beside the state under %r is damaged: %s", where, type(error).__name__)
    return state


def encode(state: ConversationState) -> bytes:
    """Encodes a state, whose `fields` are plain data, as it is stored.

    Raises `UnserialisableError`: a field holds a value that cannot be stored. Raises `ConflictError`: the stored state
    is a newer package's.
    """
    if state.version == _NEWER:
        raise ConflictError("the stored state was written by a newer version of this package: upgrade this process")
    try:
        checked = plain(from_plain(plain(state)))
    except (ValueError, TypeError, AttributeError) as error:
        raise UnserialisableError(f"the state cannot be stored: {error}") from None
    return _packed(checked)


def _packed(fields: Mapping[str, Any]) -> bytes:
    return pack([SCHEMA, fields], "the state")


def read(keys: SessionKeys) -> Op[ConversationState]:
    """Reads the state of a conversation. An op of one trip: the state, an empty one where there is none."""
    return cas_record.read(keys.state, FIELD).map(lambda record: decode(record, keys.state))


def write(keys: SessionKeys, state: ConversationState, ttl_ms: int) -> Op[bool]:
    """Stores a state in the place of the version that it was made from; `ttl_ms` counts while there is no conversation.

    An op of one trip: whether it stands; if not, somebody else changed the state meanwhile.
    """
    swapped = cas_record.swap(keys.state, keys.meta, FIELD, state.version, encode(state), ttl_ms)
    return swapped.map(lambda standing: isinstance(standing, Version))


def add_deltas(
    keys: SessionKeys,
    state: ConversationState | None,
    deltas: Sequence[StateDelta],
    ttl_ms: int,
    mark: bytes = b"",
    changed: ConversationState | None = None,
) -> Op[None]:
    """Adds what turns contribute. Nothing is lost: if the state was changed meanwhile or not read, they are noted.

    `ttl_ms` counts while there is no conversation; `mark` names deltas that may be sent again, so that none is noted
    twice. `changed` is the state after them, where that is known already.
    """
    version, body = _NEWER, b""
    if state is not None and state.version != _NEWER:
        version, body = state.version, _packed(plain(changed or reduce(apply_delta, deltas, state)))
    note = pack([mark or os.urandom(8), [plain_delta(delta) for delta in deltas]])
    return cas_record.swap(keys.state, keys.meta, FIELD, version, body, ttl_ms, note).map(lambda _standing: None)
