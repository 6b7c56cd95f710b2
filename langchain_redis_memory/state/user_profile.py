"""`UserProfile`: what is known of a user across conversations, told by the user or learned from what they say.

Nothing is learned unless it is asked for. What is learned rests on evidence, loses half of its weight with every
half-life, and never outweighs what was set explicitly. What was forgotten is not learned again unless it is set. The
whole profile is one record under one key, changed by compare-and-set; the time is the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from typing_extensions import Unpack

from langchain_redis_memory.checks import check_method, check_number, check_whole
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis import cas_record
from langchain_redis_memory.redis.cas_record import CasRecord
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.codec.values import pack
from langchain_redis_memory.redis.key_groups import Id, check_id
from langchain_redis_memory.redis.scripts import command, script
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds
from langchain_redis_memory.state import profile_model
from langchain_redis_memory.state.profile_extractors import (
    MANY,
    Extractor,
    Observation,
    RulesExtractor,
    observed,
    said_by_user,
)
from langchain_redis_memory.state.profile_model import LEARNED, ExplicitPreference, Fact, Profile, prompt

T = TypeVar("T")

FIELD = "profile"


class UserProfile(ClientOwner):
    """Keeps what is known of one user across conversations and agents.

    Args:
        user: The user's id.
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        tenant: Whose user it is; tenants never see each other's.
        ttl_s: Lifetime in seconds (or a `timedelta`) from the last change; None for no expiry.
        extractor: Sees what can be learned; `RulesExtractor` by default.
        half_life_s: After how many seconds what was learned has half of its weight.
        min_confidence: From which confidence on it is given.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: An id is not acceptable.
        InvalidInputError: A number is not acceptable.
        ConfigError: The URL or the extractor cannot work.

    Example:
        ```python
        profile = UserProfile("ana", client)
        profile.set("language", "de")
        profile.learn(history.turns(20))
        profile.as_prompt()
        ```

    **Keys:** `profile`.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        user: Id,
        client: ClientLike = None,
        *,
        tenant: Id = "",
        ttl_s: Lifetime = 7_776_000,
        extractor: Extractor | None = None,
        half_life_s: Lifetime = 2_592_000,
        min_confidence: float = 0.5,
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._key = self._client.keys(tenant).profile(user)
        self._ttl_ms = milliseconds(ttl_s)
        self._half_life_ms = milliseconds(half_life_s, "half_life_s")
        if not self._half_life_ms:
            raise InvalidInputError("half_life_s must be a positive number of seconds")
        if extractor is not None:
            check_method(extractor, "extract", "extractor", ConfigError)
        self._extractor: Extractor = extractor or RulesExtractor()
        self._least = check_number(min_confidence, "min_confidence", without=(0, 1))

    # --- setting and getting ------------------------------------------------------------------------------------------

    def set(self, key: str, value: Any, *, source: str = "user", ttl_s: Lifetime = None) -> None:
        """Sets a preference. It takes precedence over what is learned; a name that was forgotten may be learned again.

        Args:
            key: Its name; `topics`, `format`, `length` and `language` are those that are learned too.
            value: Plain data.
            source: Who said so.
            ttl_s: Its own lifetime in seconds; None for as long as the profile.

        Raises:
            InvalidIdError: The name or the source is not acceptable; nothing was sent.
            InvalidInputError: The lifetime is not positive (nothing was sent), or 200 preferences are set.
            UnserialisableError: The value cannot be stored; nothing was sent.
            ConflictError: Others changed the profile again and again meanwhile; nothing was changed.

        **Keys:** `profile`.
        **Trips:** 2, and one for each time that somebody else was faster.
        """
        self._client.drive(self._set_flow(key, value, source, ttl_s))

    async def aset(self, key: str, value: Any, *, source: str = "user", ttl_s: Lifetime = None) -> None:
        """Sets a preference; see `set`."""
        await self._client.adrive(self._set_flow(key, value, source, ttl_s))

    def get(self, key: str, default: Any = None) -> Any:
        """Reads what is known under a name: what was set, else what was learned with enough confidence.

        Args:
            key: The name.
            default: What to give where nothing is known.

        Returns:
            The value; of learned `topics` a list, the surest first.

        **Keys:** `profile`.
        **Trips:** 1.
        """
        return self._client.run(self._get(key, default))

    async def aget(self, key: str, default: Any = None) -> Any:
        """Reads what is known under a name; see `get`."""
        return await self._client.arun(self._get(key, default))

    def facts(self) -> list[Fact]:
        """Reads all that is known: what was set first, then what was learned, the surest first.

        Returns:
            With source, confidence, evidence and time.

        **Keys:** `profile`.
        **Trips:** 1.
        """
        return self._client.run(self._facts())

    async def afacts(self) -> list[Fact]:
        """Reads all that is known; see `facts`."""
        return await self._client.arun(self._facts())

    # --- learning and forgetting --------------------------------------------------------------------------------------

    def learn(self, turns: Any) -> list[Observation]:
        """Learns from what the user said.

        Args:
            turns: Texts, pairs (user, assistant) such as `RedisChatMessageHistory.turns` gives, or messages. Only the
                user's words are looked at.

        Returns:
            What was observed; what was forgotten before is left out.

        Raises:
            InvalidInputError: The turns are something else; nothing was sent.
            ConflictError: Others changed the profile again and again meanwhile; nothing was learned.

        **Keys:** `profile`.
        **Trips:** 2 (0 where nothing is observed), and one for each time that somebody else was faster.
        """
        return self._client.drive(self.learn_flow(turns))

    async def alearn(self, turns: Any) -> list[Observation]:
        """Learns from what the user said; see `learn`."""
        return await self._client.adrive(self.learn_flow(turns))

    def forget(self, key: str, value: str | None = None) -> bool:
        """Forgets what is known under a name. It is not learned again unless it is set.

        Args:
            key: The name.
            value: Only this value of what was learned, such as one topic; None for all.

        Returns:
            Whether anything was known.

        Raises:
            InvalidIdError: The name or the value is not acceptable; nothing was sent.
            ConflictError: Others changed the profile again and again meanwhile; nothing was changed.

        **Keys:** `profile`.
        **Trips:** 2, and one for each time that somebody else was faster.
        """
        return self._client.drive(self._forget_flow(key, value))

    async def aforget(self, key: str, value: str | None = None) -> bool:
        """Forgets what is known under a name; see `forget`."""
        return await self._client.adrive(self._forget_flow(key, value))

    def erase(self) -> bool:
        """Deletes the whole profile, what was forgotten included.

        Returns:
            Whether there was one.

        **Keys:** `profile`.
        **Trips:** 1.
        """
        return self._client.run(self._erase())

    async def aerase(self) -> bool:
        """Deletes the whole profile; see `erase`."""
        return await self._client.arun(self._erase())

    # --- giving out ---------------------------------------------------------------------------------------------------

    def export(self) -> dict[str, Any]:
        """Exports everything that is stored of the user, for the user to see.

        Returns:
            `set`, `learned` (with weights below the threshold as well) and `forgotten`, as plain data.

        **Keys:** `profile`.
        **Trips:** 1.
        """
        return self._client.run(self._export())

    async def aexport(self) -> dict[str, Any]:
        """Exports everything that is stored of the user; see `export`."""
        return await self._client.arun(self._export())

    def as_prompt(self, max_chars: int = 600) -> str:
        """Renders what is known as a short text for a system prompt. Values are quoted, as they come from users.

        Args:
            max_chars: Its greatest length; what does not fit is left out, the least sure first.

        Returns:
            The text; "" where nothing is known.

        Raises:
            InvalidInputError: `max_chars` is not positive; nothing was sent.

        **Keys:** `profile`.
        **Trips:** 1.
        """
        return self._client.run(self._prompt(max_chars))

    async def aas_prompt(self, max_chars: int = 600) -> str:
        """Renders what is known as a short text for a system prompt; see `as_prompt`."""
        return await self._client.arun(self._prompt(max_chars))

    # --- in between ---------------------------------------------------------------------------------------------------

    def _load(self) -> Op[tuple[CasRecord, int]]:
        now = Op((script("redis/records_time")((self._key,)),), lambda replies: int(float(replies[0]) * 1000))
        return merge(cas_record.read(self._key, FIELD), now)

    def _read(self, look: Callable[[Profile, int], T]) -> Op[T]:
        def decode(loaded: tuple[CasRecord, int]) -> T:
            record, now = loaded
            return look(profile_model.decode(record, self._key).expiry(now), now)

        return self._load().map(decode)

    def _change_flow(self, change: Callable[[Profile, int], T]) -> Flow[T]:
        """Changes the profile; gives what the change gave when it was stored."""
        read, now = yield from ask(self._load())
        result: list[T] = []

        def body(record: CasRecord) -> bytes:
            profile = profile_model.decode(record, self._key).expiry(now)
            result[:] = [change(profile, now)]
            return profile.encode()

        yield from cas_record.revise_flow(self._key, self._key, FIELD, body, self._ttl_ms, read)
        return result[0]

    def _set_flow(self, key: str, value: Any, source: str, ttl_s: Lifetime) -> Flow[None]:
        check_id(key, "key")
        if check_id(source, "source") == LEARNED:
            raise InvalidInputError(f"{LEARNED!r} is the source of what learn() sees; name another one")
        pack(value, f"the value of {key!r}")
        ttl_ms = milliseconds(ttl_s)
        yield from self._change_flow(
            lambda profile, now: profile.put(key, ExplicitPreference(value, source, now, now + ttl_ms if ttl_ms else 0))
        )

    def _facts(self) -> Op[list[Fact]]:
        return self._read(lambda profile, now: profile.facts(now, self._half_life_ms, self._least))

    def _get(self, key: str, default: Any) -> Op[Any]:
        check_id(key, "key")

        def pick(facts: list[Fact]) -> Any:
            known = [fact for fact in facts if fact.key == key]
            if not known:
                return default
            several = key == MANY and known[0].source == LEARNED
            return [fact.value for fact in known] if several else known[0].value

        return self._facts().map(pick)

    def learn_flow(self, turns: Any) -> Flow[list[Observation]]:
        """Learns as a flow, for a driver of `Client`; see `learn`."""
        seen = yield from observed(self._extractor, said_by_user(turns))
        if not seen:
            return []
        return (yield from self._change_flow(lambda profile, now: profile.learn(seen, now, self._half_life_ms)))

    def _forget_flow(self, key: str, value: str | None) -> Flow[bool]:
        check_id(key, "key")
        if value is not None:
            check_id(value, "value")
        return (yield from self._change_flow(lambda profile, _now: profile.forget(key, value)))

    def _erase(self) -> Op[bool]:
        return Op((command("UNLINK", (self._key,)),), lambda replies: bool(replies[0]))

    def _export(self) -> Op[dict[str, Any]]:
        return self._read(lambda profile, now: profile.export(now, self._half_life_ms))

    def _prompt(self, max_chars: int) -> Op[str]:
        check_whole(max_chars, "max_chars")
        return self._facts().map(lambda facts: prompt(facts, max_chars))
