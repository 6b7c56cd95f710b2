"""TLS: the authority, the host's name and the client's certificate, by options of the URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from langchain_redis_memory import Client, UnavailableError
from tests.support.certificates import Signed, TLSFront, signed
from tests.support.servers import NEWEST, Farm


@pytest.fixture(scope="module")
def authority() -> Signed:
    return signed("authority")


@pytest.fixture
def folder(tmp_path: Path, authority: Signed) -> Path:
    authority.write(tmp_path, "ca")
    signed("client", authority).write(tmp_path, "client")
    signed("other authority").write(tmp_path, "other")
    return tmp_path


def front(farm: Farm, folder: Path, authority: Signed, host: str, *, clients: bool = False) -> Iterator[TLSFront]:
    port = int(farm.url(NEWEST).rpartition(":")[2].partition("/")[0])
    made = TLSFront(port, signed(host, authority).write(folder, "server"), str(folder / "ca.crt") if clients else None)
    yield made
    made.stop()


@pytest.fixture
def localhost(farm: Farm, folder: Path, authority: Signed) -> Iterator[TLSFront]:
    yield from front(farm, folder, authority, "localhost")


@pytest.fixture
def elsewhere(farm: Farm, folder: Path, authority: Signed) -> Iterator[TLSFront]:
    yield from front(farm, folder, authority, "redis.example")


@pytest.fixture
def mutual(farm: Farm, folder: Path, authority: Signed) -> Iterator[TLSFront]:
    yield from front(farm, folder, authority, "localhost", clients=True)


async def told(url: str, *, asynchronous: bool) -> str:
    """What a ping of the URL says: nothing, or the error."""
    client = Client.from_url(url, retries=0, timeout_s=60)
    try:
        if asynchronous:
            await client.aping()
        else:
            client.ping()
    except UnavailableError as error:
        return str(error)
    finally:
        await client.aclose()
    return ""


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_the_servers_certificate_is_checked(localhost: TLSFront, folder: Path, asynchronous: bool) -> None:
    url = f"rediss://localhost:{localhost.port}/0"
    assert await told(f"{url}?ssl_ca_certs={folder / 'ca.crt'}", asynchronous=asynchronous) == ""
    for options in ("", f"?ssl_ca_certs={folder / 'other.crt'}"):
        assert "certificate verify failed" in await told(url + options, asynchronous=asynchronous)


async def test_a_certificate_for_another_name_is_refused(elsewhere: TLSFront, folder: Path, asynchronous: bool) -> None:
    url = f"rediss://localhost:{elsewhere.port}/0?ssl_ca_certs={folder / 'ca.crt'}"
    assert "ostname mismatch" in await told(url, asynchronous=asynchronous)
    assert await told(f"{url}&ssl_check_hostname=false", asynchronous=asynchronous) == "", "for who says so"
    for options in ("", f"&ssl_ca_certs={folder / 'other.crt'}"):
        unchecked = f"rediss://localhost:{elsewhere.port}/0?ssl_cert_reqs=none{options}"
        assert await told(unchecked, asynchronous=asynchronous) == "", "nothing of the certificate is checked"


async def test_a_client_shows_its_certificate(mutual: TLSFront, folder: Path, asynchronous: bool) -> None:
    url = f"rediss://localhost:{mutual.port}/0?ssl_ca_certs={folder / 'ca.crt'}"
    own = f"&ssl_certfile={folder / 'client.crt'}&ssl_keyfile={folder / 'client.key'}"
    assert await told(url + own, asynchronous=asynchronous) == ""
    assert await told(url, asynchronous=asynchronous) != ""
