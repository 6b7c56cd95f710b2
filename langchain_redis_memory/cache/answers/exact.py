"""`ExactAnswerCache`: answers of `ConversationMemory` to the very same question in the very same context.

An answer is a key of its own, so that a cluster spreads them and each expires by itself. Beside them is an index of the
tenant, with an entry's marks under its digest and the same lifetime: by it answers are found again to be removed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from langchain_redis_memory.cache import epochs
from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion, decode_answer, encode_answer
from langchain_redis_memory.cache.answers.records import (
    CachedAnswer,
    CachedAnswers,
    LookupPreview,
    edited,
    stored_answer,
)
from langchain_redis_memory.cache.candidate import Candidate
from langchain_redis_memory.cache.decision_log import VERY_SAME
from langchain_redis_memory.cache.marks import AnswerFilter, Marks, marks_from, plain_text
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.errors import DecryptionError, InvalidInputError
from langchain_redis_memory.frozen import replace
from langchain_redis_memory.ops import Flow, Op, Reply, ask, merge, pure
from langchain_redis_memory.redis import expiring_hash
from langchain_redis_memory.redis.client.settings import read_settings
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.expiring_hash import NewItem
from langchain_redis_memory.redis.scripts import command
from langchain_redis_memory.redis.ttl import FromSettings, milliseconds

if TYPE_CHECKING:
    from langchain_redis_memory.redis.keys import EntryKeys, KeySpace


class ExactAnswerCache:
    """Answers the very same question in the very same context; white space at its ends aside.

    Args:
        ttl_s: Lifetime of an answer in seconds; None for no expiry. By default as the environment's settings say: 12
            hours, unless `REDIS_MEMORY_ANSWER_TTL_S` says otherwise.
        epoch: The key of a corpus's epoch: what is stored is served until it ends; see `RagCache.responses_epoch`. An
            answer is signed by the token of the epoch in which its turn began: the look-up notes it with the question,
            the store takes it from there; without a look-up nothing is stored.

    Raises:
        InvalidInputError: The lifetime is not positive.

    **Keys:** `answer`; `entries`, `entry_expiries` of the index; `epoch`.
    **Trips:** none; its operations are merged into the caller's.
    """

    def __init__(self, ttl_s: float | FromSettings | None = "settings", *, epoch: str | None = None) -> None:
        self._ttl_ms = milliseconds(read_settings("").answer_ttl_s if ttl_s == "settings" else ttl_s)
        self._epoch = epoch

    @property
    def records(self) -> ExactRecords:
        """Its entries, to look at and to remove."""
        return ExactRecords(self)

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        """Looks up the answer to the very same question; see `AnswerCache`. Damaged bytes count as a miss."""
        entry = asked.entry
        key = asked.space.answer(entry)

        def read(found: tuple[bytes, Sequence[Reply]]) -> Answer | None:
            token, (stored, left_ms) = found
            body = None if stored is None else _opened(key, stored)
            if self._epoch is not None:
                asked.notes[key] = token
                body = None if body is None else epochs.signed(token, body)
            answer = None if body is None else decode_answer(body, key, left_ms if left_ms >= 0 else None)
            return answer and replace(answer, entry=entry, kind="exact", why=VERY_SAME)

        token = pure(b"") if self._epoch is None else epochs.current(self._epoch, self._ttl_ms)
        return merge(token, Op[Sequence[Reply]]((("GET", key), ("PTTL", key)), list)).map(read)

    def store(self, asked: CacheQuestion, answer: Answer) -> Op[None]:
        """Keeps an answer; see `AnswerCache`."""
        ttl_ms = asked.lifetime_ms(self._ttl_ms)
        entry, body = asked.entry, encode_answer(answer, ttl_ms)
        key = asked.space.answer(entry)
        if self._epoch is not None:
            if key not in asked.notes:
                return pure(None)
            body = epochs.sign(asked.notes[key], body)
        lifetime = ("PX", ttl_ms) if ttl_ms else ()
        put = Op[None]((command("SET", (key,), key.encrypt(body), *lifetime),), lambda _replies: None)
        item = NewItem(bytes.fromhex(entry), ttl_ms, asked.marks.joined())
        return merge(put, expiring_hash.put(_index(asked.space), [item])).map(lambda _done: None)


class ExactRecords:
    """The entries of an `ExactAnswerCache`; see `AnswerRecords`.

    Without a tally they have the statistics that all exact caches of the asker's tenant share.
    """

    name = "exact"

    def __init__(self, cache: ExactAnswerCache, tally: Tally | None = None) -> None:
        self._cache, self._tally = cache, tally

    def tally(self, space: KeySpace) -> Tally:
        """Returns the statistics of a tenant; see `AnswerRecords`."""
        return self._tally or Tally(space.tally("answers", self.name))

    def delete_flow(self, space: KeySpace, wanted: AnswerFilter) -> Flow[int]:
        """Deletes the answers that are meant; see `AnswerRecords`."""
        deleted = cursor = 0
        while True:
            page = yield from ask(expiring_hash.page(_index(space), cursor))
            names = [name for name, body in page.items if wanted.fits(marks_from(body))]
            deleted += yield from ask(_remove(space, names))
            cursor = page.cursor
            if not cursor:
                return deleted

    def remove_flow(self, space: KeySpace, entries: Sequence[str]) -> Flow[int]:
        """Deletes answers by the ids of their entries; see `AnswerRecords`."""
        return (yield from ask(_remove(space, [_name(entry) for entry in dict.fromkeys(entries)])))

    def report(self, space: KeySpace, entry: str, *, correct: bool) -> Op[bool]:
        """Deletes an answer that was wrong, as no other question could get it; see `AnswerRecords`."""
        name = _name(entry)
        there = Op[bool]((("EXISTS", space.answer(entry)),), lambda replies: bool(replies[0]))
        return there if correct else _remove(space, [name]).map(bool)

    def page_flow(self, space: KeySpace, cursor: int) -> Flow[CachedAnswers]:
        """Reads through the entries; see `AnswerRecords`."""
        page = yield from ask(expiring_hash.page(_index(space), cursor))
        answers = yield from ask(merge(*(self._read(space, name.hex()) for name, _ in page.items)))
        return CachedAnswers([one for one, _ in filter(None, answers)], page.cursor)

    def entry_flow(self, space: KeySpace, entry: str) -> Flow[CachedAnswer | None]:
        """Reads one entry; see `AnswerRecords`."""
        answer = yield from ask(self._read(space, _name(entry).hex()))
        return answer and answer[0]

    def edit_flow(self, space: KeySpace, entry: str, text: str) -> Flow[bool]:
        """Replaces the words of an answer; see `AnswerRecords`."""
        key = space.answer(_name(entry).hex())
        found = yield from ask(self._read(space, entry))
        body = None if found is None else edited(found[1], key, text)
        if body is None:
            return False
        write = command("SET", (key,), key.encrypt(body), "XX", "KEEPTTL")
        return (yield from ask(Op((write,), lambda replies: replies[0] is not None)))

    def _read(self, space: KeySpace, entry: str) -> Op[tuple[CachedAnswer, bytes] | None]:
        """Reads an answer and its bytes."""
        key = space.answer(entry)

        def read(replies: Sequence[Reply]) -> tuple[CachedAnswer, bytes] | None:
            stored, left_ms = replies
            body = None if stored is None else _opened(key, stored)
            if body is None:
                return None
            left_s = left_ms / 1000 if left_ms >= 0 else None
            return CachedAnswer(entry, stored_answer(body, key, left_ms)[1], left_s=left_s), body

        return Op((("GET", key), ("PTTL", key)), read)

    def explain_flow(self, asked: CacheQuestion) -> Flow[LookupPreview]:
        """Explains a look-up; candidates are the answers to the same words under other keys. See `AnswerRecords`."""
        answer = yield from ask(self._cache.lookup(asked))
        marks, others, cursor = asked.marks, list[Candidate](), 0
        while True:
            page = yield from ask(expiring_hash.page(_index(asked.space), cursor))
            for name, body in page.items:
                theirs = marks_from(body)
                if theirs.question == marks.question and name.hex() != asked.entry:
                    others.append(Candidate(plain_text(asked.question), 1.0, None, _apart(marks, theirs)))
            cursor = page.cursor
            if not cursor:
                return LookupPreview(answer, others)


def _apart(marks: Marks, theirs: Marks) -> str:
    if theirs.scope != marks.scope:
        same_name = theirs.name == marks.name
        return "made by a chain of the same name that has changed" if same_name else "made by another chain"
    return "made for another context, input, asker or agent"


def _index(space: KeySpace) -> EntryKeys:
    return space.entries("answers", "")


def _remove(space: KeySpace, names: Sequence[bytes]) -> Op[int]:
    """Deletes answers, each where it is, and their lines in the index."""
    if not names:
        return pure(0)
    answers = Op[int](
        tuple(command("DEL", (space.answer(name.hex()),)) for name in names), lambda replies: sum(map(int, replies))
    )
    return merge(answers, expiring_hash.remove(_index(space), names)).map(lambda done: done[0])


def _opened(key: Key, stored: bytes) -> bytes | None:
    """Decrypts an answer; one that cannot be decrypted is a miss."""
    try:
        return key.decrypt(stored)
    except DecryptionError:
        return None


def _name(entry: str) -> bytes:
    if isinstance(entry, str) and re.fullmatch(r"[0-9a-f]{40}", entry):
        return bytes.fromhex(entry)
    msg = f"{entry!r} is not the id of an entry; take it from `Answer.entry`, a hit's report or `explain`"
    raise InvalidInputError(msg)
