"""`RedisCache`: LangChain's cache of model answers, for the very same prompt to the very same model.

An entry's name is a digest of the prompt and of the string that describes the model, so two prompts or models never
share one. Entries stand on shelves (see `shelf`) over which they are spread by their names: clearing deletes a fixed
number of keys in one trip. What may be kept is decided by an `AdmissionPolicy`, what may go wrong by nobody: a server
that is away or refuses is a miss, and an update is dropped and counted.

Long because each half of a twin is read beside the other.
"""

from __future__ import annotations

import json
import logging
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, cast

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache

from langchain_redis_memory.cache import generations, warming
from langchain_redis_memory.cache.admission import AdmissionPolicy
from langchain_redis_memory.cache.best_effort import BestEffort
from langchain_redis_memory.cache.prompts import digest_of, model_of
from langchain_redis_memory.cache.single_flight import SingleFlight, making
from langchain_redis_memory.cache.stats import Prices, Stats, Tally, told
from langchain_redis_memory.errors import CorruptDataError, InvalidInputError
from langchain_redis_memory.ops import Emit, Flow, Now, Op, ask, merge
from langchain_redis_memory.redis import expiring_hash
from langchain_redis_memory.redis.client.client import Client, as_client
from langchain_redis_memory.redis.expiring_hash import Item, NewItem
from langchain_redis_memory.redis.keys import EntryKeys, check_id
from langchain_redis_memory.redis.ttl import WEEK_S, jittered, milliseconds, share

_log = logging.getLogger(__name__)

Places = dict[EntryKeys, int]
Items = list[tuple[bytes, bytes]]

_SHELVES = 64
_BATCH = 500
_NAME_BYTES = 28


class RedisCache(BaseCache):
    """LangChain's cache of model answers on any Redis: exact, shared by all processes, for sync and async calls.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), or None for `REDIS_URL`, else `redis://localhost:6379/0`.
        ttl_s: Lifetime of an answer in seconds; None for no expiry.
        tenant: Whose cache it is; tenants never see each other's.
        name: Names the cache within the tenant.
        jitter: The largest share by which a lifetime is cut at random, so that not all expire at once.
        stale_s: For so long after its lifetime an answer is still served while one caller makes it anew.
        single_flight_s: Of all who miss the same answer at once one asks the model and the others wait; None: everybody
            asks. Give it about the model's longest time: if there is no answer by then, one of those who wait asks.
            Nobody waits for more than twice as long. A model that fails lets the others wait until then, unless it is
            called through `get_or_compute`.
        admission: Which answers may be cached.
        prices: Model -> what a million tokens cost (read, written), for `Stats.money_saved`.

    Raises:
        InvalidIdError: The tenant or the name is not acceptable.
        InvalidInputError: A number is out of range.
        ConfigError: The URL cannot work.

    Example:
        ```python
        set_llm_cache(RedisCache("redis://localhost:6379/0", ttl_s=3600))
        ```

    **Keys:** `entries`, `entry_expiries` of 64 shelves; `tally`; `lease` of an answer that is being made.
    **Trips:** none to construct; each method says its own. A server that has just failed is not asked for a while.
    """

    def __init__(
        self,
        client: Client | str | None = None,
        *,
        ttl_s: float | None = WEEK_S,
        tenant: str = "",
        name: str = "llm",
        jitter: float = 0.1,
        stale_s: float | None = None,
        single_flight_s: float | None = None,
        admission: AdmissionPolicy | None = None,
        prices: Prices | None = None,
    ) -> None:
        self._client = as_client(client)
        self._space = self._client.keys(tenant)
        self._name = check_id(name, "name")
        self._ttl_ms = milliseconds(ttl_s)
        self._jitter = share(jitter, "jitter")
        self._stale_ms = milliseconds(stale_s, "stale_s") if self._ttl_ms else 0
        self._flights = SingleFlight(milliseconds(single_flight_s, "single_flight_s"))
        self._admission = admission or AdmissionPolicy()
        self._prices = prices
        self._shelves = [self._space.entries("exact", f"{number}/{name}") for number in range(_SHELVES)]
        self._tally = Tally(self._space.tally("exact", name))
        self._lenient = BestEffort(f"the cache {name!r}", self._tally, self._client.breaker)

    def __repr__(self) -> str:
        return f"RedisCache({self._client!r}, name={self._name!r})"

    # --- LangChain's interface ----------------------------------------------------------------------------------------

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The answer to a prompt.

        Args:
            prompt: What the model is asked.
            llm_string: Describes the model and its parameters.

        Returns:
            The generations as they were given, messages under new ids; None where there are none, where they are
            damaged, and where the server is away.

        **Keys:** `entries` of one shelf; at times `tally`.
        **Trips:** 1. With `single_flight_s` one more where there is no answer, and one for each look while another
            makes it; with `stale_s` one more for an answer that is over its lifetime.
        """
        return self._client.drive(self._lookup(prompt, llm_string))

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The answer to a prompt; see `lookup`."""
        return await self._client.adrive(self._lookup(prompt, llm_string))

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Caches an answer, if it may be cached; nothing is raised if not.

        Args:
            prompt: What the model was asked.
            llm_string: Describes the model and its parameters.
            return_val: What it answered.

        **Keys:** `entries`, `entry_expiries` of one shelf; `tally`; `lease`.
        **Trips:** 1, and 1 for who leads others (`single_flight_s`, `stale_s`).
        """
        self._client.drive(self._update(prompt, llm_string, return_val))

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Caches an answer, if it may be cached; see `update`."""
        await self._client.adrive(self._update(prompt, llm_string, return_val))

    def clear(self, **kwargs: Any) -> None:
        """Deletes every answer, or those of one model.

        Args:
            **kwargs: `llm_string`: only the answers of this model.

        Raises:
            InvalidInputError: An option is unknown.
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.
            ServerError: The server refused.

        **Keys:** `entries`, `entry_expiries` of all shelves.
        **Trips:** 1; for one model 1 for about each 32,000 entries, and 1 each to remove those found.
        """
        self._client.drive(self._clear(kwargs))

    async def aclear(self, **kwargs: Any) -> None:
        """Deletes every answer, or those of one model; see `clear`."""
        await self._client.adrive(self._clear(kwargs))

    # --- more ---------------------------------------------------------------------------------------------------------

    def get_or_compute(self, prompt: str, llm_string: str, compute: Callable[[], Any]) -> RETURN_VAL_TYPE:
        """The cached answer, else what `compute` gives, cached; of all callers at once only one computes.

        Args:
            prompt: What the model is asked.
            llm_string: Describes the model and its parameters.
            compute: Gives a text, a message or generations; for `aget_or_compute` it may be a coroutine function.

        Returns:
            The generations.

        Raises:
            Exception: Whatever `compute` raises; the next of those who wait then computes.
            InvalidInputError: It gives something else.

        **Keys:** those of `lookup` and `update`.
        **Trips:** 1 for a hit; else those of `lookup` and 1.
        """
        return self._client.drive(self._get_or_compute(prompt, llm_string, compute))

    async def aget_or_compute(self, prompt: str, llm_string: str, compute: Callable[[], Any]) -> RETURN_VAL_TYPE:
        """The cached answer, else what `compute` gives, cached; see `get_or_compute`."""
        return await self._client.adrive(self._get_or_compute(prompt, llm_string, compute))

    def delete(self, prompt: str, llm_string: str) -> bool:
        """Deletes one answer.

        Args:
            prompt: What the model was asked.
            llm_string: Describes the model and its parameters.

        Returns:
            Whether there was one.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`, `entry_expiries` of one shelf.
        **Trips:** 1.
        """
        return self._client.run(self._delete(prompt, llm_string))

    async def adelete(self, prompt: str, llm_string: str) -> bool:
        """Deletes one answer; see `delete`."""
        return await self._client.arun(self._delete(prompt, llm_string))

    def count(self) -> int:
        """How many answers are stored, with those that have expired and were not removed yet.

        Returns:
            The number.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries` of all shelves.
        **Trips:** 1.
        """
        return self._client.run(expiring_hash.count(self._shelves))

    async def acount(self) -> int:
        """How many answers are stored; see `count`."""
        return await self._client.arun(expiring_hash.count(self._shelves))

    def warm(
        self,
        answers: Iterable[Any] | str | Path,
        model: Any,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Caches answers before anybody asks.

        Args:
            answers: Pairs (question, answer), mappings with "prompt" and "answer", or the path of a file with such a
                mapping in each line (JSON Lines).
            model: The model that will be asked, or the string that describes it; see `warming.asked_of`.
            progress: Called with the number of rows done since the last call.

        Returns:
            How many were cached; those that the admission policy refuses are not.

        Raises:
            InvalidInputError: A row is something else; batches of 500 before it are stored.
            UnserialisableError: An answer cannot be stored.
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`, `entry_expiries`.
        **Trips:** 1 for each 500 rows.
        """
        return self._client.drive(self._warm(answers, model, progress))

    async def awarm(
        self,
        answers: Iterable[Any] | str | Path,
        model: Any,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Caches answers before anybody asks; see `warm`."""
        return await self._client.adrive(self._warm(answers, model, progress))

    def export_entries(self) -> Iterator[str]:
        """Every entry as a line of JSON, for `import_entries`; prompts are in there as digests only.

        Yields:
            Lines that end with a newline.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries` of all shelves.
        **Trips:** 1 for about each 32,000 entries.
        """
        return self._client.stream(self._export())

    def aexport_entries(self) -> AsyncIterator[str]:
        """Every entry as a line of JSON; see `export_entries`."""
        return self._client.astream(self._export())

    def import_entries(self, lines: Iterable[str], *, progress: Callable[[int], None] | None = None) -> int:
        """Stores what `export_entries` gave, each entry with a whole lifetime from now.

        Args:
            lines: Its lines.
            progress: Called with the number of entries done since the last call.

        Returns:
            How many were stored.

        Raises:
            InvalidInputError: A line is something else; batches of 500 before it are stored.
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`, `entry_expiries`.
        **Trips:** 1 for each 500 lines.
        """
        return self._client.drive(self._import(lines, progress))

    async def aimport_entries(self, lines: Iterable[str], *, progress: Callable[[int], None] | None = None) -> int:
        """Stores what `export_entries` gave; see `import_entries`."""
        return await self._client.adrive(self._import(lines, progress))

    def stats(self) -> Stats:
        """What has been counted, with what this process has not sent yet.

        Returns:
            The statistics, by hour, model and metric.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `tally`.
        **Trips:** 1, and 1 where something waited in this process.
        """
        return self._client.drive(self._stats())

    async def astats(self) -> Stats:
        """What has been counted; see `stats`."""
        return await self._client.adrive(self._stats())

    # --- flows --------------------------------------------------------------------------------------------------------

    def _lookup(self, prompt: str, llm_string: str) -> Flow[RETURN_VAL_TYPE | None]:
        began: float = yield Now()
        name, model = _name(prompt, llm_string), model_of(llm_string)
        look = self._look(name)
        kept = yield from self._lenient.ask(look)
        if kept is None and self._flights:
            kept = yield from self._flights.join(self._lease(name), look, self._lenient.ask)
        elif kept is not None and self._is_stale(kept):
            kept = yield from self._flights.refresh(self._lease(name), kept, look, self._is_stale, self._lenient.ask)
        found = None if kept is None else self._decode(kept.body, name)
        self._tally.add("misses" if found is None else "hits", model=model)
        if found is not None and kept is not None:
            read, written = _tokens(kept.body)
            self._tally.add("tokens_read", read, model=model)
            self._tally.add("tokens_written", written, model=model)
        ended: float = yield Now()
        self._tally.timed(ended - began, model=model)
        return found

    def _is_stale(self, kept: Item) -> bool:
        return bool(self._stale_ms) and kept.left_ms is not None and kept.left_ms <= self._stale_ms

    def _update(self, prompt: str, llm_string: str, answer: RETURN_VAL_TYPE) -> Flow[None]:
        name, model = _name(prompt, llm_string), model_of(llm_string)
        leave = self._flights.leave(self._lease(name))
        refusal = self._admission.refusal(answer)
        try:
            put = None if refusal else self._put(name, prompt, answer)
        except InvalidInputError as error:
            _log.warning("an answer is not cached: %s", error)
            put, refusal = None, "unserialisable"
        if put is None:
            self._tally.add(f"refused_{refusal}", model=model)
            if leave.commands:
                yield from self._lenient.ask(leave, write=True)
            return
        self._tally.add("updates", model=model)
        stored = yield from self._lenient.ask(self._store([put]), write=True)
        if stored is None:
            self._tally.add("dropped", model=model)
        if leave.commands:  # after the answer is there: in one trip a script that the server does not know runs last
            yield from self._lenient.ask(leave)

    def _get_or_compute(self, prompt: str, llm_string: str, compute: Callable[[], Any]) -> Flow[RETURN_VAL_TYPE]:
        found = yield from self._lookup(prompt, llm_string)
        if found is not None:
            return found

        def give_back() -> Flow[None]:
            leave = self._flights.leave(self._lease(_name(prompt, llm_string)))
            if leave.commands:
                yield from self._lenient.ask(leave)

        answer: RETURN_VAL_TYPE = yield making(compute, generations.as_generations, give_back, self._client)
        yield from self._update(prompt, llm_string, answer)
        return answer

    def _clear(self, only: Mapping[str, Any]) -> Flow[None]:
        if set(only) - {"llm_string"}:
            msg = f"clear takes llm_string only, got {', '.join(sorted(only))}"
            raise InvalidInputError(msg)
        model = only.get("llm_string")
        if model is None:
            yield from ask(expiring_hash.clear(self._shelves))
            return
        if not isinstance(model, str):
            msg = f"llm_string must be a text, not {type(model).__name__}"
            raise InvalidInputError(msg)
        mark, places = digest_of(model), dict.fromkeys(self._shelves, 0)
        while places:
            found, places = yield from self._pages(places)
            for keys, items in found:
                names = [name for name, _ in items if name.startswith(mark)]
                if names:
                    yield from ask(expiring_hash.remove(keys, names))

    def _pages(self, places: Places) -> Flow[tuple[list[tuple[EntryKeys, Items]], Places]]:
        """A page of each shelf, and where to go on from."""
        pages = yield from ask(merge(*(expiring_hash.page(keys, cursor) for keys, cursor in places.items())))
        read = list(zip(places, pages, strict=True))
        return [(keys, page.items) for keys, page in read], {keys: page.cursor for keys, page in read if page.cursor}

    def _warm(
        self, answers: Iterable[Any] | str | Path, model: Any, progress: Callable[[int], None] | None
    ) -> Flow[int]:
        stored, pairs = 0, warming.rows(answers)
        while batch := list(islice(pairs, _BATCH)):
            puts = []
            for question, answer in batch:
                prompt, llm_string = warming.asked_of(question, model)
                made = generations.for_model(answer, model)
                if self._admission.refusal(made) is None:
                    puts.append(self._put(_name(prompt, llm_string), prompt, made))
            yield from ask(self._store(puts))
            stored += len(puts)
            if progress is not None:
                progress(len(batch))
        return stored

    def _export(self) -> Flow[None]:
        places = dict.fromkeys(self._shelves, 0)
        while places:
            found, places = yield from self._pages(places)
            entries = [entry for _, items in found for entry in items]
            yield Emit([_line(name, body) for name, body in entries])

    def _import(self, lines: Iterable[str], progress: Callable[[int], None] | None) -> Flow[int]:
        stored, numbered = 0, enumerate(lines, 1)
        while batch := list(islice(numbered, _BATCH)):
            puts = [self._put_line(number, line) for number, line in batch if line.strip()]
            yield from ask(self._store(puts))
            stored += len(puts)
            if progress is not None:
                progress(len(batch))
        return stored

    def _put_line(self, number: int, line: str) -> NewItem:
        try:
            row = json.loads(line)
            name, body = bytes.fromhex(row["id"]), b64decode(row["entry"], validate=True)
            _tokens(body)
            generations.decode(body.partition(b";")[2], "entry")
            if len(name) != _NAME_BYTES:
                msg = "its id has another length"
                raise ValueError(msg)
        except (ValueError, KeyError, TypeError, CorruptDataError) as error:
            msg = f"line {number} is no exported entry: {error}"
            raise InvalidInputError(msg) from None
        return NewItem(name, self._lifetime(), body)

    def _stats(self) -> Flow[Stats]:
        (found,) = yield from told([self._tally], self._prices)
        return found

    # --- ops ----------------------------------------------------------------------------------------------------------

    def _shelf(self, name: bytes) -> EntryKeys:
        return self._shelves[name[-1] % _SHELVES]

    def _lease(self, name: bytes) -> str:
        return self._shelf(name).lease(name.hex())

    def _look(self, name: bytes) -> Op[Item | None]:
        return expiring_hash.get(self._shelf(name), [name]).map(lambda found: found[0])

    def _lifetime(self) -> int:
        return jittered(self._ttl_ms, self._jitter) + self._stale_ms

    def _put(self, name: bytes, prompt: str, answer: RETURN_VAL_TYPE) -> NewItem:
        read, written = generations.tokens_of(answer, prompt)
        return NewItem(name, self._lifetime(), b"%d %d;" % (read, written) + generations.encode(answer))

    def _store(self, puts: list[NewItem]) -> Op[Any]:
        by_shelf: dict[EntryKeys, list[NewItem]] = {}
        for put in puts:
            by_shelf.setdefault(self._shelf(cast("bytes", put.name)), []).append(put)
        return merge(*(expiring_hash.put(keys, some) for keys, some in by_shelf.items()))

    def _delete(self, prompt: str, llm_string: str) -> Op[bool]:
        name = _name(prompt, llm_string)
        return expiring_hash.remove(self._shelf(name), [name]).map(bool)

    def _decode(self, body: bytes, name: bytes) -> RETURN_VAL_TYPE | None:
        try:
            return generations.decode(body.partition(b";")[2], self._shelf(name).items)
        except CorruptDataError as error:
            _log.warning("a cached answer counts as absent: %s", error)
            return None


def _name(prompt: str, llm_string: str) -> bytes:
    """The entry's name: 12 bytes for the model, 16 for the prompt."""
    if not isinstance(prompt, str) or not isinstance(llm_string, str):
        msg = f"prompt and llm_string must be texts, not {type(prompt).__name__} and {type(llm_string).__name__}"
        raise InvalidInputError(msg)
    return digest_of(llm_string) + _prompt_digest(prompt)


@lru_cache(maxsize=16)
def _prompt_digest(prompt: str) -> bytes:
    return blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _line(name: bytes, body: bytes) -> str:
    return json.dumps({"id": name.hex(), "entry": b64encode(body).decode()}) + "\n"


def _tokens(body: bytes) -> tuple[int, int]:
    """What an answer cost; none where the entry does not say."""
    told = _TOKENS.match(body)
    return (int(told[1]), int(told[2])) if told else (0, 0)


_TOKENS = re.compile(rb"(\d{1,12}) (\d{1,12});")
