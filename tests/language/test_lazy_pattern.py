"""Patterns that are compiled at their first use: they behave as compiled ones, and each of the package compiles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

import pytest

from benchmarks.quality.audience.sentences import load
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


def test_a_text_without_what_it_needs_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = lazy_pattern("a+b", needs=("ab",))
    with monkeypatch.context() as patched:
        patched.setattr(re, "compile", None)
        assert [lazy.search("b"), lazy.match("aa b")] == [None, None]
    assert [bool(lazy.search("aab")), bool(lazy.search("b")), bool(lazy.match("ab"))] == [True, False, True]
    assert lazy_pattern("b").search("bab", 1).start() == 2  # type: ignore[union-attr]


def within(value: object) -> Iterator[LazyPattern]:
    if isinstance(value, LazyPattern):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from within(one)


@cache
def of_the_package() -> list[LazyPattern]:
    modules = [import_module(module.name) for module in walk_packages(language.__path__, f"{language.__name__}.")]
    made = [one for module in modules for value in list(vars(module).values()) for one in within(value)]
    made += [one for one in vars(lexicon("en")).values() if isinstance(one, LazyPattern)]
    assert len(made) > 100
    return made


def test_each_of_the_package_compiles() -> None:
    for one in of_the_package():
        re.compile(one.pattern, one._flags)


def test_each_match_has_what_it_needs() -> None:
    texts = [re.sub("[?!.,]", "", one.text.lower()) for one in load()]
    needy = [one for one in of_the_package() if one.needs]
    assert len(needy) > 20
    for one in needy:
        matches = [found[0] for text in texts if (found := re.search(str(one.pattern), text, one._flags))]
        assert matches, one.pattern
        assert all(any(word in match for word in one.needs) for match in matches), one.pattern
