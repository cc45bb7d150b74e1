# The two commands of the README, and what they stand on. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FRAMEWORKS := .venv-frameworks
NIGHTLY := .venv-nightly
DEMO := demo

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types contracts check frameworks nightly wheel-test bench accuracy prescription picture screenshots docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv with traindoctor and everything its tests need

$(STAMP): pyproject.toml
	$(PYTHON) scripts/check_python.py
	sh scripts/system_libraries.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $(STAMP)

demo: setup ## train the digits example twice, wrapped and unmodified; write HTML and PDF reports
	$(BIN)/python scripts/demo.py --out $(DEMO)

test: setup ## run all tests
	$(BIN)/python -m pytest -q

lint: setup ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy and pyright, both strict
	$(BIN)/mypy
	$(BIN)/pyright

contracts: setup ## who may import whom
	$(BIN)/lint-imports

check: lint types contracts ## everything static

$(FRAMEWORKS)/.installed: $(STAMP) pyproject.toml scripts/frameworks_environment.py
	$(BIN)/python scripts/frameworks_environment.py
	@touch $@

frameworks: setup $(FRAMEWORKS)/.installed ## the frameworks' real packages beside .venv, and the tests that need them
	$(FRAMEWORKS)/bin/python -m pytest -q tests/frameworks tests/collectors/integrations

$(NIGHTLY)/.installed: $(STAMP) pyproject.toml scripts/frameworks_environment.py
	$(BIN)/python scripts/frameworks_environment.py nightly
	@touch $@

nightly: setup $(NIGHTLY)/.installed ## the large sizes: reliability, fuzzed importers, logs made by the real tools (hours)
	TRAINDOCTOR_NIGHTLY=1 $(BIN)/python -m pytest -q tests/reliability tests/hall/test_cli_env.py
	$(BIN)/python -m pytest -q -m nightly tests/hall
	TRAINDOCTOR_FUZZ=2000 $(BIN)/python -m pytest -q tests/collectors/importers/test_hostile.py
	$(NIGHTLY)/bin/python -m pytest -q -m nightly tests/nightly

wheel-test: setup ## build the wheel and use it in a clean environment beside decoy modules
	$(BIN)/python scripts/wheel_test.py

bench: setup ## recording overhead, as ratios to the plain step
	$(BIN)/python -m benchmarks.overhead

accuracy: setup ## regenerate docs/accuracy.md (resumable)
	$(BIN)/python -m benchmarks.diagnosis all

prescription: setup ## regenerate the policy benchmark of docs/prescriptions.md (resumable; up to an hour)
	$(BIN)/python -m benchmarks.prescription --write

docs: setup ## regenerate docs/detectors.md and docs/importers.md from the code
	$(BIN)/python scripts/detector_docs.py
	$(BIN)/python scripts/importer_docs.py

picture: setup ## regenerate the README's picture from the demo's report
	$(BIN)/python scripts/picture.py --demo $(DEMO)

screenshots: setup ## pictures of the demo's report: light, dark, phone, print, under Jenkins' policy
	$(BIN)/python scripts/screenshots.py --page $(DEMO)/lr-too-high.html --out build/screenshots

clean: ## remove what make made
	rm -rf $(VENV) $(FRAMEWORKS) $(DEMO) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
