"""`RedisAgentState`: what an agent knows across its conversations.

A record that is changed by compare-and-set (see `redis/cas_record.py`): `update` reads, changes and stores, and starts
again where another process was faster, so no update is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, cast

from pydantic import BaseModel, ValidationError
from typing_extensions import Never, TypeVar, Unpack

from langchain_redis_memory.checks import check_class
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis import cas_record
from langchain_redis_memory.redis.cas_record import CasRecord
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.codec.values import pack, unpack_raw
from langchain_redis_memory.redis.ttl import WEEK_S, milliseconds
from langchain_redis_memory.state import state_record

_log = logging.getLogger(__name__)

M = TypeVar("M", bound=BaseModel, default=Never)


class RedisAgentState(ClientOwner, Generic[M]):
    """Keeps the state of an agent across its conversations: plain data, or a pydantic model of your own.

    Args:
        agent: The agent; "" is the default one.
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        model: A pydantic model of the state; without it the state is a dict.
        ttl_s: Lifetime in seconds from the last write; None for no expiry.
        tenant: Whose data it is.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: An id is not acceptable.
        InvalidInputError: The lifetime is not positive.
        ConfigError: The URL cannot work, or the model is none.

    Example:
        ```python
        state = RedisAgentState("planner", client)
        state.update(lambda known: {**(known or {}), "runs": (known or {}).get("runs", 0) + 1})
        ```

    **Keys:** `agent_state`.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        agent: str,
        client: ClientLike = None,
        *,
        model: type[M] | None = None,
        ttl_s: float | None = WEEK_S,
        tenant: str = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        if model is not None:
            check_class(model, BaseModel, "model", "a pydantic model", ConfigError)
        self._client = connect(client, owner=type(self), **server)
        self._key = self._client.keys(tenant).agent_state(agent)
        self._ttl_ms = milliseconds(ttl_s)
        self._model = model

    def load(self) -> M | dict[str, Any] | None:
        """Reads the state.

        Returns:
            A dict or a model; None where there is none, or where what is stored cannot be read (that is logged).

        Raises:
            WrongKeyTypeError: The key holds another kind of value.
            UnavailableError: The server cannot be reached.

        **Keys:** `agent_state`.
        **Trips:** 1.
        """
        return self._client.run(cas_record.read(self._key, state_record.FIELD).map(self._decode))

    async def aload(self) -> M | dict[str, Any] | None:
        """Reads the state; see `load`."""
        return await self._client.arun(cas_record.read(self._key, state_record.FIELD).map(self._decode))

    def save(self, state: M | Mapping[str, Any]) -> None:
        """Stores a state in the place of whatever is there. Where others write too, `update` loses nothing.

        Args:
            state: A dict of plain data, or a model.

        Raises:
            InvalidInputError: It is something else, or does not fit the model; nothing was sent.
            UnserialisableError: It holds a value that cannot be stored; nothing was sent.
            ConflictError: Others wrote again and again meanwhile; nothing was stored.

        **Keys:** `agent_state`.
        **Trips:** 2, and one for each time that somebody else was faster.
        """
        body = self._encode(state)
        self._client.drive(
            cas_record.revise_flow(self._key, self._key, state_record.FIELD, lambda _record: body, self._ttl_ms)
        )

    async def asave(self, state: M | Mapping[str, Any]) -> None:
        """Stores a state in the place of whatever is there; see `save`."""
        body = self._encode(state)
        await self._client.adrive(
            cas_record.revise_flow(self._key, self._key, state_record.FIELD, lambda _record: body, self._ttl_ms)
        )

    def update(self, change: Callable[[M | dict[str, Any] | None], M | Mapping[str, Any]]) -> M | dict[str, Any]:
        """Changes the state without losing anybody else's change.

        Args:
            change: From the state (None where there is none) to the new one; called again where somebody else was
                faster, so it must only compute.

        Returns:
            The new state.

        Raises:
            ConflictError: Others were faster each time; nothing was changed.
            InvalidInputError: `change` returned something that cannot be a state.
            UnserialisableError: It holds a value that cannot be stored; nothing was changed.

        **Keys:** `agent_state`.
        **Trips:** 2, and one for each time that somebody else was faster.
        """
        return self._client.drive(self._update_flow(change))

    async def aupdate(self, change: Callable[[M | dict[str, Any] | None], M | Mapping[str, Any]]) -> M | dict[str, Any]:
        """Changes the state without losing anybody else's change; see `update`."""
        return await self._client.adrive(self._update_flow(change))

    def delete(self) -> bool:
        """Deletes the state.

        Returns:
            Whether there was one.

        **Keys:** `agent_state`.
        **Trips:** 1.
        """
        return self._client.run(cas_record.drop(self._key, state_record.FIELD))

    async def adelete(self) -> bool:
        """Deletes the state; see `delete`."""
        return await self._client.arun(cas_record.drop(self._key, state_record.FIELD))

    # --- in between ---------------------------------------------------------------------------------------------------

    def _decode(self, record: CasRecord) -> M | dict[str, Any] | None:
        if record.body is None:
            return None
        try:
            plain = unpack_raw(record.body)
            if type(plain) is not dict:
                raise TypeError(type(plain).__name__)
            return plain if self._model is None else self._model.model_validate(plain)
        except Exception as error:  # noqa: BLE001 - of many kinds, where the bytes are damaged
            _log.warning("the state under %r cannot be read and counts as absent: %s", self._key, type(error).__name__)
            return None

    def _encode(self, state: M | Mapping[str, Any]) -> bytes:
        if self._model is not None:
            try:
                state = self._model.model_validate(state).model_dump()
            except ValidationError as error:
                msg = f"the state does not fit {self._model.__name__}: {error.errors(include_input=False)}"
                raise InvalidInputError(msg) from None
        if not isinstance(state, Mapping):
            raise InvalidInputError(f"a state is a dict or a model, got {type(state).__name__}")
        return pack(dict(state), "the state")

    def _update_flow(
        self, change: Callable[[M | dict[str, Any] | None], M | Mapping[str, Any]]
    ) -> Flow[M | dict[str, Any]]:
        made = b""

        def body(record: CasRecord) -> bytes:
            nonlocal made
            made = self._encode(change(self._decode(record)))
            return made

        yield from cas_record.revise_flow(self._key, self._key, state_record.FIELD, body, self._ttl_ms)
        return cast("M | dict[str, Any]", self._decode(CasRecord(body=made)))
