"""`RedisConversationState`: the state of one conversation, read and changed at any time.

A record that is changed by compare-and-set (see `redis/cas_record.py`): `update` reads, changes and stores, and starts
again where another process was faster, so no update is lost. It lies under the conversation's hash tag, lives as long
as the conversation and is deleted with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError
from typing_extensions import Unpack

from langchain_redis_memory.checks import check_class, check_type
from langchain_redis_memory.errors import ConfigError, ConflictError, InvalidInputError
from langchain_redis_memory.ops import Flow, Op
from langchain_redis_memory.redis import cas_record
from langchain_redis_memory.redis.cas_record import CasRecord
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.ttl import FromSettings, Lifetime, lifetime, milliseconds
from langchain_redis_memory.state import state_record
from langchain_redis_memory.state.model import ConversationState

_log = logging.getLogger(__name__)


class RedisConversationState(ClientOwner):
    """Keeps the state of one conversation: entities, topic, depth, last search, counts, language, fields of your own.

    `ConversationMemory` keeps it up to date with every turn; this class reads and changes it at any other time.

    Args:
        session_id: The conversation.
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        fields: A pydantic model of your own fields, each with a default; without it `fields` is a plain dict.
        ttl_s: Lifetime in seconds (or a `timedelta`) while the conversation has no messages; then it lives as long as
            they do. None for no expiry. By default the settings' `history_ttl_s`.
        tenant: Whose data it is.
        agent: Which agent's conversation it is.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: An id is not acceptable.
        InvalidInputError: The lifetime is not positive.
        ConfigError: The URL cannot work, or a field of the model has no default.

    Example:
        ```python
        class Order(BaseModel):
            number: str | None = None

        state = RedisConversationState("user-42", client, fields=Order)
        state.set(number="A-17")
        state.load().fields.number
        ```

    **Keys:** `state` of the conversation (`meta` is read).
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        session_id: Id,
        client: ClientLike = None,
        *,
        fields: type[BaseModel] | None = None,
        ttl_s: Lifetime | FromSettings = "settings",
        tenant: Id = "",
        agent: Id = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        if fields is not None:
            check_class(fields, BaseModel, "fields", "a pydantic model", ConfigError)
            if bare := [name for name, field in fields.model_fields.items() if field.is_required()]:
                msg = f"every field of {fields.__name__} needs a default, for a conversation without a state: {bare}"
                raise ConfigError(msg)
        self._client = connect(client, owner=type(self), **server)
        self._keys = self._client.keys(tenant).session(session_id, agent)
        self._ttl_ms = milliseconds(lifetime(ttl_s, self._client.settings.history_ttl_s))
        self._model = fields

    def load(self) -> ConversationState:
        """Reads the state.

        Returns:
            The state; an empty one where there is none, or where what is stored cannot be read (that is logged).

        Raises:
            WrongKeyTypeError: The key holds another kind of value.
            UnavailableError: The server cannot be reached.

        **Keys:** `state`.
        **Trips:** 1.
        """
        return self._client.run(self._read())

    async def aload(self) -> ConversationState:
        """Reads the state; see `load`."""
        return await self._client.arun(self._read())

    def save(self, state: ConversationState) -> None:
        """Stores a state in the place of the version that it was made from (by `dataclasses.replace` of a loaded one).

        Args:
            state: The state.

        Raises:
            ConflictError: Somebody else changed it meanwhile; nothing was stored. `update` tries again by itself.
            UnserialisableError: A field holds a value that cannot be stored; nothing was sent.
            InvalidInputError: The fields are not the model's; nothing was sent.
            OutOfMemoryError: The server refused the write.

        **Keys:** `state`, `meta`.
        **Trips:** 1.
        """
        self._client.run(self._write(state))

    async def asave(self, state: ConversationState) -> None:
        """Stores a state in the place of the version that it was made from; see `save`."""
        await self._client.arun(self._write(state))

    def update(self, change: Callable[[ConversationState], ConversationState]) -> ConversationState:
        """Changes the state without losing anybody else's change.

        Args:
            change: From the state to the new one; called again where somebody else was faster, so it must only
                compute.

        Returns:
            The new state.

        Raises:
            ConflictError: Others were faster each time; nothing was changed.
            UnserialisableError: A field holds a value that cannot be stored; nothing was changed.
            InvalidInputError: `change` returned something else, or fields that are not the model's.

        **Keys:** `state`, `meta`.
        **Trips:** 2, and one for each time that somebody else was faster.
        """
        return self._client.drive(self._update_flow(change))

    async def aupdate(self, change: Callable[[ConversationState], ConversationState]) -> ConversationState:
        """Changes the state without losing anybody else's change; see `update`."""
        return await self._client.adrive(self._update_flow(change))

    def set(self, **fields: Any) -> ConversationState:
        """Sets fields of your own and leaves the others as they are.

        Args:
            **fields: Their values.

        Returns:
            The new state.

        Raises:
            InvalidInputError: The model does not take a value, or has no such field.
            UnserialisableError: A value cannot be stored.
            ConflictError: Others were faster each time; nothing was changed.

        **Keys:** `state`, `meta`.
        **Trips:** 2, and one for each time that somebody else was faster.
        """
        return self._client.drive(self._update_flow(self._setting(fields)))

    async def aset(self, **fields: Any) -> ConversationState:
        """Sets fields of your own; see `set`."""
        return await self._client.adrive(self._update_flow(self._setting(fields)))

    def delete(self) -> bool:
        """Deletes the state; the conversation stays.

        Returns:
            Whether there was one.

        **Keys:** `state`.
        **Trips:** 1.
        """
        return self._client.run(cas_record.drop(self._keys.state, state_record.FIELD))

    async def adelete(self) -> bool:
        """Deletes the state; see `delete`."""
        return await self._client.arun(cas_record.drop(self._keys.state, state_record.FIELD))

    # --- in between ---------------------------------------------------------------------------------------------------

    def _read(self) -> Op[ConversationState]:
        return state_record.read(self._keys).map(self._typed)

    def _typed(self, state: ConversationState) -> ConversationState:
        """The state with fields of the model; what the model does not take counts as absent."""
        if self._model is None:
            return state
        try:
            fields = self._model.model_validate(state.fields)
        except ValidationError as error:
            _log.warning("the fields of %r do not fit %s: %s", self._keys.state, self._model.__name__, error.title)
            fields = self._model()
        return replace(state, fields=fields)

    def _plain(self, state: ConversationState) -> ConversationState:
        fields = check_type(state, ConversationState, "a state", "a ConversationState").fields
        if self._model is not None:
            try:
                checked = self._model.model_validate(fields)
                fields = self._model.model_validate(checked.model_dump()).model_dump()
            except ValidationError as error:
                msg = f"the fields do not fit {self._model.__name__}: {error.errors(include_input=False)}"
                raise InvalidInputError(msg) from None
        name = type(fields).__name__
        check_type(fields, Mapping, "fields", f"a dict, unless their model is named (fields={name})")
        return replace(state, fields=dict(fields))

    def _write(self, state: ConversationState) -> Op[None]:
        def check(stands: bool) -> None:
            if not stands:
                msg = f"{self._keys.state!r} was changed since it was read; load it again, or use update()"
                raise ConflictError(msg)

        return state_record.write(self._keys, self._plain(state), self._ttl_ms).map(check)

    def _update_flow(self, change: Callable[[ConversationState], ConversationState]) -> Flow[ConversationState]:
        made = ConversationState()

        def body(record: CasRecord) -> bytes:
            nonlocal made
            made = self._plain(change(self._typed(state_record.decode(record, self._keys.state))))
            return state_record.encode(made)

        version = yield from cas_record.revise_flow(
            self._keys.state, self._keys.meta, state_record.FIELD, body, self._ttl_ms
        )
        return self._typed(replace(made, version=version))

    def _setting(self, values: Mapping[str, Any]) -> Callable[[ConversationState], ConversationState]:
        if self._model is not None and (unknown := sorted(set(values) - set(self._model.model_fields))):
            raise InvalidInputError(f"{self._model.__name__} has no fields {unknown}")

        def change(state: ConversationState) -> ConversationState:
            fields = state.fields.model_dump() if isinstance(state.fields, BaseModel) else state.fields
            return replace(state, fields={**fields, **values})

        return change
