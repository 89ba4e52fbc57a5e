PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow chaos matrix check bench-order bench-engine bench-read histories clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## make .venv with the pinned versions of everything
	@:

$(STAMP): pyproject.toml constraints.txt
	@for name in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "setup: installing into $(VENV)"; \
	    exec $$name -m venv $(VENV); \
	  fi; \
	done; \
	echo "setup: Python 3.11 or newer is needed and none was found; name one with PYTHON=..." >&2; \
	exit 1
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP) ## run the order saga end to end on this machine
	@$(BIN)/python -m demo

test: $(STAMP) ## run the tests
	@$(BIN)/python -m pytest -n 3 --dist loadfile -m 'not slow and not alone'
	@$(BIN)/python -m pytest -m alone

test-slow: $(STAMP) ## run the tests of the demo and of the benchmarks
	@$(BIN)/python -m pytest -m slow

chaos: $(STAMP) ## kill workers, services and server for a while longer
	@SAGA_CHAOS_ROUNDS=24 $(BIN)/python -m pytest tests/chaos

matrix: $(STAMP) ## run the order saga through every failure at every step, then random scripts
	@$(BIN)/python -m saga.testing tests.matrix.order_subject:ORDER --junit build/matrix.xml
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -q tests/properties

check: $(STAMP) ## format, lint, types, and the container files
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/hadolint Dockerfile

bench-order: $(STAMP) ## measure the order saga
	@$(BIN)/python -m benchmarks.order

bench-engine: $(STAMP) ## measure the engine against a saga written by hand
	@$(BIN)/python -m benchmarks.engine

bench-read: $(STAMP) ## measure the rebuild, the projection and the queries
	@$(BIN)/python -m benchmarks.read

histories: $(STAMP) ## record the committed replay histories anew
	@$(BIN)/python -m tests.replay.record

clean: ## remove .venv, caches and local state
	@rm -rf $(VENV) .saga .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist ./*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
