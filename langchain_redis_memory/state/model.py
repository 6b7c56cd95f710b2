"""`ConversationState`: what is known of a conversation besides its messages, and how a turn changes it. Pure.

What a turn contributes is a `StateDelta` that does not depend on the state (`delta_of`), and `apply_delta` adds one to
a state; so deltas of concurrent turns can be kept beside a state and added later, in the order in which the server
received them: nothing is lost. A mention makes an entity salient, every turn lets salience decay, and only the most
salient are kept, so a state stays small however long the conversation is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, NamedTuple

from langchain_redis_memory.checks import check_text, check_type
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.phrases import key_of, language_of, phrases_in
from langchain_redis_memory.redis.cas_record import Version

SCHEMA = 1
"""Of the stored form; one that is newer is left alone."""

MOST_ENTITIES = 50
MOST_TOPICS = 8
_MOST_DOCUMENTS = 20
_LONGEST_QUERY = 500
_DECAY = 0.8
"""Of an entity's salience with every turn."""
_FAINT = 0.02
"""An entity that is less salient is forgotten."""
_WEIGHTS = {(True, True): 1.0, (True, False): 0.7, (False, True): 0.4, (False, False): 0.1}
"""Of a mention: (by the user, as a name) -> salience."""


class Entity(NamedTuple):
    """Holds something that was mentioned in a conversation, and how present it is.

    Args:
        name: As it was first spelled.
        salience: How present it is: mentions add to it, every turn takes a fifth.
        mentions: In how many turns it was mentioned.
        last_turn: The number of the turn that mentioned it last, from 1.
    """

    name: str
    salience: float
    mentions: int
    last_turn: int


@dataclass(frozen=True)
class Search:
    """Records a search of the retriever.

    Args:
        query: What the retriever was asked.
        document_ids: What it found, by id (or source, where a document has none).
        epoch: Of the documents at that time, where their owner counts epochs.
    """

    query: str
    document_ids: tuple[str, ...] = ()
    epoch: int | str | None = None


@dataclass(frozen=True)
class ConversationState:
    """Holds the state of a conversation: its topic, what was mentioned, counts, and fields of the application's own.

    Args:
        turns: User turns so far.
        entities: The most salient first, at most 50.
        topic: What is spoken of now; None where nothing was named yet.
        topics: What was spoken of before, the latest last, at most 8; going back to one takes it out.
        depth: Turns in the current topic.
        search: The last look-up in the documents.
        counts: How many turns of each question type there were.
        language: Of the user's last turn that was long enough to tell, such as "en".
        fields: The application's own.
        version: Which version of the stored state it is; a save compares it.
    """

    turns: int = 0
    entities: tuple[Entity, ...] = ()
    topic: str | None = None
    topics: tuple[str, ...] = ()
    depth: int = 0
    search: Search | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    language: str | None = None
    fields: Any = field(default_factory=dict)
    version: Version = field(default=Version(), compare=False, repr=False)


@dataclass(frozen=True)
class StateDelta:
    """What one turn contributes to a state.

    Args:
        mentions: Phrases with their weights, the user's first.
        kind: The question's type, None where it is not known.
        language: Of the user's words, None where they are too few to tell.
        search: The look-up of this turn, if there was one.
    """

    mentions: tuple[tuple[str, float], ...] = ()
    kind: str | None = None
    language: str | None = None
    search: Search | None = None


def delta_of(turn: str, answer: str, verdict: Verdict | None = None, search: Search | None = None) -> StateDelta:
    """Extracts what one turn contributes to a state. Returns the delta: the same for the same turn in any state."""
    mentions: dict[str, tuple[str, float]] = {}
    language = language_of(turn)
    for text, spoken, by_user in ((turn, language, True), (answer, language_of(answer), False)):
        for phrase in phrases_in(text, spoken, 30):
            key = key_of(phrase.text)
            name, weight = mentions.get(key, (phrase.text, 0.0))
            mentions[key] = (name, weight + _WEIGHTS[by_user, phrase.named])
    if search is not None:
        search = Search(search.query[:_LONGEST_QUERY], tuple(search.document_ids)[:_MOST_DOCUMENTS], search.epoch)
    return StateDelta(tuple(mentions.values())[:40], str(verdict.type) if verdict else None, language, search)


def apply_delta(state: ConversationState, delta: StateDelta) -> ConversationState:
    """Applies what one turn contributes to a state."""
    turns = state.turns + 1
    topic, topics, depth = _topic(state, delta)
    counts = dict(state.counts)
    if delta.kind is not None:
        counts[delta.kind] = counts.get(delta.kind, 0) + 1
    return replace(
        state,
        turns=turns,
        entities=_entities(state.entities, delta.mentions, turns),
        topic=topic,
        topics=topics,
        depth=depth,
        search=delta.search or state.search,
        counts=counts,
        language=delta.language or state.language,
    )


def advance(
    state: ConversationState, turn: str, answer: str, verdict: Verdict | None = None, search: Search | None = None
) -> ConversationState:
    """Advances a state by a turn: entities, topic, depth, counts, language and search, by rules.

    Args:
        state: Before the turn.
        turn: What the user said.
        answer: What was answered.
        verdict: What the classifier decided.
        search: The look-up of this turn.

    Returns:
        The state after it.
    """
    check_type(state, ConversationState, "state", "a ConversationState")
    check_type(verdict, (Verdict, NoneType), "verdict", "a Verdict or None")
    check_type(search, (Search, NoneType), "search", "a Search or None")
    delta = delta_of(check_text(turn, "turn"), check_text(answer, "answer"), verdict, search)
    return apply_delta(state, delta)


def _entities(known: Sequence[Entity], mentions: Sequence[tuple[str, float]], turn: int) -> tuple[Entity, ...]:
    kept = {key_of(name): (name, salience * _DECAY, count, last) for name, salience, count, last in known}
    for spelled, weight in mentions:
        key = key_of(spelled)
        name, salience, count, _last = kept.get(key, (spelled, 0.0, 0, turn))
        kept[key] = (name, salience + weight, count + 1, turn)
    return _most_salient(entity for entity in kept.values() if entity[1] >= _FAINT)


def _most_salient(entities: Iterable[tuple[str, float, int, int]]) -> tuple[Entity, ...]:
    """Returns the most salient first, and of equal ones the first by name."""
    ordered = sorted([(-salience, name, mentions, turn) for name, salience, mentions, turn in entities])
    return tuple([Entity(name, -less, mentions, turn) for less, name, mentions, turn in ordered[:MOST_ENTITIES]])


def _topic(state: ConversationState, delta: StateDelta) -> tuple[str | None, tuple[str, ...], int]:
    """The topic, the earlier ones, and the turns in it, after a turn."""
    said = [(name, weight) for name, weight in delta.mentions if weight >= _WEIGHTS[True, False]]
    if delta.kind == QuestionType.HISTORY_RECALL:
        return state.topic, state.topics, state.depth
    stays = delta.kind is not None and delta.kind != QuestionType.NEW_TOPIC
    if not said or (stays and state.topic is not None):
        return state.topic, state.topics, state.depth + 1
    words = {word for name, _ in said for word in key_of(name).split()}
    if _speak_of(words, state.topic):
        return state.topic, state.topics, state.depth + 1
    for earlier in reversed(state.topics):
        if _speak_of(words, earlier):
            left = tuple(topic for topic in state.topics if topic != earlier)
            return earlier, _pushed(left, state.topic), 1
    new = max(said, key=lambda mention: mention[1])[0]
    return new, _pushed(state.topics, state.topic), 1


def _pushed(topics: tuple[str, ...], topic: str | None) -> tuple[str, ...]:
    return topics if topic is None else (*topics, topic)[-MOST_TOPICS:]


def _speak_of(words: set[str], topic: str | None) -> bool:
    return topic is not None and words.issuperset(key_of(topic).split())


# --- as plain data ------------------------------------------------------------------------------------------------


def plain(state: ConversationState) -> dict[str, Any]:
    """Converts a state to plain data: what is stored, and what classifiers and selectors are given."""
    search = state.search
    return {
        "turns": state.turns,
        "entities": [
            {"name": name, "salience": salience, "mentions": mentions, "last_turn": last_turn}
            for name, salience, mentions, last_turn in state.entities
        ],
        "topic": state.topic,
        "topics": list(state.topics),
        "depth": state.depth,
        "search": _plain_search(search),
        "counts": dict(state.counts),
        "language": state.language,
        "fields": state.fields,
    }


def _plain_search(search: Search | None) -> dict[str, Any] | None:
    if search is None:
        return None
    return {"query": search.query, "document_ids": list(search.document_ids), "epoch": search.epoch}


def from_plain(fields: Mapping[str, Any]) -> ConversationState:
    """Builds a state from plain data. Raises `ValueError`: it is something else."""
    try:
        return ConversationState(
            turns=_count(fields["turns"]),
            entities=_most_salient(map(_entity, fields["entities"])),
            topic=_text(fields["topic"], optional=True),
            topics=tuple(_text(topic) for topic in fields["topics"])[-MOST_TOPICS:],
            depth=_count(fields["depth"]),
            search=_search(fields["search"]),
            counts={_text(kind): _count(count) for kind, count in fields["counts"].items()},
            language=_text(fields["language"], optional=True),
            fields=dict(fields["fields"]),
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no state of a conversation: {error!r}") from None


def plain_delta(delta: StateDelta) -> list[Any]:
    """Encodes a delta as plain data."""
    return [[list(mention) for mention in delta.mentions], delta.kind, delta.language, _plain_search(delta.search)]


def delta_from_plain(fields: Sequence[Any]) -> StateDelta:
    """Decodes a delta from plain data. Raises `ValueError`: it is something else."""
    try:
        mentions, kind, language, search = fields
        return StateDelta(
            tuple((_text(name), _number(weight)) for name, weight in mentions),
            _text(kind, optional=True),
            _text(language, optional=True),
            _search(search),
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no delta of a conversation: {error!r}") from None


def _entity(fields: Mapping[str, Any]) -> tuple[str, float, int, int]:
    name, salience, mentions, turn = fields["name"], fields["salience"], fields["mentions"], fields["last_turn"]
    usual = type(name) is str and type(salience) is float and type(mentions) is int and type(turn) is int
    if usual and 0 <= salience < 1e9 and mentions >= 0 and turn >= 0:
        return name, salience, mentions, turn
    return _text(name), _number(salience), _count(mentions), _count(turn)


def _search(fields: Any) -> Search | None:
    if fields is None:
        return None
    return Search(_text(fields["query"]), tuple(_text(name) for name in fields["document_ids"]), fields["epoch"])


def _text(value: Any, *, optional: bool = False) -> Any:
    if isinstance(value, str) or (optional and value is None):
        return value
    raise TypeError(f"expected text, got {type(value).__name__}")


def _count(value: Any) -> int:
    if type(value) is int and value >= 0:
        return value
    raise TypeError("expected a whole number")


def _number(value: Any) -> float:
    if type(value) in (int, float) and 0 <= value < 1e9:
        return float(value)
    raise TypeError("expected a number")
