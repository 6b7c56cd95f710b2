"""Builds the wheel, installs it alone in a fresh virtual environment and uses it there: `python .ci/wheel.py`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "langchain_redis_memory"
LICENCES = (
    "LICENSE",
    f"{PACKAGE}/language/lexicons/WORDNET-LICENSE",
    f"{PACKAGE}/language/reader/APACHE-LICENSE",
    f"{PACKAGE}/admin/static/HTMX-LICENSE",
)

USE = f"""
from importlib.util import find_spec
import {PACKAGE} as package

for name in ("numpy", "fakeredis", "typer", "rich"):
    assert find_spec(name) is None, f"{{name}} is installed without an extra"
for name in package.__all__:
    assert getattr(package, name) is not None, name

from {PACKAGE}.errors import ConfigError

def refusal(call):
    try:
        call()
    except ConfigError as error:
        return str(error)
    raise AssertionError("nothing was refused")

assert "langchain-redis-memory[memory]" in refusal(lambda: package.RedisChatMessageHistory("s", "memory://").messages)
from langchain_core.embeddings import FakeEmbeddings
for needs_numpy in (
    lambda: package.RedisSemanticCache("redis://localhost", FakeEmbeddings(size=3)),
    lambda: package.RedisStore("redis://localhost", index={{"dims": 3, "embed": FakeEmbeddings(size=3)}}),
    lambda: package.EmbeddingClassifier(FakeEmbeddings(size=3)),
    lambda: package.MemorySelector(embeddings=FakeEmbeddings(size=3)),
):
    assert "langchain-redis-memory[vectors]" in refusal(needs_numpy)
assert "langchain-redis-memory[agents]" in refusal(lambda: package.AnswerCacheMiddleware)
print(len(package.__all__), "public names")
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="wheel-") as name:
        folder = Path(name)
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", name, str(ROOT))
        (wheel,) = folder.glob("*.whl")
        check_contents(wheel)
        venv.create(folder / "venv", with_pip=True)
        python = str(folder / "venv" / "bin" / "python")
        run(python, "-m", "pip", "install", "--quiet", str(wheel))
        run(python, "-I", "-W", "error", "-c", USE, cwd=folder)
        command = subprocess.run(
            [str(folder / "venv" / "bin" / "langchain-redis-memory"), "status"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        assert command.returncode == 2, command
        assert command.stdout == ""
        assert command.stderr.count("\n") == 1
        assert "langchain-redis-memory[cli]" in command.stderr
        print(f"{wheel.name}: installed alone, imported, refused what needs an extra")


def check_contents(wheel: Path) -> None:
    """All that stands in the repository's package is in the wheel, and both licences are where tools look."""
    tracked = subprocess.run(
        ["git", "ls-files", PACKAGE], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.splitlines()
    expected = {path for path in tracked if (ROOT / path).is_file()}
    assert len([path for path in expected if path.endswith(".lua")]) >= 60
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert expected <= names, sorted(expected - names)
        info = next(path.partition("/")[0] for path in names if path.endswith(".dist-info/METADATA"))
        metadata = archive.read(f"{info}/METADATA").decode()
    for licence in LICENCES:
        assert f"{info}/licenses/{licence}" in names, licence
        assert f"License-File: {licence}\n" in metadata
    assert "License-Expression: MIT AND Apache-2.0 AND 0BSD AND LicenseRef-WordNet\n" in metadata


def run(*command: str, cwd: Path = ROOT) -> None:
    subprocess.run(command, check=True, cwd=cwd)


if __name__ == "__main__":
    main()
