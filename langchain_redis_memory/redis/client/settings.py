"""Settings from the environment: what is not given as an argument comes from them.

`REDIS_URL`, or `REDIS_HOST`, `REDIS_PORT`, `REDIS_DB`, `REDIS_USERNAME`, `REDIS_PASSWORD`, `REDIS_SSL` say where the
server is; `REDIS_ENABLED=false` turns to `memory://`. A URL or a client that is given takes the place of all these.
`REDIS_MEMORY_*` names the rest, and counts wherever the server comes from. A client reads them once, when it is made.
The password is a secret: no repr, log or error shows it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from langchain_redis_memory.errors import ConfigError

_log = logging.getLogger(__name__)


def _env(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class RedisMemorySettings(BaseModel):
    """Reads what a deployment sets by environment variables: the defaults of arguments that are not given.

    Each field is read from the environment variable of its alias, and can be given by that name or by its own. An
    empty variable counts as not set; "none" as a lifetime is no expiry. What cannot work is a `ConfigError`.
    """

    # Where nothing is set nothing is validated: most processes need no validator, which takes milliseconds to build.
    model_config: ClassVar[ConfigDict] = ConfigDict(
        populate_by_name=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    enabled: bool = Field(
        default=True, validation_alias=_env("REDIS_ENABLED"), description="False: everything in memory://"
    )
    redis_url: SecretStr | None = Field(
        default=None, validation_alias=_env("REDIS_URL"), description="Wins over host and port"
    )
    host: str = Field(default="localhost", validation_alias=_env("REDIS_HOST"))
    port: int = Field(default=6379, ge=1, le=65535, validation_alias=_env("REDIS_PORT"))
    db: int = Field(default=0, ge=0, validation_alias=_env("REDIS_DB"))
    username: str | None = Field(default=None, validation_alias=_env("REDIS_USERNAME"))
    password: SecretStr | None = Field(default=None, validation_alias=_env("REDIS_PASSWORD"))
    ssl: bool = Field(default=False, validation_alias=_env("REDIS_SSL"), description="TLS, when host and port are used")
    prefix: str = Field(default="lrm", validation_alias=_env("REDIS_MEMORY_PREFIX"))
    max_connections: int = Field(
        default=50, ge=1, validation_alias=_env("REDIS_MEMORY_MAX_CONNECTIONS", "REDIS_POOL_SIZE")
    )
    connect_timeout_s: float = Field(default=5.0, gt=0, validation_alias=_env("REDIS_MEMORY_CONNECT_TIMEOUT_S"))
    timeout_s: float = Field(default=5.0, gt=0, validation_alias=_env("REDIS_MEMORY_TIMEOUT_S"))
    retries: int = Field(default=3, ge=0, validation_alias=_env("REDIS_MEMORY_RETRIES"))
    history_ttl_s: int | None = Field(
        default=604_800,
        ge=1,
        validation_alias=_env("REDIS_MEMORY_HISTORY_TTL_S"),
        description="Lifetime of a conversation: its messages, data and state",
    )
    answer_ttl_s: int | None = Field(
        default=43_200,
        ge=1,
        validation_alias=_env("REDIS_MEMORY_ANSWER_TTL_S"),
        description="Lifetime of a conversation's cached answer",
    )
    thread_ttl_s: int | None = Field(
        default=None,
        ge=1,
        validation_alias=_env("REDIS_MEMORY_THREAD_TTL_S"),
        description="Lifetime of a LangGraph thread",
    )

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            faults = "; ".join(f"{_named(fault['loc'][0])}: {fault['msg']}" for fault in error.errors() if fault["loc"])
            raise ConfigError(f"the settings cannot work: {faults or error.errors()[0]['msg']}") from None

    @model_validator(mode="before")
    @classmethod
    def _from_environment(cls, given: Any) -> Any:
        """Adds what the environment says of what is not given."""
        if not isinstance(given, Mapping):
            return given
        known = {name: _variables(name) for name in cls.model_fields}
        if unknown := given.keys() - {*known, *(one for names in known.values() for one in names)}:
            names = ", ".join(sorted(map(str, unknown)))
            raise ConfigError(f"no setting is named {names}; what a file sets, load into the environment first")
        variables = {name.upper(): value for name, value in os.environ.items() if value}
        found = {
            name: next((variables[one] for one in names if one in variables), None)
            for name, names in known.items()
            if given.keys().isdisjoint((name, *names))
        }
        return {**given, **{name: value for name, value in found.items() if value is not None}}

    @field_validator("port", mode="before")
    @classmethod
    def _port_of_a_link(cls, value: object) -> object:
        """Takes the port of `tcp://10.0.0.1:6379`, which Kubernetes sets for a service named redis."""
        return value.rpartition(":")[2] if isinstance(value, str) and value.startswith("tcp://") else value

    @field_validator("history_ttl_s", "answer_ttl_s", "thread_ttl_s", mode="before")
    @classmethod
    def _no_expiry(cls, value: object) -> object:
        return None if isinstance(value, str) and value.lower() == "none" else value

    def url(self) -> str:
        """Builds the URL to connect to, without the credentials of `credentials()`."""
        if not self.enabled:
            return "memory://"
        if self.redis_url is not None and self.redis_url.get_secret_value():
            return self.redis_url.get_secret_value()
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.ssl else 'redis'}://{host}:{self.port}/{self.db}"

    def credentials(self) -> dict[str, Any]:
        """Returns username and password for the connection, where they are not part of the URL."""
        if not self.enabled or (self.redis_url is not None and self.redis_url.get_secret_value()):
            return {}
        arguments: dict[str, Any] = {}
        if self.username is not None:
            arguments["username"] = self.username
        if self.password is not None:
            arguments["password"] = self.password.get_secret_value()
        return arguments


_NO_SETTINGS = tuple(
    f"REDIS_MEMORY_{name}" for name in ("ACL_", "ADMIN_", "HIT_RATE_TARGETS", "MAX_INFLATED_MB", "PORT", "SERVICE_")
)
"""Variables that others read: the command line, the codec, and Kubernetes of a service named redis-memory."""
_LOCATION = ("enabled", "redis_url", "host", "port", "db", "username", "password", "ssl")


def read_settings(url: str | None = None, **given: Any) -> RedisMemorySettings:
    """Reads the environment's settings; fields that are `given` and not None replace them, unchecked.

    With a `url`, which is "" for a client of redis-py, what the environment says of its own server is not read. Raises
    `ConfigError`: a variable cannot be read; the message names it without its value.
    """
    update = {name: value for name, value in given.items() if value is not None}
    if url:
        update["redis_url"] = SecretStr(url)
    return _from(_environment(), without_server=url is not None).model_copy(update=update)


def _environment() -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in os.environ.items() if name.upper().startswith("REDIS_"))


@lru_cache(maxsize=8)  # to read an environment costs more than all else of making a client
def _from(environment: frozenset[tuple[str, str]], *, without_server: bool) -> RedisMemorySettings:
    """Reads the environment, which is an argument so that a changed one is read again."""
    if not environment:
        return RedisMemorySettings.model_construct()
    fields = RedisMemorySettings.model_fields
    known = {one for field in fields for one in _variables(field)}
    for name in sorted({name.upper() for name, _ in environment} - known):
        if name.startswith("REDIS_MEMORY_") and not name.startswith(_NO_SETTINGS):
            names = ", ".join(sorted(one for one in known if one.startswith("REDIS_MEMORY_")))
            _log.warning("%s is not a setting and is passed over; the settings are %s", name, names)
    return RedisMemorySettings(**{name: fields[name].default for name in _LOCATION} if without_server else {})


def _variables(field: str) -> list[str]:
    """The variables that a field is read from; the first that is set counts."""
    alias = RedisMemorySettings.model_fields[field].validation_alias
    return [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else []


def _named(name: object) -> str:
    """A field's variables, for an error: pydantic tells its name or only the first of them, whichever was set."""
    for field in RedisMemorySettings.model_fields:
        if name in (field, *(names := _variables(field))):
            return " or ".join(names)
    return str(name)
