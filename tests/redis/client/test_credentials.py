"""Credentials that change while they are used; addresses behind a NAT."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from langchain_redis_memory import (
    AuthenticationError,
    Client,
    ConfigError,
    FileCredentials,
    IAMCredentials,
    RedisChatMessageHistory,
    TokenCredentials,
)
from langchain_redis_memory.ops import Op
from tests.conftest import Both, Watch
from tests.support.proxy import Proxy
from tests.support.raw import raw
from tests.support.servers import NEWEST, Farm, wait_for


class Rotation:
    """A user whose passwords change: the next one is valid, then it is written, then the former one is not any more."""

    def __init__(self, url: str, file: Path, user: str) -> None:
        self.url, self.user, self.file, self.times = url, user, file, 0
        nodes = url.rpartition("/")[2].split(",") if "+cluster" in url else []
        self._admins = [Client.from_url(f"redis://{node}/0") for node in nodes] or [Client.from_url(url)]
        self._last, self._rights = "", ("on", "~*", "+@all")
        self.next()

    def _tell(self, *commands: tuple[str, ...]) -> None:
        for admin in self._admins:
            raw(admin, *commands)

    def next(self) -> None:
        fresh = f"secret{self.times}"
        self._tell(("ACL", "SETUSER", self.user, *self._rights, f">{fresh}"))
        written = self.file.with_suffix(".new")
        written.write_text(f"{fresh}\n")
        written.replace(self.file)  # at once, as a mounted secret is: nobody reads half of it
        if self._last:
            self._tell(("ACL", "SETUSER", self.user, f"<{self._last}"), ("CLIENT", "KILL", "USER", self.user))
        self._last = fresh
        self.times += 1

    def end(self) -> None:
        self._tell(("ACL", "DELUSER", self.user))
        for admin in self._admins:
            admin.close()


@pytest.fixture
def rotation(farm: Farm, tmp_path: Path, prefix: str, watch: Watch) -> Iterator[Rotation]:
    yield from rotating(farm.url(NEWEST), tmp_path, prefix, watch)


def rotating(url: str, folder: Path, prefix: str, watch: Watch) -> Iterator[Rotation]:
    watch(url, prefix)
    made = Rotation(url, folder / "password", f"{prefix}-user")
    yield made
    made.end()


@pytest.fixture(params=["real_url", "cluster_url"])
def everywhere(request: pytest.FixtureRequest, tmp_path: Path, prefix: str, watch: Watch) -> Iterator[Rotation]:
    """A user whose passwords change on one server, and on all nodes of a cluster."""
    yield from rotating(request.getfixturevalue(request.param), tmp_path, prefix, watch)


async def test_passwords_are_replaced_while_they_are_used(everywhere: Rotation, prefix: str, both: Both) -> None:
    rotation, ended, stored = everywhere, threading.Event(), 0
    provider = FileCredentials(rotation.file, rotation.user)
    file_client = Client.from_url(rotation.url, prefix=prefix, credentials=provider, retries=10)

    def rotate() -> None:
        while rotation.times < 6 and not ended.is_set():
            rotation.next()
            seen = stored
            while stored < seen + 2 and not ended.wait(0.005):
                pass  # a password is in use before the next one comes, however busy the machine is
        ended.set()

    thread = threading.Thread(target=rotate)
    thread.start()
    histories = [RedisChatMessageHistory(name, file_client, ttl_s=60) for name in "abc"]  # on several nodes
    try:
        while not ended.is_set():
            for history in histories:
                await both(history.add_messages)([HumanMessage(str(stored), id=str(stored))])
            stored += 1
    finally:
        ended.set()
        thread.join()
    for history in histories:
        assert [one.content for one in await both.messages(history)] == [str(n) for n in range(stored)]
    assert stored > 5
    await file_client.aclose()


async def test_what_is_refused_is_asked_for_once_more(rotation: Rotation, farm: Farm, both: Both) -> None:
    asked: list[int] = []

    def late() -> tuple[str, str]:
        asked.append(1)
        return rotation.user, "wrong" if len(asked) == 1 else rotation.file.read_text().strip()

    client = Client.from_url(farm.url(NEWEST), credentials=TokenCredentials(late), retries=0)
    assert await both(client.ping)() > 0
    assert len(asked) == 2
    await client.aclose()
    asked[:] = []

    def never() -> tuple[str, str]:
        asked.append(1)
        return rotation.user, "wrong"

    wrong = Client.from_url(farm.url(NEWEST), credentials=TokenCredentials(never), retries=5)
    with pytest.raises(AuthenticationError) as caught:
        await both(wrong.ping)()
    assert len(asked) == 2, "a wrong password is no reason to try for long"
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")
    await wrong.aclose()


@pytest.mark.parametrize("cluster", [False, True])
async def test_connections_are_replaced_before_a_token_ends(
    request: pytest.FixtureRequest, farm: Farm, cluster: bool, both: Both
) -> None:
    asked: list[int] = []

    def token() -> tuple[str, str]:
        asked.append(1)
        return "default", "any password is right"

    url = request.getfixturevalue("cluster_url") if cluster else farm.url(NEWEST)
    client = Client.from_url(url, credentials=TokenCredentials(token, lifetime_s=0.2))
    ping = both(client.ping)
    await ping()
    await ping()
    before = len(asked)
    for _ in range(200):
        await ping()
        await asyncio.sleep(0.005)
        if len(asked) >= before + 3:
            break
    assert len(asked) >= before + 3
    await client.aclose()


def test_a_file_that_cannot_be_read_is_said_without_its_content(tmp_path: Path, farm: Farm) -> None:
    client = Client.from_url(farm.url(NEWEST), credentials=FileCredentials(tmp_path / "none"))
    with client, pytest.raises(AuthenticationError, match="none"):
        client.ping()
    (tmp_path / "user").write_text("ana\n")
    (tmp_path / "password").write_text("p w\n")
    provider = FileCredentials(tmp_path / "password", username_file=tmp_path / "user")
    assert provider.get_credentials() == ("ana", "p w")
    assert FileCredentials(tmp_path / "password").get_credentials() == ("p w",)


def test_a_token_of_iam() -> None:
    session = pytest.importorskip("botocore.session").get_session()
    session.set_credentials("AKIDEXAMPLE", "secret-of-aws")
    provider = IAMCredentials("app", "my-cache", "eu-west-1", session=session, serverless=True)
    user, token = str(provider.get_credentials()[0]), str(provider.get_credentials()[-1])
    assert user == "app"
    assert token.startswith("my-cache/?Action=connect&User=app&ResourceType=ServerlessCache&X-Amz-Algorithm=AWS4")
    assert "X-Amz-Expires=900" in token
    assert "elasticache%2Faws4_request" in token
    assert "secret-of-aws" not in token
    db = IAMCredentials("app", "my-db", "eu-west-1", service="memorydb", session=session)
    assert "memorydb%2Faws4_request" in str(db.get_credentials()[-1])


async def test_every_class_takes_them(rotation: Rotation, farm: Farm, both: Both) -> None:
    url, provider = farm.url(NEWEST), FileCredentials(rotation.file, rotation.user)
    one = RedisChatMessageHistory("s", url, credentials=provider)
    assert RedisChatMessageHistory("s", redis_url=url, credentials=provider)._client is one._client, "it is shared"
    owned = RedisChatMessageHistory.from_conn_string(url, session_id="s", credentials=provider)
    for history in (one, owned):
        who = await both(history._client.run)(Op((("ACL", "WHOAMI"),), lambda replies: replies[0]))
        assert who == rotation.user.encode()
    for made in (owned, one._client):
        await both(made.close)()
    with pytest.raises(ConfigError, match="a client has its own"):
        RedisChatMessageHistory("s", Client("memory://x"), credentials=provider)


def test_providers_that_cannot_work() -> None:
    for build in (
        lambda: FileCredentials("a", "ana", username_file="b"),
        lambda: TokenCredentials("token"),  # type: ignore[arg-type]
        lambda: IAMCredentials("app", "c", "r", service="s3"),  # type: ignore[arg-type]
        lambda: Client.from_url("redis://localhost", credentials="secret"),
        lambda: Client.from_url("redis://ana:pw@localhost", credentials=FileCredentials("a")),
        lambda: Client.from_url("redis://localhost", address_remap=[1]),
    ):
        with pytest.raises(ConfigError) as caught:
            build()
        assert "pw" not in str(caught.value)


async def test_a_master_behind_a_nat_is_reached(sentinel_url: str, farm: Farm, both: Both, prefix: str) -> None:
    inside = Client.from_url(sentinel_url, prefix=prefix)
    inside.ping()
    ports = {process.port for process in farm.processes}
    used: list[tuple[str, int]] = []
    proxies: dict[int, Proxy] = {}

    def remap(address: tuple[str, int]) -> tuple[str, int]:
        used.append(address)
        if address[1] not in proxies:
            proxies[address[1]] = Proxy(address[1])
        return "127.0.0.1", proxies[address[1]].port

    client = Client.from_url(sentinel_url, prefix=prefix, address_remap=remap)
    await both(client.ping)()
    assert used[0][1] in ports
    assert wait_for(lambda: proxies[used[0][1]].accepted > 0)
    await client.aclose()
    await inside.aclose()


async def test_the_nodes_of_a_cluster_behind_a_nat_are_reached(
    cluster_url: str, both: Both, prefix: str, watch: Watch
) -> None:
    """The nodes say addresses at which nobody here reaches them: all but the first word goes by the map."""
    proxies = {port: Proxy(port) for port in map(int, re.findall(r":(\d+)", cluster_url))}

    def remap(address: tuple[str, int]) -> tuple[str, int]:
        return "127.0.0.1", proxies[address[1]].port

    watch(cluster_url, prefix)
    client = Client.from_url(cluster_url, prefix=prefix, address_remap=remap)
    with ExitStack() as open_:
        for proxy in proxies.values():
            open_.enter_context(proxy)
        for name in "abcdefgh":
            history = RedisChatMessageHistory(name, client, ttl_s=60)
            await both(history.add_messages)([HumanMessage(name)])
            assert [one.content for one in await both.messages(history)] == [name]
        assert all(proxy.accepted for proxy in proxies.values())
        await client.aclose()
