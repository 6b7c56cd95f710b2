"""Credentials that change: read from a file, or tokens that a cloud's identity service signs.

A provider is asked whenever a connection logs in (the protocol is redis-py's `CredentialProvider`), so it may give
another password each time. Where the server refuses it, the client asks once more and tries again, as it may have been
replaced in between. A provider with a `lifetime_s` has its connections replaced before they are so old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

from langchain_redis_memory.checks import check_function, check_path, check_positive, check_text, check_type, check_word
from langchain_redis_memory.errors import AuthenticationError, ConfigError

Login = tuple[str, str] | tuple[str]
"""A user's name and password, or a password alone."""


class CredentialProvider(Protocol):
    """Gives the credentials of a connection that is about to log in; any `CredentialProvider` of redis-py is one."""

    def get_credentials(self) -> Login:
        """Returns user and password, or a password alone."""
        ...

    async def get_credentials_async(self) -> Login:
        """Returns user and password, or a password alone."""
        ...


class _InThread:
    """Asks for credentials in a thread where an event loop must not wait."""

    lifetime_s: float | None = None

    def get_credentials(self) -> Login:
        """Returns user and password, or a password alone."""
        raise NotImplementedError

    async def get_credentials_async(self) -> Login:
        """Returns the credentials; see `get_credentials`."""
        return await asyncio.to_thread(self.get_credentials)


class FileCredentials(_InThread):
    """Reads a password from a file at each login, as Kubernetes and Vault mount and replace it.

    Args:
        password_file: The file; white space at its end does not count.
        username: The user's name, or None for the default user.
        username_file: A file with the user's name instead.

    Raises:
        ConfigError: A name and a file with one are given.

    Example:
        ```python
        client = Client.from_url(url, credentials=FileCredentials("/run/secrets/redis-password", "app"))
        ```
    """

    def __init__(
        self, password_file: str | Path, username: str | None = None, *, username_file: str | Path | None = None
    ) -> None:
        if username is not None and username_file is not None:
            raise ConfigError("give FileCredentials a username or a username_file, not both")
        check_path(password_file, "password_file", ConfigError)
        if username is not None:
            check_text(username, "username")
        if username_file is not None:
            check_path(username_file, "username_file", ConfigError)
        self._password, self._username, self._user_file = Path(password_file), username, username_file

    def get_credentials(self) -> Login:
        """Reads user and password.

        Returns:
            Both, or the password alone.

        Raises:
            AuthenticationError: A file cannot be read.
        """
        try:
            password = self._password.read_text("utf-8").rstrip()
            user = self._username if self._user_file is None else Path(self._user_file).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            msg = f"no credentials can be read from a file: {type(error).__name__}: {getattr(error, 'filename', '')}"
            raise AuthenticationError(msg) from None
        return (password,) if not user else (user, password)


class IAMCredentials(_InThread):
    """Signs tokens of AWS IAM for ElastiCache and MemoryDB; needs `botocore`.

    A login lasts 12 hours, and is renewed before.

    Args:
        user: The user's id, for which IAM authentication is on.
        name: The replication group, the serverless cache, or the MemoryDB cluster.
        region: The AWS region.
        service: "elasticache" or "memorydb".
        serverless: Whether it is a serverless cache.
        session: A `botocore.session.Session`; by default a new one, which finds credentials as AWS's tools do.

    Raises:
        ConfigError: `botocore` is not installed, or the service is unknown.
    """

    lifetime_s: float | None = 11 * 3600.0

    def __init__(
        self,
        user: str,
        name: str,
        region: str,
        *,
        service: Literal["elasticache", "memorydb"] = "elasticache",
        serverless: bool = False,
        session: Any = None,
    ) -> None:
        check_word(service, "service", ("elasticache", "memorydb"), ConfigError)
        for what, text in {"user": user, "name": name, "region": region}.items():
            check_text(text, what)
        try:
            import botocore.session
            import botocore.signers
        except ImportError as error:
            raise ConfigError("IAM credentials need botocore: pip install botocore") from error
        self._user, self._name, self._region, self._service = user, name, region, service
        self._serverless = serverless
        self._session = session or botocore.session.get_session()

    def get_credentials(self) -> Login:
        """Signs a token.

        Returns:
            The user and the token.
        """
        from botocore.model import ServiceId
        from botocore.signers import RequestSigner

        query = {"Action": "connect", "User": self._user}
        if self._serverless:
            query["ResourceType"] = "ServerlessCache"
        credentials, events = self._session.get_credentials(), self._session.get_component("event_emitter")
        signer = RequestSigner(ServiceId(self._service), self._region, self._service, "v4", credentials, events)
        request = {
            "method": "GET",
            "url": f"http://{self._name}/?{urlencode(query)}",
            "body": {},
            "headers": {},
            "context": {},
        }
        signed: str = signer.generate_presigned_url(request, operation_name="connect", expires_in=900)
        return self._user, signed.removeprefix("http://")


class TokenCredentials(_InThread):
    """Asks a function of yours for user and token at each login, such as Microsoft Entra's for Azure.

    Args:
        get: Gives the user's name and a token that is valid now; a plain function, called in a thread from async code.
        lifetime_s: How long a connection may live on one login, in seconds; None for as long as it likes.

    Raises:
        ConfigError: `get` is not a function.

    Example:
        ```python
        entra = DefaultAzureCredential()  # of azure-identity

        def token() -> tuple[str, str]:
            return object_id, entra.get_token("https://redis.azure.com/.default").token

        client = Client.from_url(url, credentials=TokenCredentials(token, lifetime_s=1800))
        ```
    """

    def __init__(self, get: Callable[[], Login], lifetime_s: float | None = None) -> None:
        check_function(get, "get (which gives a user's name and a token)", ConfigError)
        if lifetime_s is not None:
            check_positive(lifetime_s, "lifetime_s", "number of seconds, or None", ConfigError)
        self._get = get
        self.lifetime_s: float | None = lifetime_s

    def get_credentials(self) -> Login:
        """Returns what the function gives."""
        return check_type(self._get(), tuple, "what a credentials function gives", "a tuple (user, token)", ConfigError)
