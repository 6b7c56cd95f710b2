"""Parses a URL into the clients of redis-py, sync and async, for every topology.

`redis://`, `rediss://`, `unix://` and their `valkey` names are one server; `redis+cluster://a,b,c` a cluster;
`redis+sentinel://s1,s2/service/db` a master behind sentinels; `memory://name` a server inside this process, shared by
all who use the same name. A `+cluster` or `+sentinel` scheme takes TLS as `rediss+...`. Options of redis-py may follow
as a query (`?ssl_ca_certs=...`). Nothing here connects: a bad URL fails when it is parsed, a bad host when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from langchain_redis_memory.checks import check_positive, check_whole
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import missing
from langchain_redis_memory.frozen import Frozen, replace
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.redis.client.bounded_sockets import bounded
from langchain_redis_memory.redis.client.options import UNBOUNDED, Bounds, Options
from langchain_redis_memory.redis.client.transport import AsyncPipelineTransport, DirectTransport, PipelineTransport

if TYPE_CHECKING:
    from langchain_redis_memory.redis.client.slots import Node, Nodes

DEFAULT_URL = "redis://localhost:6379/0"

_SINGLE = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}
_SCHEMES = (
    "redis://, rediss://, unix://, valkey://, valkeys://, redis+cluster://, redis+sentinel:// "
    "(or rediss+...) and memory://"
)


TopologyKind = Literal["memory", "single", "cluster", "sentinel"]


class Topology(Frozen):
    """The place of the data, and how to open a client for it.

    Args:
        shown: The URL without credentials and options, for people.
        open: Makes a transport, with a sync client of redis-py.
        aopen: Makes an async one for the running event loop.
        routed: Whether a client that somebody lends routes commands by key.
        nodes: The nodes of a cluster that is opened here.
        bounds: What bounds its round trips; a client that somebody lends has bounds of its own.
        reads_replicas: Whether its transports have `read`, for what a replica may answer.
    """

    shown: str
    open: Callable[[], Any]
    aopen: Callable[[], Any]
    routed: bool = False
    nodes: Nodes | None = None
    bounds: Bounds = UNBOUNDED
    reads_replicas: bool = False

    @property
    def cluster(self) -> bool:
        """Whether commands are routed by key."""
        return self.routed or self.nodes is not None

    @property
    def kind(self) -> TopologyKind:
        """What kind it is; a master that a lent client found by sentinels counts as one server."""
        scheme = self.shown.partition("://")[0]
        if scheme == "memory":
            return "memory"
        return "cluster" if self.cluster else "sentinel" if scheme.endswith("+sentinel") else "single"


class RedisClient(Protocol):
    """A client of redis-py: `Redis`, `RedisCluster`, or one of `redis.asyncio`."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Sends a command."""


def is_async(client: RedisClient | str | None) -> bool:
    """Returns whether a client of redis-py is an async one."""
    return hasattr(client, "__aenter__")


def lent(redis: RedisClient | None, aredis: RedisClient | None) -> Topology:
    """Returns the topology of clients of redis-py that belong to the caller and are not closed here.

    A colour without a client is refused when it is used. Raises `ConfigError`: there is no client, or one has the
    other's colour.
    """
    if redis is None and aredis is None:
        raise ConfigError("give Client a URL, a redis or an aredis, or use Client.from_url(...)")
    for client, name, asynchronous in ((redis, "redis", False), (aredis, "aredis", True)):
        if client is not None and (not hasattr(client, "execute_command") or is_async(client) is not asynchronous):
            raise ConfigError(f"{name} must be {'an async' if asynchronous else 'a sync'} client of redis-py")

    def absent(name: str) -> Callable[[], Any]:
        def refuse() -> Any:
            msg = f"this Client was made without {name}; for sync and async calls give it a URL, or both"
            raise ConfigError(msg)

        return refuse

    return Topology(
        f"<{type(redis if redis is not None else aredis).__name__}>",
        (lambda: PipelineTransport(redis, lent=True)) if redis is not None else absent("redis"),
        (lambda: AsyncPipelineTransport(aredis, lent=True)) if aredis is not None else absent("aredis"),
        routed=any(hasattr(client, "keyslot") for client in (redis, aredis)),
    )


def topology(url: str, options: Options) -> Topology:
    """Parses a URL into the topology that it names; nothing is connected.

    Raises `ConfigError`: the URL or an option cannot work. The message never holds the URL's credentials.
    """
    if not isinstance(url, str) or "://" not in url:
        raise ConfigError(f"expected a URL such as {DEFAULT_URL}; known schemes are {_SCHEMES}")
    scheme, _, rest = url.partition("://")
    check_whole(options.max_connections, "max_connections", error=ConfigError)
    check_whole(options.retries, "retries", 0, error=ConfigError)
    for name in ("connect_timeout_s", "timeout_s"):
        check_positive(getattr(options, name), name, "number of seconds", ConfigError)
    if scheme == "memory":
        return replace(_memory(unquote(rest.split("?")[0].strip("/"))), bounds=options.bounds)
    base, _, kind = scheme.partition("+")
    replicas = options.read_from == "prefer_replica"
    if base in _SINGLE and not kind and replicas:
        raise ConfigError(
            "read_from='prefer_replica' needs a URL by which replicas are found: redis+cluster:// or redis+sentinel://"
        )
    if base in _SINGLE and not kind:
        return replace(_single(f"{_SINGLE[base]}://{rest}", options), bounds=options.bounds)
    if base in _SINGLE and base != "unix" and kind in {"cluster", "sentinel"}:
        made = (_cluster if kind == "cluster" else _sentinel)(_SINGLE[base], rest, options)
        return replace(made, bounds=options.bounds, reads_replicas=replicas)
    raise ConfigError(f"unknown scheme {scheme!r}; known are {_SCHEMES}")


_ESCAPE = "in a user name or password, / ? # @ : are written %2F %3F %23 %40 %3A"
_CANNOT_WORK = (
    "the connection options cannot work (max_connections, connect_timeout_s, timeout_s, retries, health_check_s, "
    "credentials and those of redis-py)"
)
_SERVERS: dict[str, Any] = {}
_SERVERS_LOCK = new_lock()


def _memory(name: str) -> Topology:
    if find_spec("fakeredis") is None or find_spec("lupa") is None:
        msg = "memory:// needs fakeredis and lupa"
        raise missing(msg, "memory")
    from langchain_redis_memory.redis.client.in_process import open_in_process, open_in_process_async

    def server() -> Any:
        from fakeredis import FakeServer

        with _SERVERS_LOCK:
            if name not in _SERVERS:
                _SERVERS[name] = FakeServer(version=(7,))
            return _SERVERS[name]

    return Topology(f"memory://{name}", lambda: open_in_process(server()), lambda: open_in_process_async(server()))


def _parse(url: str) -> dict[str, Any]:
    """Parses a URL as redis-py does, without its silent tolerance."""
    from redis.connection import parse_url

    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - the property validates
        fields: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call, unused-ignore]
    except ValueError as error:
        # Other texts may quote a piece of an unescaped password.
        why = str(error) if str(error).startswith("Invalid value for") else "its host or port cannot be read"
        raise ConfigError(f"the URL is malformed: {why}; {_ESCAPE}") from None
    path = unquote(parts.path).strip("/")
    if parts.fragment or (parts.scheme != "unix" and path and not path.isdigit()):
        raise ConfigError(f"the database in the URL must be a number, with nothing but options after it; {_ESCAPE}")
    if parts.scheme == "unix" and not fields.get("path"):
        raise ConfigError("a unix:// URL needs the path of the socket, as in unix:///run/redis.sock?db=0")
    return fields


def _names_checked(fields: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """Has the host's name in a certificate checked where certificates are: redis-py before 6 does so only when told."""
    from ssl import CERT_NONE

    given = [some.get("ssl_cert_reqs", "required") for some in (fields, options.extra)]
    return {} if any(one in {None, "none", CERT_NONE} for one in given) else {"ssl_check_hostname": True}


def _without_secrets(text: str, url: str) -> str:
    """Blanks out everything between `://` and the last `@` of the URL."""
    secret = url.partition("://")[2].rpartition("@")[0]
    for part in [secret, *secret.split(":", 1)]:
        if part:
            text = text.replace(part, "***")
    return text


def _shown(scheme: str, where: str) -> str:
    return f"{scheme}://{where}"


def _single(url: str, options: Options) -> Topology:
    import redis
    import redis.asyncio as aredis

    fields = _parse(url)
    arguments = {**fields, **options.connection(asynchronous=False)}
    tls = arguments.pop("connection_class", None) is redis.SSLConnection or url.startswith("rediss://")
    names = _names_checked(fields, options) if tls else {}
    try:
        pool = redis.ConnectionPool.from_url(url, **{**names, **options.connection(asynchronous=False)})
        pool.connection_class(**pool.connection_kwargs)
        kind = bounded(pool.connection_class)
    except (TypeError, ValueError, redis.RedisError) as error:
        raise ConfigError(f"{_CANNOT_WORK}: {_without_secrets(str(error), url)}") from None

    def make(library: Any, *, asynchronous: bool) -> Any:
        # The gate of Client bounds concurrency, so the pool itself never refuses a connection.
        arguments = {**names, **options.connection(asynchronous=asynchronous)}
        chosen = {} if asynchronous else {"connection_class": kind}
        pool = library.ConnectionPool.from_url(url, **arguments, **chosen)
        return library.Redis.from_pool(pool)

    def aopen() -> Any:
        from langchain_redis_memory.redis.client.shared_transport import AsyncSharedTransport

        return AsyncSharedTransport(make(aredis, asynchronous=True))

    where = fields.get("path") or f"{fields.get('host', 'localhost')}:{fields.get('port', 6379)}/{fields.get('db', 0)}"
    scheme = "unix" if "path" in fields else "rediss" if tls else "redis"
    return Topology(
        _shown(scheme, where),
        lambda: DirectTransport(make(redis, asynchronous=False)),
        aopen,
    )


def _hosts(rest: str, port: int) -> tuple[str, list[tuple[str, int]], str]:
    """Splits `user:pw@a:1,b:2/path?query` into "user:pw@", [("a", 1), ("b", 2)] and "/path?query"."""
    cut = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
    authority, tail = rest[:cut], rest[cut:]
    userinfo, at, names = authority.rpartition("@")
    hosts = []
    for name in names.split(","):
        try:
            parts = urlsplit(f"//{name}")
            host, number = parts.hostname, parts.port
        except ValueError:
            host, number = None, None
        if not host:
            raise ConfigError(f"the URL needs hosts as host or host:port, separated by commas; {_ESCAPE}")
        hosts.append((host, number or port))
    return userinfo + at, hosts, tail


def _cluster(scheme: str, rest: str, options: Options) -> Topology:
    import redis
    import redis.asyncio as aredis

    from langchain_redis_memory.redis.client.cluster import (
        AsyncClusterTransport,
        ClusterTransport,
        ask_for_copies,
        ask_for_copies_async,
    )
    from langchain_redis_memory.redis.client.shared_transport import AsyncSharedTransport
    from langchain_redis_memory.redis.client.slots import Nodes, Replica

    userinfo, hosts, tail = _hosts(rest, 6379)
    fields = _parse(f"{scheme}://{userinfo}{_spell(hosts[0])}{tail}")
    if fields.pop("db", 0):
        raise ConfigError("a cluster has only database 0")
    for name in ("host", "port"):
        fields.pop(name, None)
    tls = fields.pop("connection_class", None) is redis.SSLConnection
    fields = {**_names_checked(fields, options), **fields} if tls else fields
    nodes = Nodes(hosts, options.address_remap, options.timeout_s)
    kind = bounded(redis.SSLConnection if tls else redis.Connection)
    akind: Any = aredis.SSLConnection if tls else aredis.Connection

    def to(address: Node, *, asynchronous: bool) -> Any:
        library: Any = aredis if asynchronous else redis
        arguments = {**fields, **options.connection(asynchronous=asynchronous)}
        if isinstance(address, Replica):
            arguments["redis_connect_func"] = ask_for_copies_async if asynchronous else ask_for_copies
        chosen = akind if asynchronous else kind
        pool = library.ConnectionPool(host=address[0], port=address[1], connection_class=chosen, **arguments)
        return library.Redis.from_pool(pool)

    try:
        kind(**fields, **options.connection(asynchronous=False))
    except (TypeError, ValueError, redis.RedisError) as error:
        raise ConfigError(f"{_CANNOT_WORK}: {_without_secrets(str(error), f'://{rest}')}") from None
    return Topology(
        _shown(f"{scheme}+cluster", ",".join(map(_spell, hosts))),
        lambda: ClusterTransport(nodes, lambda address: DirectTransport(to(address, asynchronous=False))),
        lambda: AsyncClusterTransport(nodes, lambda address: AsyncSharedTransport(to(address, asynchronous=True))),
        nodes=nodes,
    )


def _spell(host: tuple[str, int]) -> str:
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _sentinel(scheme: str, rest: str, options: Options) -> Topology:
    import redis

    from langchain_redis_memory.redis.client.sentinel import AsyncSentinelTransport, SentinelTransport, Service

    userinfo, hosts, tail = _hosts(rest, 26379)
    path, _, query = tail.partition("?")
    service, _, db = unquote(path.strip("/")).partition("/")
    if not service:
        raise ConfigError("a redis+sentinel:// URL names the service: redis+sentinel://host:26379/mymaster/0")
    sentinel_fields = {
        name.removeprefix("sentinel_"): values[0]
        for name, values in parse_qs(query).items()
        if name in {"sentinel_username", "sentinel_password"}
    }
    kept = "&".join(part for part in query.split("&") if part and not part.startswith("sentinel_"))
    fields = _parse(f"{scheme}://{userinfo}{_spell(hosts[0])}/{db or 0}?{kept}")
    for name in ("host", "port"):
        fields.pop(name, None)
    tls = fields.pop("connection_class", None) is redis.SSLConnection
    fields = {**_names_checked(fields, options), **fields} if tls else fields

    named = Service(service, hosts, fields, sentinel_fields, tls)
    return Topology(
        _shown(f"{scheme}+sentinel", f"{','.join(map(_spell, hosts))}/{service}/{db or 0}"),
        lambda: SentinelTransport(named, options),
        lambda: AsyncSentinelTransport(named, options),
    )
