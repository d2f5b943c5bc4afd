# The commands of this project. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8090
REDIS_PORT ?= 6379
CLUSTER_CLI := $(BIN)/python -m tests.cluster

.PHONY: help install up down dev test test-faults check format bench crds lock clean clean-cache

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is newer than the lock file exactly when what it names is installed.
$(VENV)/.installed: requirements-dev.lock
	@echo "==> installing Python packages into $(VENV) (about a minute the first time)"
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

install: $(VENV)/.installed ## Install what development needs into .venv

up: install ## The main job on a real Kubernetes: cluster, image, chart, sample service, one document analysed
	@$(BIN)/python -m tests.e2e.up

down: install ## Take down what `make up` brought up
	@$(BIN)/python -m tests.e2e.down

dev: install ## API, workers and beat on an embedded Valkey, no Kubernetes (PORT=8090 REDIS_PORT=6379)
	@mkdir -p .dev/valkey
	@echo "==> http://127.0.0.1:$(PORT)/status  (Ctrl-C ends it; data stays in .dev/)"
	@[ ! -t 1 ] || export LOG_FORMAT=$${LOG_FORMAT:-console}; \
	env REDIS_PORT=$(REDIS_PORT) \
	  UNIFIED_REGISTRY_ENABLED=$${UNIFIED_REGISTRY_ENABLED:-true} \
	  CELERY_CONCURRENCY=$${CELERY_CONCURRENCY:-2} \
	  LISTENERS_REDIS_PORT=$${LISTENERS_REDIS_PORT:-$(REDIS_PORT)} \
	  WORKER_HEARTBEAT_FILE=.dev/heartbeat BEAT_SCHEDULE_FILE=.dev/beat-schedule \
	  $(BIN)/honcho start -p $(PORT) $(if $(LISTENERS_REDIS_HOST)$(filter true 1,$(USE_LOCAL_REDIS)),api worker beat,)

test: install ## All tests, on real servers and a real cluster (ARGS=tests/service: some, in one process)
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2 --dist loadscope)

test-faults: install ## The whole fault matrix (long)
	@$(BIN)/python -m pytest -m faults $(ARGS)

check: install ## Lint, types, direction of dependencies (quick)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .lint-imports.log 2>&1 || { cat .lint-imports.log; rm -f .lint-imports.log; exit 1; }; rm -f .lint-imports.log

format: install ## Put the code into its format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: install ## Measure the service (PARTS="rpc sockets llm metrics tasks scaling"), and document analysis, with XML and on text alone, where FOLDER=… has a truth.json
	@$(BIN)/python -m benchmarks.service $(PARTS)
	@$(if $(FOLDER),$(BIN)/python -m benchmarks.documents $(FOLDER) --min-percent 100)
	@$(if $(FOLDER),$(BIN)/python -m benchmarks.documents $(FOLDER) --text-only --min-percent 85)

crds: install ## Write the CRD anew from controller/model, and the chart's copy of it
	@$(BIN)/python -m controller.model.crd > crds/pinnokioservices.pinnokio.io.yaml
	@cp crds/*.yaml charts/pinnokio/crds/

# No address of a registry may stand in a lock file.
UV_COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11 --python-platform linux
lock: install ## Lock the versions anew from pyproject.toml
	@$(UV_COMPILE) pyproject.toml -o requirements.lock
	@$(UV_COMPILE) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@$(UV_COMPILE) --extra ml -c requirements-dev.lock pyproject.toml -o requirements-ml.lock
	@$(UV_COMPILE) -c requirements-dev.lock requirements-valkey.in -o requirements-valkey.lock
	@$(UV_COMPILE) requirements-chroma.in -o requirements-chroma.lock

clean: ## Remove what was made in this folder but the cluster (see `make down`)
	@rm -rf $(VENV) .dev .mypy_cache .ruff_cache .pytest_cache .hypothesis

clean-cache: install ## Remove the caches outside this folder: built binaries, base image
	@$(CLUSTER_CLI) clean-cache
