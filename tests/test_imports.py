"""The import contracts of pyproject.toml hold; each of them is also fed wrong imports and seen to object."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.configuration import configure
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

from tests.test_examples import ROOT

PACKAGE = "langchain_redis_memory"
KINDS: dict[str, Any] = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "forbidden": ForbiddenContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
}
configure()
CONFIGURATION = read_configuration(str(ROOT / "pyproject.toml"))
CONTRACTS: dict[str, dict[str, Any]] = {options["id"]: options for options in CONFIGURATION["contracts_options"]}


@cache
def imports() -> grimp.ImportGraph:
    """The imports of the package as they are."""
    return grimp.build_graph(PACKAGE, include_external_packages=True, cache_dir=None)


def kept(contract: str, graph: grimp.ImportGraph) -> bool:
    """Whether a contract holds."""
    options = CONTRACTS[contract]
    made = KINDS[options["type"]](
        name=options["name"], session_options=CONFIGURATION["session_options"], contract_options=options
    )
    return bool(made.check(deepcopy(graph), verbose=False).kept)


def only(*pairs: str) -> grimp.ImportGraph:
    """The modules of the package with these imports alone, as in `"errors -> ops"`."""
    graph = deepcopy(imports())
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            graph.remove_import(importer=importer, imported=imported)
    for pair in pairs:
        importer, imported = (f"{PACKAGE}{name}" if name.startswith(".") else name for name in pair.split(" -> "))
        for module in (importer, imported):
            if module not in graph.modules:
                graph.add_module(module, is_squashed=not module.startswith(PACKAGE))
        graph.add_import(importer=importer, imported=imported)
    return graph


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_holds(contract: str) -> None:
    assert kept(contract, imports()), f"run `lint-imports --contract {contract}`"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_no_contract_has_exceptions(contract: str) -> None:
    assert not {"ignore_imports", "exhaustive_ignores", "skip_descendants"} & set(CONTRACTS[contract])


@pytest.mark.parametrize(
    ("contract", "imported"),
    [
        ("rooms", ".errors -> .ops"),
        ("rooms", ".ops -> .redis.scripts"),
        ("rooms", ".redis.keys -> .history.transcript"),
        ("rooms", ".language.bm25 -> .redis.keys"),
        ("rooms", ".redis.keys -> .language.bm25"),
        ("rooms", ".language.classify.verdict -> .conversation.policy"),
        ("rooms", ".history.sessions -> .checkpoint.saver"),
        ("rooms", ".history.sessions -> .store.items"),
        ("rooms", ".store.items -> .cache.exact"),
        ("rooms", ".state.model -> .conversation.policy"),
        ("rooms", ".cache.exact -> .conversation.memory"),
        ("rooms", ".conversation.memory -> .cli.app"),
        ("rooms", ".cli.app -> .__main__"),
        ("io", ".history.sessions -> redis"),
        ("io", ".redis.lease -> redis"),
        ("io", ".redis.codec.values -> time"),
        ("io", ".conversation.memory -> asyncio"),
        ("io", ".conversation.memory -> fakeredis"),
        ("sockets", ".redis.client.transport -> socket"),
        ("sockets", ".conversation.memory -> httpx"),
    ],
)
def test_a_wrong_import_is_seen(contract: str, imported: str) -> None:
    assert kept(contract, only())
    assert not kept(contract, only(imported))


@pytest.mark.parametrize(
    "pairs",
    [
        (".history.sessions -> .history.transcript", ".history.transcript -> .history.sessions"),
        (".vectors.engine -> .vectors.exact_scan", ".vectors.exact_scan -> .vectors.engine"),
        (
            ".redis.codec.values -> .redis.codec.messages",
            ".redis.codec.messages -> .redis.codec.compression",
            ".redis.codec.compression -> .redis.codec.values",
        ),
    ],
)
def test_a_circle_is_seen(pairs: tuple[str, ...]) -> None:
    assert kept("circles", only(*pairs[1:]))
    assert not kept("circles", only(*pairs))


def test_a_module_without_a_room_is_seen() -> None:
    graph = only()
    graph.add_module(f"{PACKAGE}.helpers")
    assert not kept("rooms", graph)


def test_what_may_be_imported() -> None:
    graph = only(
        ".redis.client.transport -> redis",
        ".redis.client.event_loops -> asyncio",
        ".history.outbox -> threading",
        ".conversation.memory -> .history.sessions",
        ".cli.replay.run -> time",
    )
    assert all(kept(contract, graph) for contract in CONTRACTS)
