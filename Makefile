PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RABBITMQ := $(VENV)/.rabbitmq
RIVALS := .venv-bench
RESTATE := @restatedev/restate-server@1.7.12

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-choreography test test-long test-slow chaos matrix check bench bench-order bench-engine bench-read bench-events bench-growth histories asyncapi clean

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

$(RABBITMQ): $(STAMP) tests/brokers/install_rabbitmq.py
	@$(BIN)/python -m tests.brokers.install_rabbitmq
	@touch $@

demo: $(STAMP) ## run the order saga end to end on this machine
	@$(BIN)/python -m demo

demo-choreography: $(STAMP) ## run orders by events alone, and show each chain
	@$(BIN)/python -m demo.choreography

test: $(STAMP) $(RABBITMQ) ## run the tests
	@$(BIN)/python -m pytest -n 4 --no-loadscope-reorder -m 'not long and not slow and not alone'
	@$(BIN)/python -m pytest -m 'alone and not long' tests/integration

test-long: $(STAMP) $(RABBITMQ) ## run the longer tests: every promise of every broker, replays, processes that are killed
	@$(BIN)/python -m pytest -n 3 --no-loadscope-reorder -m 'long and not alone'
	@$(BIN)/python -m pytest -m 'alone and long' tests/integration

test-slow: $(STAMP) $(RABBITMQ) ## run the longest tests: demo, benchmarks, a read database that hangs
	@$(BIN)/python -m pytest -m slow

chaos: $(STAMP) ## kill workers, services, server, consumers and the choreography for a while longer
	@SAGA_CHAOS_ROUNDS=24 $(BIN)/python -m pytest tests/chaos
	@SAGA_CHAOS_ROUNDS=100 $(BIN)/python -m pytest tests/brokers/test_inbox_killed.py
	@SAGA_CHAOS_ROUNDS=50 $(BIN)/python -m pytest tests/brokers/test_choreography_killed.py

matrix: $(STAMP) ## run sagas through every failure at every step, then random scripts
	@$(BIN)/python -m saga.testing tests.matrix.order_subject:ORDER --junit build/matrix.xml
	@$(BIN)/python -m saga.testing tests.matrix.order_subject:EXPRESS --junit build/matrix-express.xml
	@$(BIN)/python -m saga.testing tests.matrix.express_trip:SUBJECT --junit build/matrix-express-trip.xml
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -q tests/properties

check: $(STAMP) ## format, lint, types, and the container files
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/check-jsonschema --quiet --schemafile tests/brokers/asyncapi/asyncapi-3.0.0.json docs/asyncapi.json
	@$(BIN)/hadolint Dockerfile

$(RIVALS)/.installed: benchmarks/requirements.txt
	@echo "bench: installing other engines into $(RIVALS)"
	@$(BIN)/python -m venv $(RIVALS)
	@$(RIVALS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@npm install --silent --no-save --ignore-scripts --prefix $(RIVALS)/restate $(RESTATE) || \
	  echo "bench: npm could not install Restate's server"
	@touch $@

bench: $(STAMP) ## measure the order saga beside other engines
	@$(MAKE) --no-print-directory $(RIVALS)/.installed || echo "bench: without other engines"
	@$(BIN)/python -m benchmarks.compare

bench-order: $(STAMP) ## measure the order saga
	@$(BIN)/python -m benchmarks.order

bench-engine: $(STAMP) ## measure the engine against a saga written by hand
	@$(BIN)/python -m benchmarks.engine

bench-read: $(STAMP) ## measure the rebuild, the projection and the queries
	@$(BIN)/python -m benchmarks.read

bench-events: $(STAMP) $(RABBITMQ) ## measure publishing and consuming against the bare clients
	@$(BIN)/python -m benchmarks.events

bench-growth: $(STAMP) ## measure orders beside many closed, open and waiting ones
	@$(BIN)/python -m benchmarks.growth

histories: $(STAMP) ## record the committed replay histories anew
	@$(BIN)/python -m tests.replay.record

asyncapi: $(STAMP) ## write docs/asyncapi.json anew
	@$(BIN)/python starter.py catalogue --asyncapi > docs/asyncapi.json.new
	@mv docs/asyncapi.json.new docs/asyncapi.json

clean: ## remove .venv, caches and local state
	@rm -rf $(VENV) $(RIVALS) .saga .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist ./*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
