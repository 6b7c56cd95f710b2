# Recipes for https://just.systems; `just` lists them.

default:
    @just --list

# Style and types
check:
    ruff check .
    ruff format --check .
    mypy
    pyright --verifytypes langchain_redis_memory --ignoreexternal

# The suite, each test on one kind of server in turn, or one file in this process: just test tests/history/test_trim.py
test *ARGS:
    python -m pytest {{ARGS}}

# Every test on every server in both colours, each property on many examples
test-all *ARGS:
    python -m pytest --servers=all --hypothesis-profile=thorough {{ARGS}}

# One row of each test that needs no server, no process and no properties
test-quick *ARGS:
    python -m pytest -m quick {{ARGS}}

# What needs no server process
test-fast *ARGS:
    python -m pytest --servers=memory {{ARGS}}

# The suite with its coverage
cover *ARGS:
    python -m pytest --cov {{ARGS}}

# Build the wheel, install it alone in a fresh environment, use it
wheel:
    python .ci/wheel.py

# The oldest dependencies that are declared, on the in-process server
floors:
    .ci/floors

# The site: generated pages, every link and anchor, every docstring
docs:
    python .ci/site.py
    SITE_DIR=.ci/pages mkdocs build --strict

# Speed against other packages: just bench checkpoint
bench *ARGS:
    python -m benchmarks.speed {{ARGS}}

# Trips, commands, bytes and calls of the hot paths against those that are stored: just counts --instructions
counts *ARGS:
    python -m benchmarks.counts {{ARGS}}

# How costs grow with what is stored, with tasks and nodes
scale *ARGS:
    python -m benchmarks.scale {{ARGS}}

# Everything that has to be green
ci:
    .ci/run
