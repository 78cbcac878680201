# Two commands for everyone: `make demo` and `make test`. Both set up what they need in .venv, once.
# C.UTF-8: with LC_ALL=C Python 3.11 cannot read a path entry in a folder with Chinese letters.
export LC_ALL := C.UTF-8
export PYTHONUTF8 := 1
SHELL := /bin/bash
ARGS ?=

.PHONY: demo test test-deep test-faults check bench soak setup clean

setup:
	@bash scripts/setup

demo: setup
	@.venv/bin/curbwatch demo $(ARGS)

# Two workers, each with servers of its own: much of a run is waiting. One file stays with one worker. -n 0: no workers.
test: setup
	@.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-deep: setup
	@HYPOTHESIS_PROFILE=deep .venv/bin/python -m pytest -m hypothesis --timeout 3600 $(ARGS)

# CURBWATCH_FAULT_SCALE=0.1 runs a tenth of the repetitions.
test-faults: setup
	@.venv/bin/python -m pytest -m faults -s --timeout 1800 tests/faults $(ARGS)

check: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/python -m pytest -q tests/test_architecture.py tests/test_packaging.py

bench: setup
	@.venv/bin/curbwatch bench detector $(ARGS)
	@.venv/bin/curbwatch bench positions $(ARGS)

# An hour; another length with ARGS="--minutes 10".
soak: setup
	@.venv/bin/curbwatch bench soak $(ARGS)

clean:
	@rm -rf .venv .venv-before build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
