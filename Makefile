# Usage: make search, make test, ... The first call installs all dependencies into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=
# As in fer_tune/__main__.py.
COMMANDS := search report retrain evaluate predict export ablate train studies data suspects

.PHONY: help install $(COMMANDS) ui test test-all check lint-docker audit bench gpu-check gpu-bundle cluster-secrets cluster-test lock clean
.DEFAULT_GOAL := help

help:
	@echo "make search [ARGS='--trials 20']   run a study (the first call installs everything)"
	@echo "make report ARGS='--study NAME'    write a study's results as a page"
	@echo "make retrain ARGS='--study NAME'   train a study's best trial again and evaluate it"
	@echo "make evaluate ARGS='--data PATH'   score a model on labelled faces"
	@echo "make predict ARGS='FILE...'        classify the expressions in images"
	@echo "make export ARGS='--to DIR'        write a model as an ONNX file"
	@echo "make ablate ARGS='--study NAME'    find out which changes of the best trial help"
	@echo "make train ARGS='--set NAME=VALUE' train one configuration of your own and evaluate it"
	@echo "make studies [ARGS='delete NAME']  list all studies, rename one or delete one"
	@echo "make data [ARGS='PATH']            check a set of faces"
	@echo "make suspects [ARGS='PATH']        list training faces whose label is probably wrong"
	@echo "make ui                            start the MLflow UI on mlruns/"
	@echo "make test                          run make check and the tests"
	@echo "make test-all                      run the slow tests, which make test leaves out"
	@echo "make check                         run ruff, mypy, import-linter and make lint-docker"
	@echo "make lint-docker                   check the Dockerfile and the YAML files in docker/"
	@echo "make audit                         look for known vulnerabilities in locked dependencies"
	@echo "make bench [ARGS='--faces PATH']   compare speed with a reference and targets (an hour)"
	@echo "make gpu-check                     test and measure on this machine's NVIDIA GPU (8 minutes)"
	@echo "make gpu-bundle                    write a folder that does the same without a network"
	@echo "make cluster-secrets               write passwords for docker/compose.yaml to docker/.env"
	@echo "make cluster-test                  start docker/compose.yaml for real and break it (15 minutes)"
	@echo "make lock                          update both lock files to the newest versions"
	@echo "make clean                         delete .venv and the caches of the tools"

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is older than Python 3.11; use a newer one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(COMMANDS): $(STAMP)
	@$(BIN)/python -m fer_tune $@ $(ARGS)

ui: $(STAMP)
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	  $(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db \
	  --host 127.0.0.1 --allowed-hosts 'localhost:*,127.0.0.1:*' $(ARGS)

check: $(STAMP) lint-docker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-docker: $(STAMP)
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/yamllint --strict --config-file docker/yamllint.yaml docker
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose*.yaml

# With --strict, the audit fails if it cannot check a package.
audit: $(STAMP)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes \
	  -r requirements.lock -r docker/requirements.lock $(ARGS)

# One process for each core, at most four, since each takes 2 GB of memory.
PROCESSES := --numprocesses logical --maxprocesses 4

test: check
	$(BIN)/python -m pytest $(PROCESSES) $(ARGS)

test-all: $(STAMP)
	$(BIN)/python -m pytest -m slow $(PROCESSES) $(ARGS)

# With -s, each step is printed as it begins.
cluster-test: $(STAMP)
	$(BIN)/python -m pytest -m engine -s tests/docker/test_started_cluster.py $(ARGS)

bench: $(STAMP)
	@$(BIN)/python -m benchmarks $(ARGS)

# Any Python that has torch, such as make gpu-check PYTHON=python3.12; by default that of .venv.
gpu-check:
	@PYTHONPATH=. $(or $(filter-out python3,$(PYTHON)),$(wildcard $(BIN)/python),python3) -m benchmarks.gpu_check $(ARGS)

gpu-bundle: $(STAMP)
	@$(BIN)/python -m benchmarks.gpu_check.make_bundle $(ARGS)

LOCKED := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade

# The image's lock file has no development tools, but has what KubeRay needs.
lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --extra cluster --extra export --group dev $(LOCKED) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra cluster --extra kubernetes -c requirements.lock \
	  --no-annotate $(LOCKED) -o docker/requirements.lock

# An existing password stays, because the existing volumes need it.
cluster-secrets:
	@umask 077; grep -qs RAY_AUTH_TOKEN docker/.env || { made=$$($(PYTHON) -c 'import secrets; \
	  [print(f"{name}={secrets.token_hex(32)}") for name in \
	  ("POSTGRES_PASSWORD", "S3_SECRET_KEY", "RAY_AUTH_TOKEN")]') && echo "$$made" >> docker/.env; }
	@echo "docker/.env has the secrets of docker/compose.yaml; git ignores it"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
