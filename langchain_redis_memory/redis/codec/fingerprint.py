"""Describes a chain: two chains share cached answers only if their descriptions are equal.

Models, prompts, parsers and whatever LangChain composes of them (sequences, bindings, retries, fallbacks, configs) are
described by what decides their answers; secrets, names and callbacks are left out. A function or another object that
cannot be described is *opaque*: it is named, so that its owner can name the chain (`scope=`), and what surrounds it is
described all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import is_dataclass
from enum import Enum
from operator import is_
from typing import Any, NamedTuple

from langchain_core.language_models import BaseLanguageModel
from langchain_core.load import Serializable, dumpd
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import BaseModel, SecretStr

from langchain_redis_memory.errors import UnserialisableError
from langchain_redis_memory.extras import loaded
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.redis.codec.data import EXACT as _EXACT
from langchain_redis_memory.redis.codec.data import LABELS as _LABELS
from langchain_redis_memory.redis.codec.data import is_exact as _exact
from langchain_redis_memory.redis.codec.data import is_langchains as _is_langchains
from langchain_redis_memory.redis.codec.data import is_plain as _is_plain
from langchain_redis_memory.redis.codec.data import path_of as _path
from langchain_redis_memory.redis.codec.data import read_data, token
from langchain_redis_memory.redis.codec.values import digest


class Description(Frozen):
    """A description of a chain, by which equal chains are known in every process.

    Args:
        digest: Hexadecimal digits, equal in every process for equal chains; an opaque part counts by its name, its code
            and the plain data that it was made with.
        opaque: Names of the parts that cannot be described, in order, each once.
        acts: Whether a part that is not LangChain's own, and no model, may read the config and have effects.
        computed: Functions from which its prompts take what is in them by then, such as the day.
        selectors: Names of what chooses its prompts' examples from somewhere that cannot be described.
        live: Its models and vector stores' retrievers, whose settings somebody may change.
    """

    digest: str
    opaque: tuple[str, ...]
    acts: bool
    computed: tuple[Callable[[], Any], ...] = ()
    selectors: frozenset[str] = frozenset()
    live: tuple[LiveSettings, ...] = ()


class _Findings:
    """The findings about a chain: names of opaque parts, whether a part may have effects, what prompts compute."""

    def __init__(self) -> None:
        self.opaque: dict[str, None] = {}
        self.acts = False
        self.computed: list[Callable[[], Any]] = []
        self.selectors: set[str] = set()
        self.live: list[LiveSettings] = []

    def watch(self, part: Any) -> None:
        """Notes a model or a retriever, whose settings somebody may change."""
        if all(one.part is not part for one in self.live):
            self.live.append(LiveSettings(part))

    def said(self, model: BaseLanguageModel[Any]) -> tuple[Any, bool]:
        """Notes a model inside of an opaque part; what is said of it, and whether that is all."""
        self.watch(model)
        return _said(model)

    def met(self, part: Any) -> None:
        """Notes what decides by itself: how a vector store is searched, what a prompt takes from functions."""
        if isinstance(part, BasePromptTemplate):
            self.computed += filter(callable, part.partial_variables.values())
        if isinstance(part, loaded("langchain_core.vectorstores.base", "VectorStoreRetriever")):
            self.watch(part)


class _SeenSettings(NamedTuple):
    """The settings of an object at a moment: all its values themselves, and copies of those that may decide.

    Most are still the same ones when the next turn looks; then only what can be changed in place is compared.
    """

    values: dict[str, Any]
    fields: Any
    mutable: list[str]
    unsure: bool

    def still_are(self, found: dict[str, Any]) -> bool:
        """Returns whether an object surely has the same settings; a list of objects may now be one of plain data."""
        if self.unsure or found.keys() != self.values.keys() or not all(map(is_, found.values(), self.values.values())):
            return False
        return all(equal_fields(found[name], self.fields[name]) for name in self.mutable)


class LiveSettings:
    """The settings of a model or a retriever, which may be changed after it was described.

    What it counts or notes by itself decides nothing: a list that was empty when it was described, and in a class of
    somebody's own a whole number that begins at 0 and is not among what the class says that identifies it.

    Args:
        part: The model or the retriever.
    """

    def __init__(self, part: Any) -> None:
        self.part = part
        empty = {name for name, value in list(vars(part).items()) if isinstance(value, list) and not value}
        self._notes = {name for name in empty if not name.startswith("stop")}
        self.renew()

    def renew(self) -> None:
        """Takes the settings of now for those that it was described by."""
        self._seen = self._look(dict(vars(self.part)))
        self._decides = _copied(self._deciding())

    def _look(self, values: dict[str, Any]) -> _SeenSettings:
        fields = self._settable(values)
        mutable = [name for name, value in fields.items() if type(value) not in _EXACT]
        others = (value for name, value in values.items() if name not in fields and name not in self._notes)
        return _SeenSettings(values, _copied(fields), mutable, any(isinstance(value, list) for value in others))

    def changed(self) -> bool:
        """Checks whether what decides its answers is another by now."""
        found, seen = dict(vars(self.part)), self._seen
        if seen.still_are(found):
            return False
        now = self._look(found)
        if not equal_fields(now.fields, seen.fields) and not equal_fields(self._deciding(), self._decides):
            return True
        self._seen = now
        return False

    def _settable(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in _settable(found).items() if name not in self._notes}

    def _deciding(self) -> list[Any]:
        """What the part itself says of its settings."""
        part = self.part
        if isinstance(part, loaded("langchain_core.vectorstores.base", "VectorStoreRetriever")):
            return [part.search_type, part.search_kwargs]
        dumped = dumpd(part)
        if _whole(dumped):
            return [self._settable(dumped["kwargs"])]
        own = {name: value for name, value in _settings(part).items() if name not in self._notes}
        counts = {name for name in own if type(start := type(part).model_fields[name].default) is int and start == 0}
        said = self._settable(getattr(part, "_identifying_params", {}))
        return [said, {name: value for name, value in own.items() if name not in counts}]


def plain_fields(thing: Any) -> Any:
    """Copies the fields of an object that somebody may set to another value, such as a model's temperature."""
    if isinstance(thing, dict):
        return _copied(thing)
    found = _settable(vars(thing)).items()
    return _copied({name: item for name, item in found if name.startswith("stop") or not isinstance(item, list)})


def _settable(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in list(found.items())  # another thread may set one
        if name != "_serialized"
        and (isinstance(value, _SETTINGS) or name.startswith("stop") or (isinstance(value, list) and _is_plain(value)))
    }


_SETTINGS = (str, int, float, dict, bytes, tuple, Enum)


def _copied(value: Any) -> Any:
    """Copies plain data in its depth, and objects that compare by their fields; others stand for themselves."""
    if type(value) in _EXACT:
        return value
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in list(value.items())}
    if type(value) in {list, tuple, set}:
        return type(value)(map(_copied, value))
    if isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type)):
        try:
            return deepcopy(value)
        except Exception:  # noqa: BLE001 - what cannot be copied is equal to nothing: it is looked at each time
            return object()
    return value


def equal_fields(one: Any, other: Any) -> bool:
    """Compares two copies of fields; what cannot be compared, such as arrays, is another each time."""
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - an object of anybody's compares itself
        return False


def describe(part: Any) -> Description:
    """Describes a runnable by what decides its answers.

    Returns its description, with the names of what could not be described.
    """
    findings = _Findings()
    described = digest({"described": _describe(part, findings)})
    parts = tuple(findings.computed), frozenset(findings.selectors), tuple(findings.live)
    return Description(described, tuple(findings.opaque), findings.acts, *parts)


def fingerprint(part: Any) -> str | None:
    """Describes a runnable, if all of it can be described.

    Returns hexadecimal digits, equal in every process; None where something in it cannot be described.
    """
    description = describe(part)
    return None if description.opaque else description.digest


def made_of(part: Any, keeper: Any = None) -> str:
    """Describes a function or an object by all that it was made with, so that what differs never shares a name.

    An object in it that cannot be read whole, such as a connection, counts as that one object of this process.

    Args:
        part: The function or the object.
        keeper: What stands for what cannot be known again; None: the part itself.

    Returns hexadecimal digits, equal in every process where all can be read.

    Raises:
        ConfigError: Neither what cannot be read nor its keeper can be told from what is made after it.
    """
    keeper = part if keeper is None else keeper
    return digest({"made": read_data(part, _said, lambda unread: token(unread, keeper))})


def unread_in(part: Any, keeper: Any) -> list[str]:
    """Names what cannot be read whole in a function or an object, each as that one object of this process.

    Raises `ConfigError` as `made_of` does.
    """
    found: list[str] = []

    def note(unread: Any) -> str:
        found.append(token(unread, keeper))
        return found[-1]

    read_data(part, _said, note)
    return found


def _said(model: BaseLanguageModel[Any]) -> tuple[Any, bool]:
    """What is said of a model, and whether that is all."""
    said = _model(model, findings := _Findings())
    return said, not findings.opaque


def _describe(value: Any, findings: _Findings) -> Any:
    """Describes a value as plain data; what cannot be described is noted and represented by its name."""
    if value is None or type(value) in {bool, int, float, str}:
        return value
    if isinstance(value, Mapping):
        # A mapping of tool schemas or arguments: its keys are data, a key called "name" included.
        # A model is shown a schema in its order, and reasons before it answers or after.
        return {str(name): _describe(item, findings) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_describe(item, findings) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_describe(item, findings) for item in value), key=repr)
    if isinstance(value, SecretStr):
        return "secret"
    if isinstance(value, type):
        schema = value.model_json_schema() if issubclass(value, BaseModel) else None
        return [_path(value), schema]
    if isinstance(value, Enum):
        return [_path(type(value)), value.name]
    if isinstance(value, BaseLanguageModel):
        return _model(value, findings)
    if type(value) in _EXACT:
        return [_path(type(value)), repr(value)]
    if is_configurable_model(value):
        return [_path(type(value)), {name: _describe(vars(value)[name], findings) for name in sorted(vars(value))}]
    if isinstance(value, BaseModel) and _is_langchains(type(value)) and not isinstance(value, RunnableLambda):
        findings.met(value)
        selector = getattr(value, "example_selector", None) if isinstance(value, BasePromptTemplate) else None
        if selector is not None and describe(selector).opaque:
            findings.selectors.add(type(selector).__name__)
        return [_path(type(value)), {name: _describe(item, findings) for name, item in _fields(value)}]
    if isinstance(value, Serializable) and _whole(dumped := dumpd(value)):
        findings.acts = findings.acts or isinstance(value, Runnable)  # its fields are known, not what it reads and does
        return _plain(dumped)
    return _opaque(value, findings)


def _fields(value: BaseModel) -> Iterator[tuple[str, Any]]:
    """The fields of one of LangChain's own objects that decide answers."""
    for name in type(value).model_fields:
        item = getattr(value, name)
        if name == "config" and isinstance(item, Mapping):
            item = {part: item[part] for part in ("configurable", "metadata", "tags") if item.get(part)}
        if name == "kwargs" and isinstance(item, Mapping):  # a call's arguments, of which only the names count
            item = dict(sorted(item.items()))
        if name not in _LABELS and item not in (None, [], {}):
            yield name, item


def _model(model: BaseLanguageModel[Any], findings: _Findings) -> Any:
    """A model as LangChain serialises it, or by what it calls its identifying parameters, as LangChain's caches do."""
    findings.watch(model)
    dumped = dumpd(model)
    if _whole(dumped):
        return _plain(dumped)
    owner = next((base for base in type(model).__mro__ if "_identifying_params" in vars(base)), None)
    says_nothing = owner is None or owner.__module__.startswith("langchain_core.language_models.")
    if says_nothing and not _is_langchains(type(model)):
        return _opaque(model, findings)
    return [_path(type(model)), _describe(getattr(model, "_identifying_params", {}), findings), _settings(model)]


def _settings(model: BaseLanguageModel[Any]) -> dict[str, Any]:
    """The plain data in a model class of somebody's own, which its identifying parameters may have left out."""
    if _is_langchains(type(model)):
        return {}
    values = {name: getattr(model, name, None) for name in type(model).model_fields if name not in _LABELS}
    others = {name: read_data(value, _said) for name, value in values.items() if value and isinstance(value, _SETTINGS)}
    return others | {name: repr(value) for name, value in values.items() if _is_plain(value)}


def is_configurable_model(value: Any) -> bool:
    """Checks whether a value is what `init_chat_model` makes for a model that each call's config names."""
    return type(value).__name__ == "_ConfigurableModel" and type(value).__module__.startswith("langchain.")


def _opaque(value: Any, findings: _Findings) -> list[str]:
    function = getattr(value, "func", None) or getattr(value, "afunc", None) or value
    name = getattr(function, "__qualname__", "")
    called = f"{type(value).__name__}({name})" if name and function is not value else name or _path(type(value))
    findings.opaque[called] = None
    retriever = loaded("langchain_core.vectorstores.base", "VectorStoreRetriever")
    findings.acts = findings.acts or not isinstance(value, (BaseLanguageModel, retriever))
    return ["opaque", called, read_data(function, findings.said, met=findings.met)]


_LANGGRAPH = ("checkpoint_", "__")


def deciding_settings(configurable: Mapping[str, Any], *separated: str) -> dict[str, Any]:
    """Returns the settings of a config's `configurable` that may decide a result, to be made part of a cache key.

    Left out is what names a conversation and what LangGraph adds for itself, so that conversations may share; and the
    settings by which the caller's keys are `separated` already.
    """
    places = {"session_id", "thread_id", *separated}
    return {
        name: value for name, value in configurable.items() if name not in places and not name.startswith(_LANGGRAPH)
    }


def _whole(value: Any) -> bool:
    if isinstance(value, dict):
        if value.get("lc") == 1 and value.get("type") == "not_implemented":
            return False
        return all(_whole(item) for name, item in value.items() if name not in _dumped_labels(value))
    if isinstance(value, list):
        return all(map(_whole, value))
    return True


def _dumped_labels(value: dict[str, Any]) -> set[str]:
    """What LangChain adds to an object's description for people; a name inside a tool or a prompt is no label."""
    return {"name", "graph"} if value.get("lc") == 1 else set()


def _plain(value: Any) -> Any:
    """Removes what differs from one construction to the next and changes no answer."""
    if isinstance(value, dict):
        labels = _dumped_labels(value)
        return {str(name): _plain(item) for name, item in value.items() if name not in labels}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def describable(value: Any) -> bool:
    """Returns whether a value's bytes identify it, so that different values never share a key.

    Returns False for what cannot be stored, and for an enum or another subclass, which would be stored as what it
    extends.
    """
    try:
        digest({"value": value})
    except UnserialisableError:
        return False
    return _exact(value)
