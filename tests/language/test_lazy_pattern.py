"""Patterns that are compiled at their first use: they behave as compiled ones, and each of the package compiles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import pytest

from langchain_redis_memory import language
from langchain_redis_memory.language.lazy_pattern import LazyPattern, lazy_pattern
from langchain_redis_memory.language.lexicon import lexicon


def test_it_behaves_as_a_compiled_one() -> None:
    lazy, compiled = lazy_pattern(r"(?P<word>\w+)!", re.IGNORECASE), re.compile(r"(?P<word>\w+)!", re.IGNORECASE)
    text = "Ha! Oh, ho!"
    assert lazy.findall(text) == compiled.findall(text)
    assert lazy.sub(r"\g<word>?", text) == compiled.sub(r"\g<word>?", text)
    assert (lazy.groups, lazy.pattern, lazy.flags) == (compiled.groups, compiled.pattern, compiled.flags)
    assert [found["word"] for found in lazy.finditer(text)] == ["Ha", "ho"]


def test_it_is_compiled_once_and_no_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    compiling = re.compile

    def noted(pattern: str, flags: int = 0) -> re.Pattern[str]:
        seen.append(pattern)
        return compiling(pattern, flags)

    monkeypatch.setattr(re, "compile", noted)
    lazy = lazy_pattern("a+b")
    assert seen == []
    assert [bool(lazy.search("aab")), bool(lazy.search("b"))] == [True, False]
    assert seen == ["a+b"]


def within(value: object) -> Iterator[LazyPattern]:
    if isinstance(value, LazyPattern):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from within(one)


def test_each_of_the_package_compiles() -> None:
    modules = [import_module(module.name) for module in walk_packages(language.__path__, f"{language.__name__}.")]
    made = [one for module in modules for value in list(vars(module).values()) for one in within(value)]
    made += [one for one in vars(lexicon("en")).values() if isinstance(one, LazyPattern)]
    assert len(made) > 100
    for one in made:
        re.compile(one.pattern, one._flags)
