"""`@cache.cached(...)`: a function whose results are kept, with `.refresh(...)` and `.invalidate(...)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from string import Formatter
from typing import Any, Generic, ParamSpec, TypeVar, cast

from langchain_redis_memory.checks import check_several
from langchain_redis_memory.errors import ConfigError, UnknownKeywordError
from langchain_redis_memory.redis.codec.values import digest

P = ParamSpec("P")
R = TypeVar("R")
_BRACES = frozenset("{}")


class CachedFunction(Generic[P, R]):
    """Wraps a function so that its results are cached. Made by `RedisValueCache.cached`; called as the function itself.

    Args:
        cache: The cache, a `RedisValueCache`.
        function: The function, `def` or `async def`.
        key: The name of a result, with the function's arguments in braces; None for a digest of all of them.
        tags: Its tags, with arguments in braces.
        user: The argument that names the user, or a text with arguments in braces; None for none.
        options: Options of `RedisValueCache.get_or_load`.

    Raises:
        ConfigError: It is no function, or a template names an argument that the function does not have.
    """

    def __init__(
        self,
        cache: Any,
        function: Callable[P, R],
        key: str | None,
        tags: Sequence[str],
        user: str | None,
        options: Mapping[str, Any],
    ) -> None:
        if not callable(function):
            raise ConfigError(f"cached() takes its options by keyword, as cached(key='user:{{id}}'), got {function!r}")
        self._cache, self._options = cache, options
        self._function: Callable[..., Any] = function
        self.__name__: str = getattr(function, "__name__", "function")
        self.__qualname__: str = getattr(function, "__qualname__", self.__name__)
        self._signature = inspect.signature(function)
        self._key, self._tags = key, tuple(check_several(tags, "tags"))
        self._user = f"{{{user}}}" if user is not None and user.isidentifier() else user
        for template in filter(None, (key, *self._tags, self._user)):
            self._check(template)
        self._made = "" if key is not None else _describe(function)
        self._fields, self._between = _several(key) if key is not None else ([], "")
        self._check_user()
        self._object: dict[str, Any] = {}
        self._read_parameters()
        update_wrapper(self, function)
        self._is_async = inspect.iscoroutinefunction(function)

    def _check(self, template: str) -> None:
        for first in _arguments(template):
            if first not in self._signature.parameters:
                raise ConfigError(f"{template!r} names {first!r}, which {self.__name__} does not take")

    def _check_user(self) -> None:
        """Refuses a name that does not tell users apart, though the function is told who it is about."""
        if self._key is None or self._user is None:
            return
        if missing := sorted(_arguments(self._user) - _arguments(self._key)):
            raise ConfigError(
                f"the key {self._key!r} does not name {missing[0]!r}, which names the user, so users would be given "
                f"each other's results: add {{{missing[0]}}} to it"
            )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function, or gives what is kept; awaitable where the function is a coroutine function."""
        return cast("R", self._run(args, kwargs, force=False))

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function and keeps the result; awaitable where the function is a coroutine function."""
        return cast("R", self._run(args, kwargs, force=True))

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Deletes the result for these arguments; awaitable where the function is a coroutine function."""
        key = self.key(*args, **kwargs)
        return self._cache.adelete(key) if self._is_async else self._cache.delete(key)

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Returns the name under which the result for these arguments is kept."""
        return self._name(self._bound(args, kwargs))

    def _read_parameters(self) -> None:
        """Reads what binding arguments needs, once: `Signature.bind` takes as long as a trip's work in this process."""
        parameters = [one for one in self._signature.parameters.values() if one.name not in self._object]
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        self._plain = all(one.kind in kinds for one in parameters)
        self._positional = [one.name for one in parameters if one.kind is kinds[0]]
        self._required = {one.name for one in parameters if one.default is one.empty}
        self._defaults = {one.name: None if one.default is one.empty else one.default for one in parameters}

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if self._plain and len(args) <= len(self._positional):
            given = dict(zip(self._positional, args, strict=False))
            if given.keys().isdisjoint(kwargs):
                given.update(kwargs)
                if self._required <= given.keys() <= self._defaults.keys():
                    return {**self._defaults, **given, **self._object}
        args = (*self._object.values(), *args)
        bound = self._signature.bind(*args, **kwargs)  # this says what is wrong with the arguments
        bound.apply_defaults()
        return dict(bound.arguments)

    def _name(self, arguments: Mapping[str, Any]) -> str:
        if self._fields:
            parts = ((literal, _quoted(field.format_map(arguments), self._between)) for literal, field in self._fields)
            return "".join(part for pair in parts for part in pair)
        if self._key is not None:
            return self._key.format_map(arguments)
        # Since Python 3.13 a class method's class is an argument like any other.
        owners = self._object.keys() | {name for name, value in arguments.items() if isinstance(value, type)}
        given = {name: value for name, value in arguments.items() if name not in owners}
        owner = [_describe(value) for name, value in arguments.items() if name in owners]
        return f"{self.__module__}.{self.__qualname__}:{digest({'given': given, 'made': self._made, 'owner': owner})}"

    def _run(self, args: Any, kwargs: Any, *, force: bool) -> Any:
        arguments = self._bound(args, kwargs)
        options = {
            **self._options,
            "tags": [tag if _BRACES.isdisjoint(tag) else tag.format_map(arguments) for tag in self._tags],
            "user": None if self._user is None else self._user.format_map(arguments),
            "refresh": force,
        }
        call = self._cache.aget_or_load if self._is_async else self._cache.get_or_load
        return call(self._name(arguments), lambda: self._function(*args, **kwargs), **options)

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        """Binds the function to an object, as a method."""
        if owner is None:
            return self
        bound: Any = CachedFunction.__new__(CachedFunction)
        bound.__dict__.update(self.__dict__)
        bound._function = self._function.__get__(owner, kind)
        bound._object = {next(iter(self._signature.parameters)): owner}
        bound._read_parameters()
        return bound


def decorator(cache: Any, function: Any, key: Any, tags: Any, user: Any, options: Mapping[str, Any]) -> Any:
    """Makes what `RedisValueCache.cached` gives: the function where it is given, as to a bare decorator, else one."""
    unknown = options.keys() - inspect.signature(cache.get_or_load).parameters.keys()
    if unknown:
        msg = f"cached() has no option {', '.join(sorted(unknown))}; it takes those of get_or_load"
        raise UnknownKeywordError(msg)
    if function is not None:
        return CachedFunction(cache, function, key, tags, user, options)
    return lambda function: CachedFunction(cache, function, key, tags, user, options)


def _describe(part: Any) -> str:
    """Names a function, or a method's object, by what it is made of."""
    from langchain_redis_memory.redis.codec.fingerprint import made_of  # a named result needs none of LangChain

    return made_of(part)


def _arguments(template: str) -> set[str]:
    """The arguments that a template names."""
    named = (name for _, name, _, _ in Formatter().parse(template) if name is not None)
    return {name.partition(".")[0].partition("[")[0] for name in named}


def _several(key: str) -> tuple[list[tuple[str, str]], str]:
    """Splits a name of several arguments, so that "a:b" and "c" are never taken for "a" and "b:c".

    Returns:
        Each argument's template behind the text before it, and the characters that are quoted in arguments, as they
        stand between them; nothing for a name of one argument.

    Raises:
        ConfigError: Two arguments have nothing between them.
    """
    fields: list[tuple[str, str]] = []
    between, gap = "", "start"
    for literal, name, spec, conversion in Formatter().parse(key):
        gap += literal
        if name is None:
            fields.append((literal, ""))
            continue
        if not gap:
            raise ConfigError(f"{key!r} has two arguments with nothing between them: put a ':' there")
        between += gap if any(field for _, field in fields) else ""
        gap = ""
        fields.append((literal, f"{{{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}}}"))
    return (fields, between + "%") if between else ([], "")


def _quoted(value: str, characters: str) -> str:
    """Spells some characters of a text by their bytes, as a URL does."""
    return "".join("%" + each.encode("utf-8", "surrogatepass").hex() if each in characters else each for each in value)
