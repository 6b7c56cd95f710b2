"""`RedisCache`: LangChain's cache of model answers, for the very same prompt to the very same model.

An entry is named by a digest of the prompt and of the string that describes the model, so two prompts or models never
share one. An `AdmissionPolicy` decides what may be cached. The cache is best effort: where the server is away or
refuses, a look-up is a miss, and an update is dropped and counted.
"""

from __future__ import annotations

import json
import logging
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.caches import RETURN_VAL_TYPE

from langchain_redis_memory.cache import generations
from langchain_redis_memory.cache.admission import AdmissionPolicy
from langchain_redis_memory.cache.best_effort import BestEffort, CacheUnavailable
from langchain_redis_memory.cache.llm_cache import LLMCache
from langchain_redis_memory.cache.llm_flows import LLMCacheFlows
from langchain_redis_memory.cache.prompts import digest_of, model_of, read
from langchain_redis_memory.cache.semantic.explanation import Explanation
from langchain_redis_memory.cache.semantic.search import Candidate
from langchain_redis_memory.cache.sharded_entries import ShardedEntries
from langchain_redis_memory.cache.sharing import unrepeatable
from langchain_redis_memory.cache.stats import Prices, reported_flow
from langchain_redis_memory.cache.warming import asked_of
from langchain_redis_memory.checks import check_text
from langchain_redis_memory.errors import CorruptDataError, InvalidInputError
from langchain_redis_memory.ops import Emit, Flow, Now, Op, ask
from langchain_redis_memory.redis import expiring_hash
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import ClientLike, ServerOptions, connect
from langchain_redis_memory.redis.expiring_hash import Item, NewItem
from langchain_redis_memory.redis.keys import check_id
from langchain_redis_memory.redis.ttl import WEEK_S, milliseconds

if TYPE_CHECKING:
    from typing_extensions import Unpack

_log = logging.getLogger(__name__)

_MODEL_BYTES = 12
_NAME_BYTES = 28


class RedisCache(LLMCache):
    """LangChain's cache of model answers on any Redis: exact, shared by all processes, for sync and async calls.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        ttl_s: Lifetime of an answer in seconds; None for no expiry.
        tenant: The tenant that it belongs to; tenants never see each other's answers.
        name: Names the cache within the tenant.
        jitter: The largest share by which a lifetime is cut at random, so that not all expire at once.
        stale_s: For so long after its lifetime an answer is still served while one caller makes it anew.
        single_flight_s: Coalesces concurrent misses of the same answer: one caller asks the model, the others wait;
            None: each caller asks. Give it about the model's longest time: if there is no answer by then, one of the
            waiting callers asks. No caller waits for more than twice as long. A model that fails lets the others wait
            until then, unless it is called through `get_or_compute`.
        admission: Which answers may be cached.
        prices: Model -> what a million tokens cost (read, written), for `Stats.money_saved`.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant or the name is not acceptable.
        InvalidInputError: A number is out of range.
        ConfigError: The URL cannot work.

    Example:
        ```python
        set_llm_cache(RedisCache("redis://localhost:6379/0", ttl_s=3600))
        ```

    **Keys:** `entries`, `entry_expiries` of 64 shards; `tally`; `lease` of an answer that is being made.
    **Trips:** none to construct; each method says its own. A server that has just failed is not asked for a while.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        ttl_s: float | None = WEEK_S,
        tenant: str = "",
        name: str = "llm",
        jitter: float = 0.1,
        stale_s: float | None = None,
        single_flight_s: float | None = None,
        admission: AdmissionPolicy | None = None,
        prices: Prices | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._name = check_id(name, "name")
        self._flows: ExactFlows = ExactFlows(
            self._client,
            ShardedEntries(self._client, tenant, "exact", name),
            stale_s,
            ttl_s=ttl_s,
            jitter=jitter,
            single_flight_s=single_flight_s,
            admission=admission,
            prices=prices,
        )

    def __repr__(self) -> str:
        return f"RedisCache({self._client!r}, name={self._name!r})"

    def explain(self, prompt: Any, model: Any) -> Explanation[RETURN_VAL_TYPE]:
        """Explains what a look-up would do, and why; nothing is counted.

        Args:
            prompt: What the model would be asked: a text, messages, or a prompt value.
            model: The model that would be asked, with what is bound to it; see `warming.asked_of`.

        Returns:
            The answer that would be served, and as candidates those of other models to the same prompt.

        Raises:
            InvalidInputError: One of them is something else.
            UnavailableError: The server cannot be reached.

        **Keys:** `entries` of one shard.
        **Trips:** 1 for each 500 entries of the shard, and 1 for the answer.
        """
        return self._client.drive(self._flows.explain_flow(prompt, model))

    async def aexplain(self, prompt: Any, model: Any) -> Explanation[RETURN_VAL_TYPE]:
        """Explains what a look-up would do, and why; see `explain`."""
        return await self._client.adrive(self._flows.explain_flow(prompt, model))

    def delete(self, prompt: Any, model: Any) -> bool:
        """Deletes one answer.

        Args:
            prompt: What the model was asked: a text, messages, or a prompt value.
            model: The model that was asked, with what is bound to it; see `warming.asked_of`.

        Returns:
            Whether there was one.

        Raises:
            InvalidInputError: One of them is something else.
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`, `entry_expiries` of one shard.
        **Trips:** 1.
        """
        return self._client.run(self._flows.entries.delete(self._flows.query(*asked_of(prompt, model)).name))

    async def adelete(self, prompt: Any, model: Any) -> bool:
        """Deletes one answer; see `delete`."""
        return await self._client.arun(self._flows.entries.delete(self._flows.query(*asked_of(prompt, model)).name))


class ExactQuery(NamedTuple):
    """The name of an answer's entry, and the model's short name."""

    name: bytes
    model: str


class ExactFlows(LLMCacheFlows[ExactQuery, NewItem]):
    """The flows of `RedisCache`.

    Args:
        client: The server's client.
        entries: The answers.
        stale_s: How long after its lifetime an answer may be served while it is made anew, in seconds.
        **options: See `LLMCacheFlows`.
    """

    def __init__(self, client: Client, entries: ShardedEntries, stale_s: float | None, **options: Any) -> None:
        super().__init__(client, **options)
        self.entries: ShardedEntries = entries
        self.best_effort: BestEffort = entries.best_effort
        self._stale_ms = milliseconds(stale_s, "stale_s") if self._ttl_ms else 0

    def query_flow(self, prompt: str, llm_string: str, *, after_lookup: bool = False) -> Flow[ExactQuery | None]:
        """Computes the query by which the answer to a prompt is found and stored."""
        yield from ()
        return self.query(prompt, llm_string)

    def query(self, prompt: str, llm_string: str) -> ExactQuery:
        """Computes the query for a prompt; nobody without the cipher's key can guess a prompt from its digest."""
        name = name_of(prompt, llm_string)
        return ExactQuery(name[:_MODEL_BYTES] + self.entries.name(name[_MODEL_BYTES:]), model_of(llm_string))

    def lease(self, query: ExactQuery) -> str:
        """Returns the key of the lease of an answer that is being made."""
        return self.entries.lease(query.name)

    def lookup_flow(self, prompt: str, llm_string: str) -> Flow[RETURN_VAL_TYPE | None]:
        """Looks up an answer, and counts."""
        began: float = yield Now()
        query = self.query(prompt, llm_string)
        try:
            item = yield from self.best_effort(self._find_flow(query))
        except CacheUnavailable:
            item = None
        found = None if item is None else self._decode(item.body, query.name)
        tally = self.best_effort.tally
        tally.add("misses" if found is None else "hits", model=query.model)
        if found is not None and item is not None:
            read, written = _tokens(item.body)
            tally.add("tokens_read", read, model=query.model)
            tally.add("tokens_written", written, model=query.model)
        ended: float = yield Now()
        tally.timed(ended - began, model=query.model)
        return found

    def _find_flow(self, query: ExactQuery) -> Flow[Item | None]:
        """Finds the entry that may be served, also one that another caller makes meanwhile."""
        read = self.entries.get_one(query.name)
        item = yield from ask(read)
        if item is None:
            return (yield from self._flights.join_flow(self.lease(query), read)) if self._flights else None
        if self._is_stale(item):
            return (yield from self._flights.refresh_flow(self.lease(query), item, read, self._is_stale))
        return item

    def explain_flow(self, prompt: Any, model: Any) -> Flow[Explanation[RETURN_VAL_TYPE]]:
        """Explains what a look-up would do."""
        asked, llm_string = asked_of(prompt, model)
        name, others, cursor = self.query(asked, llm_string).name, list[Candidate](), 0
        (item,) = yield from ask(self.entries.get([name]))
        found = None if item is None else self._decode(item.body, name)
        while True:  # a prompt's answers are all in one shard, whichever model gave them
            page = yield from ask(expiring_hash.page(self.entries.shard(name), cursor))
            theirs = [other for other, _ in page.items if other[_MODEL_BYTES:] == name[_MODEL_BYTES:] and other != name]
            others += [Candidate(asked, 1.0, None, "made by another model, or with other settings") for _ in theirs]
            cursor = page.cursor
            if not cursor:
                hit_id = "" if found is None else name.hex()
                parts = {"model": llm_string}
                return Explanation(asked, "", (), "", tuple(others), found, hit_id, parts)

    def report_flow(self, hit_id: str, *, correct: bool) -> Flow[bool]:
        """Counts whether an answer was right, and deletes a wrong one."""
        if not isinstance(hit_id, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * _NAME_BYTES}}}", hit_id):
            msg = f"{hit_id!r} is no id of an answer; take it from `explain`"
            raise InvalidInputError(msg)
        name = bytes.fromhex(hit_id)
        there = self.entries.get([name]).map(lambda found: found[0] is not None)
        op = there if correct else self.entries.delete(name)
        return (yield from reported_flow(self.best_effort.tally, op, correct=correct))

    def _is_stale(self, item: Item) -> bool:
        return bool(self._stale_ms) and item.left_ms is not None and item.left_ms <= self._stale_ms

    def _decode(self, body: bytes, name: bytes) -> RETURN_VAL_TYPE | None:
        try:
            return generations.decode(body.partition(b";")[2], self.entries.shard(name).items)
        except CorruptDataError as error:
            _log.warning("a cached answer counts as absent: %s", error)
            return None

    def lifetime(self) -> int:
        """Draws a new entry's lifetime in milliseconds, 0 for none, with the time in which it is served stale."""
        return super().lifetime() + self._stale_ms

    def refusal(self, prompt: str, answer: RETURN_VAL_TYPE) -> str | None:
        """Checks whether an answer may be cached, by the admission policy and by what the prompt asks for.

        It is called where an answer is stored, so that a hit costs nothing more.
        """
        question = None if self._admission.unrepeatable else read(prompt).question
        return super().refusal(prompt, answer) or (unrepeatable(question) if question else None)

    def entry(self, query: ExactQuery, prompt: str, answer: RETURN_VAL_TYPE) -> NewItem:
        """Builds the entry of an answer: what it cost, and its generations."""
        read, written = generations.tokens_of(answer, prompt)
        body = b"%d %d;" % (read, written) + generations.encode(answer)
        return NewItem(query.name, self.lifetime(), body)

    def store_flow(self, entries: list[NewItem]) -> Flow[None]:
        """Stores entries."""
        yield from ask(self.entries.put(entries))

    def store_batch_flow(self, entries: list[NewItem]) -> Flow[int]:
        """Stores entries; how many."""
        yield from self.store_flow(entries)
        return len(entries)

    def count(self) -> Op[int]:
        """Counts the entries."""
        return self.entries.count()

    def clear_flow(self, options: Mapping[str, Any]) -> Flow[None]:
        """Deletes every answer, or those of one model."""
        if set(options) - {"model", "llm_string"}:  # LangChain's name for a model that is described
            msg = f"clear takes model only, got {', '.join(sorted(options))}"
            raise InvalidInputError(msg)
        if (model := options.get("model", options.get("llm_string"))) is None:
            yield from ask(self.entries.clear())
            return
        mark, cursors = digest_of(asked_of("", model)[1]), self.entries.start()
        while cursors:
            for keys, page in (yield from self.entries.pages_flow(cursors)):
                if names := [name for name, _ in page.items if name.startswith(mark)]:
                    yield from ask(expiring_hash.remove(keys, names))

    def export_flow(self) -> Flow[None]:
        """Emits every entry as a line of JSON."""
        cursors = self.entries.start()
        while cursors:
            pages = yield from self.entries.pages_flow(cursors)
            yield Emit([_line(name, body) for _, page in pages for name, body in page.items])

    def imported(self, row: Any) -> NewItem:
        """Reads an entry from a line of an export."""
        name, body = bytes.fromhex(row["id"]), b64decode(row["entry"], validate=True)
        generations.decode(body.partition(b";")[2], "entry")
        if len(name) != _NAME_BYTES:
            msg = "its id has another length"
            raise ValueError(msg)
        return NewItem(name, self.lifetime(), body)


def name_of(prompt: str, llm_string: str) -> bytes:
    """Computes what an entry is named after: a digest of 12 bytes of the model, and one of 16 of the prompt."""
    check_text(prompt, "prompt")
    check_text(llm_string, "llm_string")
    return digest_of(llm_string) + _prompt_digest(prompt)


@lru_cache(maxsize=16)
def _prompt_digest(prompt: str) -> bytes:
    return blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _line(name: bytes, body: bytes) -> str:
    return json.dumps({"id": name.hex(), "entry": b64encode(body).decode()}) + "\n"


def _tokens(body: bytes) -> tuple[int, int]:
    """Reads the tokens that an answer cost, read and written; 0 where the entry does not say."""
    found = _TOKENS.match(body)
    return (int(found[1]), int(found[2])) if found else (0, 0)


_TOKENS = re.compile(rb"(\d{1,12}) (\d{1,12});")
