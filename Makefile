# vensurv. `make` alone lists what can be made.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help venv demo train compare test lint ui bench parity validity lock clean

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

venv: $(READY) ## create the virtual environment from the lock file

demo: $(READY) ## run the main job on the embedded cohort (about 3 minutes)
	$(BIN)/python -m pipelines.train --out out/demo

train: $(READY) ## run the main job on your cohort: make train CONFIG=my.yaml
	$(BIN)/python -m pipelines.train $(if $(CONFIG),--config $(CONFIG)) $(if $(OUT),--out $(OUT))

compare: $(READY) ## compare the regimens of your cohort: make compare CONFIG=my.yaml OUT=dir
	$(BIN)/python -m pipelines.compare $(if $(CONFIG),--config $(CONFIG)) --out $(or $(OUT),out/compare)

test: $(READY) ## run the tests
	$(BIN)/python -m pytest

lint: $(READY) ## check lint, format, types and the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

ui: $(READY) ## open the MLflow UI on the project's store, at http://127.0.0.1:5000
	$(BIN)/python -m pipelines.ui

bench: $(READY) ## measure speed against named baselines: make bench, or BENCH=name
	$(BIN)/python -m benchmarks $(BENCH)

parity: $(READY) ## our measures beside those of R: make parity SHARED=folder of data and references
	$(BIN)/python -m benchmarks.parity $(SHARED)

validity: $(READY) ## measure which estimators recover a known truth (20 minutes): or SCENARIO=name COHORTS=100
	@mkdir -p out  # a part of it leaves benchmarks/validity.json as it is
	$(BIN)/python -m benchmarks.validity $(if $(COHORTS),--cohorts $(COHORTS)) $(if $(SCENARIO)$(COHORTS),--out out/validity.json) $(SCENARIO)

lock: $(READY) ## resolve the lock file anew from pyproject.toml (needs uv)
	uv pip compile --universal --generate-hashes --no-header --python-version 3.11 --extra dev --quiet pyproject.toml -o requirements.lock

clean: ## remove the virtual environment and caches; keeps mlruns/
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis out *.egg-info
