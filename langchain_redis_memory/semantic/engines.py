"""The engines of a cache's vectors: chosen when first needed, one for each number of dimensions."""

from __future__ import annotations

from langchain_redis_memory.client import Client
from langchain_redis_memory.keys import KeySpace
from langchain_redis_memory.ops import Flow, Invoke, ask
from langchain_redis_memory.vectors import Engine, EngineName, Quantisation, check, engine


class Engines:
    """Chooses engines.

    Args:
        client: The server's client.
        name: Take this one; None takes the best that the server has.
        quantisation: How vector sets keep vectors.

    Raises:
        ConfigError: There is no such engine or quantisation.
    """

    def __init__(self, client: Client, name: EngineName | None, quantisation: Quantisation) -> None:
        check(1, name, quantisation)
        self._client = client
        self._wanted: tuple[EngineName | None, Quantisation] = (name, quantisation)
        self._ready: dict[tuple[KeySpace, int], Engine] = {}

    def ready(self, space: KeySpace, dims: int) -> Flow[Engine]:
        """An engine that can be used.

        Args:
            space: The tenant's key builder.
            dims: Numbers of a vector.

        Returns:
            The engine.

        Raises:
            ConfigError: The server cannot do what is asked for.
            UnavailableError: The server cannot be reached.
        """
        found = self._ready.get((space, dims))
        if found is None:
            server = yield Invoke(self._client.server, self._client.aserver)
            found = engine(server, dims, *self._wanted)
            yield from ask(found.prepare(space))
            self._ready[space, dims] = found
        return found
