# make search | test | check: everything else installs itself on the first call.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=

.PHONY: help install search retrain ui test test-all check bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make search [ARGS='--trials 20']   run a study (the first call installs)"
	@echo "make retrain ARGS='--study NAME'   train a study's best trial again, then test it"
	@echo "make ui                            open the MLflow UI on mlruns/"
	@echo "make test                          ruff, mypy, import-linter and the tests"
	@echo "make test-all                      the slow suites, beside those of make test"
	@echo "make check                         ruff, mypy and import-linter only"
	@echo "make bench [ARGS='--faces PATH']   measure speed beside a peer's and the targets (an hour)"
	@echo "make lock                          resolve requirements.lock anew"

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

search: $(STAMP)
	@$(BIN)/python -m fer_tune.search $(ARGS)

retrain: $(STAMP)
	@$(BIN)/python -m fer_tune.retrain $(ARGS)

ui: $(STAMP)
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest $(ARGS)

test-all: $(STAMP)
	$(BIN)/python -m pytest -m slow $(ARGS)

bench: $(STAMP)
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --upgrade -o requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
