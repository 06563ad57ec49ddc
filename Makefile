# Rollcast: every task has one word here, and CI says the same words.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS ?=
# One more than there are cores: many tests wait for processes, not for a core.
WORKERS ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1)))
# Catalogues are compiled by the build hook, so an edited .po means one more (fast) install.
CATALOGUES := $(shell find src -name '*.po')

# A worker that takes over must not compile everything first, nor each of the hundred processes of the tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo drill drills example test test-long check static fix conformance bench-quick shots lock clean

help:  ## list the tasks
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.run  ## set .venv up, so that .venv/bin/rollcast works

demo: $(VENV)/.run  ## console + a fleet of real SSH servers on loopback; ARGS="--hosts 200 --speed 2"
	@$(BIN)/rollcast demo --home .demo $(ARGS)

drill: $(VENV)/.run  ## kill and cut everything during a rollout; ARGS="--seed 7 --minutes 1 --json": docs/promises.md
	@$(BIN)/rollcast drill $(ARGS)

drills: $(VENV)/.run  ## many of them, a line each; ARGS="--seeds 1-200 --seconds 15 --parallel 2"
	@$(BIN)/python -m tests.promises.drills $(ARGS)

example: $(VENV)/.run  ## the classic Channels tutorial beside livefeed: docs/ver-update.md; ARGS="--port 9000"
	@cd examples && ../$(BIN)/python -m ver_update $(ARGS)

test: static  ## check, and every test; ALLOW_MISSING=1 where system packages cannot be installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-long: static  ## what needs real minutes
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m long $(ARGS)

check: static  ## format, lint, types, import contracts, migrations, translations, links
	$(BIN)/python -m pytest -q tests/meta

static: $(VENV)/.dev
	@.ci/system-packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m django makemigrations --check --dry-run --settings tests.settings

fix: $(VENV)/.dev  ## format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

conformance: $(VENV)/.dev  ## RFC 6455 by the cases of Autobahn (installs kosoku into .venv): docs/protocol.md
	@$(PIP) kosoku==0.1.0
	@$(BIN)/python -m tests.livefeed.conformance

bench-quick: $(VENV)/.run  ## figures beside rivals, under 2 minutes on 2 idle cores; below a floor it fails: docs/performance.md
	@$(BIN)/python -m bench.quick

shots: $(VENV)/.dev  ## screenshots of every page into .shots/ (both languages, widths and themes)
	$(BIN)/python -m tests.browser.shots $(ARGS)
	$(BIN)/python -m pytest -q tests/promises/shots.py

lock: $(VENV)/.dev  ## write the lock files anew from pyproject.toml (needs uv on PATH)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -q pyproject.toml --group build -o requirements.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -q pyproject.toml --group dev -o requirements-dev.lock

clean:  ## remove what the tasks made, but not .demo/
	rm -rf $(VENV) .shots .drills .mypy_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Rollcast needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Type:  make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing. Type:  sudo apt-get install -y python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml $(CATALOGUES) | $(BIN)/python
	@echo "Setting up .venv (once)…"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml $(CATALOGUES) | $(BIN)/python
	@echo "Setting up .venv with the development tools (once)…"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run
