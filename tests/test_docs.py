"""What the documents show is what happens: every snippet of Python runs, and prints what stands behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from langchain_core.globals import get_llm_cache, set_llm_cache

import langchain_redis_memory
from tests.support.snippets import Snippet, run, snippets

ROOT = Path(__file__).parent.parent
TEXTS = {
    path.relative_to(ROOT).as_posix(): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md")
}
PAGES = {name: found for name, path in TEXTS.items() if (found := snippets(path, name))}


@pytest.fixture(autouse=True)
def no_global_cache() -> Iterator[None]:
    yield
    set_llm_cache(None)
    assert get_llm_cache() is None


@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of_a_page_run_and_print_what_is_shown(page: str) -> None:
    printed = run(PAGES[page])
    shown = {snippet.line: snippet.shown for snippet, _ in printed if snippet.shown is not None}
    assert {snippet.line: text for snippet, text in printed if snippet.line in shown} == shown


def test_few_snippets_are_not_run_and_each_says_why() -> None:
    left_out = [snippet for page in PAGES.values() for snippet in page if snippet.not_run]
    assert len(left_out) <= 6, left_out
    assert len(PAGES) > 15


def test_a_snippet_that_fails_or_prints_something_else_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    fenced = "```python\nx = await f()\n```\n\n    ```python\n    print(1)\n    ```\n\n    ```text\n    2\n    ```\n"
    page.write_text("Text.\n\n" + fenced)
    failing, printing = snippets(page, "page.md")
    assert (failing.line, printing.line, printing.shown) == (4, 8, "2\n")
    with pytest.raises(NameError, match="'f'"):
        run([failing])
    assert run([printing]) == [(printing, "1\n")]
    assert run([Snippet("page.md", 1, "# not run by the tests: needs a key\nraise OSError")]) == []


NAMED = {
    (page, named)
    for page, path in TEXTS.items()
    for named in re.findall(
        r"`((?:tests|examples|benchmarks|langchain_redis_memory)/[\w./-]+)", path.read_text("utf-8")
    )
}


def test_files_that_the_documents_name_are_there() -> None:
    assert len(NAMED) > 40
    assert sorted((page, named) for page, named in NAMED if not (ROOT / named).exists()) == []


def test_links_of_the_readmes_lead_somewhere() -> None:
    for name in ("README.md", "examples/README.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#([\w-]+))?\)", TEXTS[name].read_text("utf-8"))
        for target, anchor in links:
            path = TEXTS[name].parent / target
            assert path.exists(), target
            assert not anchor or anchor in anchors(path.read_text("utf-8")), f"{target}#{anchor}"


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and Python-Markdown make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def site() -> ModuleType:
    """What generates pages."""
    spec = spec_from_file_location("site_pages", ROOT / ".ci" / "site.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date() -> None:
    for name, make in site().PAGES.items():
        assert (ROOT / name).read_text("utf-8") == make(), f"{name}: python .ci/site.py"


def test_every_public_name_is_in_the_reference_once_and_every_page_in_the_navigation() -> None:
    pages = site().reference_pages()
    listed = re.findall(r"^::: langchain_redis_memory\.(\w+)$", "\n".join(pages.values()), re.MULTILINE)
    assert sorted(listed) == sorted(set(langchain_redis_memory.__all__) - {"__version__"})
    navigation = re.findall(
        r"[\w/-]+\.md$", (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2], re.MULTILINE
    )
    pages |= {path.relative_to(ROOT / "docs").as_posix(): "" for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(page for page in pages if navigation.count(page) != 1) == []
