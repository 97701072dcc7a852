# `make` explains the targets. Nothing but python3 (3.11 or newer, with venv), make and git is assumed.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --no-input --quiet
SOURCES := pyproject.toml src/usagedeck/__init__.py

.DEFAULT_GOAL := help
.PHONY: help install demo test torture fuzz check bench docs lock vendor format clean

help: ## Explain the targets
	@echo "usagedeck: the Developers page for any metered API"
	@echo
	@grep -hE '^[a-z]+:.*##' Makefile | awk -F':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: .venv/run.stamp ## Make .venv/bin/usagedeck from the locked dependencies

demo: .venv/run.stamp ## Load lifelike data and serve the page
	$(BIN)/usagedeck demo

# one more than there are cores: many tests wait for the disk
WORKERS ?= $(shell n=$$(($$(nproc) + 1)); echo $$((n < 5 ? n : 5)))

test: .venv/test.stamp ## Run all tests, Chromium's included
	@tools/need-chromium
	@tools/need-postgresql
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope

torture: .venv/test.stamp ## Keep the promises under kill -9, full disks and overload, at length
	$(BIN)/python -m pytest --torture -m "promise or torture" --timeout 3600

REQUESTS ?= 10000
SEED ?= 1
fuzz: .venv/test.stamp ## Try to see what is somebody else's, with REQUESTS requests; another SEED makes others
	$(BIN)/python -m pytest tests/promises/test_isolation.py --fuzz $(REQUESTS) --fuzz-seed $(SEED) --timeout 7200

check: .venv/check.stamp ## Lint, types, layers, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.reference --check

SIZE ?= 10
bench: .venv/bench.stamp ## Measure on SIZE million requests (1, 10, 100; or year): the table of targets, beside other databases
	@tools/need-postgresql || echo "PostgreSQL is left out."
	$(BIN)/python -m tests.bench --size $(SIZE)

docs: .venv/check.stamp ## Write the reference pages from the code
	$(BIN)/python -m tools.reference

format: .venv/check.stamp ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/check.stamp ## Lock the newest allowed dependencies
	tools/lock

vendor: .venv/check.stamp ## Fetch the page's libraries anew (needs npm)
	$(BIN)/python -m tools.vendor

clean: ## Remove what the other targets made
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .bench dist

.venv/python.stamp:
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run.stamp: .venv/python.stamp requirements/run.txt $(SOURCES)
	@echo "Installing usagedeck (about 200 MB to fetch the first time) …"
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test.stamp: .venv/run.stamp requirements/test.txt
	@echo "Installing what the tests need …"
	$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

.venv/bench.stamp: .venv/test.stamp requirements/bench.txt
	@echo "Installing the databases to measure against …"
	$(PIP) install --require-hashes -r requirements/bench.txt
	@touch $@

.venv/check.stamp: .venv/test.stamp requirements/check.txt
	$(PIP) install --require-hashes -r requirements/check.txt
	@touch $@
