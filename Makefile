# vensurv. `make` alone lists what can be made.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What running needs is installed, and what developing adds to it.
RUNS := $(VENV)/.runs
DEVELOPS := $(VENV)/.develops
# The lock files are complete, so pip resolves nothing (pip 23.2 could not) and `pip check` says
# whether they are.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
COMPILE := uv pip compile --universal --generate-hashes --no-header --python-version 3.11 --quiet pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help venv dev demo train compare test test-quick lint ui serve bench parity validity fuzz lock clean

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(RUNS): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-build-isolation -e .
	$(BIN)/python -m pip check
	@touch $@

$(DEVELOPS): $(RUNS) requirements-dev.lock
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip check
	@touch $@

venv: $(RUNS) ## create the virtual environment with what running needs

dev: $(DEVELOPS) ## add what developing needs

demo: $(RUNS) ## run the main job on the embedded cohort (about 3 minutes)
	$(BIN)/python -m pipelines.train --out out/demo

train: $(RUNS) ## run the main job on your cohort: make train CONFIG=my.yaml
	$(BIN)/python -m pipelines.train $(if $(CONFIG),--config $(CONFIG)) $(if $(OUT),--out $(OUT))

compare: $(RUNS) ## compare the regimens of your cohort: make compare CONFIG=my.yaml OUT=dir
	$(BIN)/python -m pipelines.compare $(if $(CONFIG),--config $(CONFIG)) --out $(or $(OUT),out/compare)

# A process a core, one thread each. Whole files go to a process, since tests of one file share what
# is slow to make, and the commands first, since theirs are the longest.
TESTS := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test: $(DEVELOPS) ## run the tests
	$(TESTS)

test-quick: $(DEVELOPS) ## those of less than a minute: all but the commands, the measures and what is marked slow
	$(TESTS) -m "not slow" tests/features tests/models tests/spec tests/test_architecture.py tests/test_lock_files.py

lint: $(DEVELOPS) ## check lint, format, types and the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

ui: $(RUNS) ## open the MLflow UI on the project's store, at http://127.0.0.1:5000
	$(BIN)/python -m pipelines.ui

serve: $(RUNS) ## serve the champion: a page for one patient at http://127.0.0.1:8000
	$(BIN)/python -m pipelines.serve $(if $(MODEL),--model $(MODEL))

bench: $(RUNS) ## measure speed against named baselines: make bench, or BENCH=name
	$(BIN)/python -m benchmarks $(BENCH)

parity: $(RUNS) ## our measures beside those of R: make parity SHARED=folder of data and references
	$(BIN)/python -m benchmarks.parity $(SHARED)

validity: $(RUNS) ## measure which estimators recover a known truth (20 minutes): or SCENARIO=name COHORTS=100
	@mkdir -p out  # a part of it leaves benchmarks/validity.json as it is
	$(BIN)/python -m benchmarks.validity $(if $(COHORTS),--cohorts $(COHORTS)) $(if $(SCENARIO)$(COHORTS),--out out/validity.json) $(SCENARIO)

fuzz: $(RUNS) ## damaged and hostile inputs through the commands (an hour): or N=150 SEED=2
	$(BIN)/python -m benchmarks.fuzz --n $(or $(N),600) --seed $(or $(SEED),1)

lock: ## resolve both lock files anew from pyproject.toml, keeping versions that still fit (needs uv)
	$(COMPILE) --extra editable -o requirements.lock
	$(COMPILE) --extra dev -c requirements.lock -o requirements-dev.lock \
	  $$(awk -F== '/^[a-z0-9]/ {print "--no-emit-package " $$1}' requirements.lock | sort -u)

clean: ## remove the virtual environment and caches; keeps mlruns/
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis out *.egg-info
