"""What the documents show is what happens: every snippet of Python runs, and prints what stands behind it."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path
from types import ModuleType
from xml.etree.ElementTree import fromstring

import pytest
import yaml
from fastapi.testclient import TestClient
from langchain_core.globals import get_llm_cache, set_llm_cache

import langchain_redis_memory
from langchain_redis_memory import LinguisticClassifier, RedisSemanticCache, SemanticAnswerCache
from tests.support.docstrings import application, examples
from tests.support.snippets import Snippet, run, snippets

ROOT = Path(__file__).parent.parent
TEXTS = {
    path.relative_to(ROOT).as_posix(): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md")
}
EXAMPLES = examples()
PAGES = {name: found for name, path in TEXTS.items() if (found := snippets(path, name))}


@pytest.fixture(autouse=True)
def no_global_cache() -> Iterator[None]:
    yield
    set_llm_cache(None)
    assert get_llm_cache() is None


@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of_a_page_run_and_print_what_is_shown(page: str) -> None:
    for snippet, printed in run(PAGES[page]):
        if snippet.shown is not None:
            assert printed == snippet.shown, f"{page}:{snippet.line}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_docstring_run(name: str) -> None:
    run(EXAMPLES[name], application)


def test_few_snippets_are_not_run_and_each_says_why() -> None:
    left_out = [snippet for page in PAGES.values() for snippet in page if snippet.not_run]
    assert len(left_out) <= 6, left_out
    assert len(PAGES) > 25


@pytest.mark.parametrize(
    ("notebook", "says"),
    [
        ("a_day_of_decisions", "removed: 1\nIn two days. False"),
        (
            "risk_and_hits",
            "cosine from 0.85: 3 hits, 2 wrong\ncosine from 0.95: 3 hits, 1 wrong\nverified: 3 hits, 0 wrong",
        ),
        ("who_may_be_served", "ben: What is a standing order?        A payment that repeats.  hit"),
    ],
)
def test_a_notebook_runs_to_its_end(notebook: str, says: str) -> None:
    path = ROOT / "examples" / "notebooks" / f"{notebook}.py"
    [(_, printed)] = run([Snippet(path.name, 1, path.read_text("utf-8"))])
    assert printed.strip().endswith(says)


def test_the_service_streams_an_answer_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    service = runpy.run_path(str(ROOT / "examples" / "service" / "app.py"))
    with TestClient(service["app"]) as http:
        said = http.post("/chat", json={"session": "s", "text": "What is Redis?"}, headers={"user": "ana"})
        assert said.text == "This is where your model answers."
        assert [message["type"] for message in http.get("/chat/s").json()] == ["human", "ai"]
        assert http.get("/health").json()["unstored"] == 0


def test_the_compose_file_runs_what_is_beside_it() -> None:
    folder = ROOT / "examples" / "service"
    services = yaml.safe_load((folder / "compose.yaml").read_text("utf-8"))["services"]
    assert (folder / services["redis"]["volumes"][0].partition(":")[0]).is_file()
    build = services["app"]["build"]
    assert (folder / build["context"]).resolve() == ROOT
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / build["dockerfile"]).read_text("utf-8"), re.MULTILINE)
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []
    shown = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for line in (folder / "redis.conf").read_text("utf-8").splitlines():
        assert re.search(rf"^{line}( +#.*)?$", shown, re.MULTILINE), line


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


def test_the_tutorials_name_the_risks_that_are_the_defaults() -> None:
    cache, answers, classifier = (
        signature(made).parameters[name].default
        for made, name in (
            (RedisSemanticCache, "max_error"),
            (SemanticAnswerCache, "max_error"),
            (LinguisticClassifier, "max_unsafe"),
        )
    )
    assert f"question pairs: {cache} by default" in TEXTS["docs/tutorials/semantic-cache.md"].read_text("utf-8")
    told = f"tolerates {classifier} of its classifier (`max_unsafe`) and {answers} of its cache"
    assert told in TEXTS["docs/tutorials/replay.md"].read_text("utf-8")


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


def test_a_table_of_speed_tells_what_is_lost_and_what_was_other_work() -> None:
    rows = [
        ("get", "ms", {"ours": 2, "peer": 1, "memory": 0.01}, 0.1),
        ("get", "trips", {"ours": 1, "peer": 3, "memory": 0}, 0),
        ("search", "ms", {"ours": 3000, "peer": 1, "memory": 6000}, 0),
        ("search: recall", "of 1", {"ours": 1, "peer": 0.01, "memory": 1}, 0),
        ("another way", "us", {"memory": 5}, 0),
    ]
    told = {
        "title": "T",
        "versions": {"ours": "1", "peer": "2", "memory": "3", "absent": None},
        "machine": "m",
        "floors": ["memory"],
        "notes": [],
        "rows": [dict(zip(("name", "unit", "values", "spread"), row, strict=True)) for row in rows],
    }
    pages = site()
    made = pages.compared("store", told)
    assert made["rows"] == [
        ["get", "2 ms ± 10%, 1 trip", "**2.00x** (3 trips)", "**200.00x** (0 trips)"],
        ["search", "3,000 ms, recall 1", "3000.00x (recall 0.01)", "0.50x"],
        ["another way", "5 us", "", ""],
    ]
    assert pages.lost([made])["rows"] == [["T", "get", "2 ms ± 10%, 1 trip", "**2.00x** (3 trips) / peer"]]
    drawn = fromstring(pages.plots.speed([made]))
    assert [mark.get("class") for mark in drawn.iter("{http://www.w3.org/2000/svg}circle")] == [
        "shape",
        "lost",
        "shape",
    ]


def test_figures_are_drawn_whole() -> None:
    pages = site()
    for name in ("docs/assets/speed.svg", "docs/assets/growth.svg"):
        assert fromstring(pages.PAGES[name]()).get("viewBox")
    said = " ".join(fromstring(pages.growth_plot()).itertext())
    for told in (told for told in pages.results() if "costs" in told):
        assert all(f"{one['operation']}: " in said and one["axis"] in said for one in told["costs"])


def test_figures_that_other_pages_repeat_are_those_of_the_benchmarks() -> None:
    measured = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    conversations = measured.partition("## Conversations")[2].partition("## ")[0]
    said = re.search(
        r"([\d,]+) turns judged.*?: (\d+) wrong\s+answer of (\d+) at the defaults, (\d+) of (\d+) at risk 0.02,"
        r".*? served (\d+)",
        TEXTS["README.md"].read_text(),
        re.S,
    )
    assert said is not None
    assert f"{said[1]} turns" in conversations
    rows = {row.split(" | ")[0]: row.rstrip(" |").split(" | ")[1:] for row in conversations.splitlines()}
    wrong, judged = rows["| answers served wrongly"], rows["| of how many that were served and could be judged"]
    assert (wrong[1], wrong[2], wrong[4]) == (said[6], said[4], said[2])
    assert (judged[2], judged[4]) == (said[5], said[3])
    sizes = [
        int(size.replace(",", ""))
        for size in re.findall(r"\| ([\d,]+) \|$", measured.partition("## What things")[2], re.M)
    ]
    operations = TEXTS["docs/operations.md"].read_text("utf-8")
    run = json.loads((ROOT / "benchmarks" / "results" / "conversations_bytes.json").read_text("utf-8"))
    cluster = run["figures"]["cluster"]
    assert f"{cluster['users']:,} users and {cluster['turns']:,} turns" in operations
    assert f"{100 * (cluster['calculated / keys'] - 1):.0f} % above what the keys take" in operations
    assert f"{100 * (1 - cluster['calculated / used_memory']):.0f} % below what `used_memory` grew by" in operations
    planned = re.findall(r" x ([\d.]+) (bytes|KB) =", operations)
    assert len(planned) == 4
    for number, unit in planned:
        per_unit = 1000 if unit == "KB" else 1
        assert any(round(size / per_unit, len(number.partition(".")[2])) == float(number) for size in sizes), number


def test_every_public_name_is_in_the_reference_once_and_every_page_in_the_navigation() -> None:
    pages = site().reference_pages()
    listed = re.findall(r"^::: langchain_redis_memory\.(\w+)$", "\n".join(pages.values()), re.MULTILINE)
    assert sorted(listed) == sorted(set(langchain_redis_memory.__all__) - {"__version__"})
    navigation = re.findall(
        r"[\w/-]+\.md$", (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2], re.MULTILINE
    )
    pages |= {path.relative_to(ROOT / "docs").as_posix(): "" for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(page for page in pages if navigation.count(page) != 1) == []
