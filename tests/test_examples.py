"""Every example runs as it is: without a server, and on one. The README's commands and the CI's are the same."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from langchain_redis_memory.redis.client import topology
from tests.conftest import lifetimes
from tests.support import programs, servers
from tests.support.servers import Farm

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SAYS = {
    "access_rights.py": "cleo (staff): In May.                  cache hit   documents plan",
    "admin_page.py": "eve reads that ben would have been told ana's date: True",
    "agent_answers.py": "ben   By mail.             hit: True   the very same question",
    "agent_memory.py": "4 messages; Hello, Ana!",
    "chat_service.py": "friday ['event:', 'token', 'data:', '\"Your\"'",
    "chat_history.py": "['system', 'ai', 'tool', 'ai']",
    "conversation_memory.py": "What is throat cancer?           NEW_TOPIC               cache hit",
    "encryption.py": "on the server: False - here: My account number is 4711.",
    "erase_user.py": "complete: True - left of ana: [] - of ben: 1",
    "human_in_the_loop.py": "'decision': 'yes', 'paid': True",
    "long_term_memory.py": "ana: What must we not cook for my child?  -> My daughter is allergic to peanuts.",
    "migrate.py": "'Do you deliver?', 'Yes.', 'On Sundays?', 'No.', 'And on Mondays?', 'Yes.'] seconds left: True",
    "on_call.py": "missed: Do you deliver? - warmed: 1",
    "own_policy.py": "NEW_TOPIC bypass 2 messages of memory",
    "rag_cache.py": "after the change   Within 14 days.     cache miss",
    "resume_stream.py": "after it, end: 'The answer, letter by letter.'",
    "rate_limits.py": "ben: 200 of 200 tokens left",
    "semantic_cache.py": "answer 4 - the same words in another conversation",
    "sessions.py": "cleared: 4",
    "streaming_async.py": "5 users answered, from the cache: True",
    "value_cache.py": "after the change: 2 loads, dark",
    "time_travel.py": "both ends are kept: True",
}


@pytest.mark.parametrize("where", servers.TWO)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example(
    example: Path, where: str, farm: Farm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if where != "memory":
        monkeypatch.setenv("REDIS_URL", farm.url(where))
        lifetimes(farm.url(where), "lrm-example", sweeps=True)  # another example may have left its conversations
    else:
        monkeypatch.delenv("REDIS_URL", raising=False)
        monkeypatch.setattr(topology, "_SERVERS", {})  # nor does one find what another left in this process
    runpy.run_path(str(example), run_name="__main__")
    told = capsys.readouterr()
    assert told.err == ""
    assert SAYS[example.name] in told.out


def test_an_example_is_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    code = (
        "import runpy, sys, warnings; warnings.simplefilter('error'); runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    run = programs.run(code, str(ROOT / "examples" / "streaming_async.py"), timeout_s=300)
    assert (run.returncode, run.stderr) == (0, "")
    assert SAYS["streaming_async.py"] in run.stdout


def commands_of_the_readme() -> list[str]:
    """The set-up commands: the fenced shell blocks of the section on them."""
    section = re.search(r"^## Set up\n(.*?)^## ", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert section is not None
    return [
        line for block in re.findall(r"```(?:sh|bash)\n(.*?)```", section[1], re.DOTALL) for line in block.splitlines()
    ]


def test_the_readme_has_exactly_two_set_up_commands_and_ci_runs_the_second() -> None:
    first, second = commands_of_the_readme()
    assert first.endswith("langchain_redis_memory demo")
    assert second.endswith("pytest")
    assert second in (ROOT / ".ci" / "run").read_text("utf-8")


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    return found


def test_the_workflow_tests_each_python_that_is_declared() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    declared = re.findall(r"Python :: (3\.\d+)", project)
    jobs = workflow()["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == declared
    assert f'requires-python = ">={declared[0]}"' in project
    assert jobs["wheel"]["strategy"]["matrix"]["python"] == [declared[0], declared[-1]]


def test_what_the_workflow_and_the_hooks_run_is_there() -> None:
    steps = [step["run"] for job in workflow()["jobs"].values() for step in job["steps"] if "run" in step]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    local = [hook["entry"] for repository in hooks if repository["repo"] == "local" for hook in repository["hooks"]]
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert len(steps) > 6
    assert len(local) == 3
    for command in [*steps, *local]:
        tool = command.removeprefix("python -m ").split()[0]
        if tool == "apt-get" or tool.startswith((".venv/bin/", "python3")):  # the system's, and what it makes
            continue
        script = command.removeprefix("python ")
        packages = {"lint-imports": "import-linter", "pip": "pip", "pyright": "pyright[nodejs]"}
        assert (
            (script.startswith(".ci/") and os.access(ROOT / script, os.R_OK if command != script else os.X_OK))
            or packages.get(tool) == "pip"
            or f'"{packages.get(tool, tool)}>=' in project
        ), command
