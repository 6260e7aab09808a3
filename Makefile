# The whole interface of a contributor. `make readiness` and `make test` do all the set-up themselves.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SYSTEM := .venv/.system
SIZE ?= full
# Programs are started hundreds of times: where nothing may be kept, each start would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: readiness test lint format bench proof-lifecycle proof-integrity proof-diagnostics proof-isolation proof-load lock system clean help
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "setting up .venv: Python packages from the registry, pinned by requirements.lock"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

readiness: $(READY) ## measure the embedded stack and write the sign-off report
	@$(BIN)/capliquify-ops readiness --target embedded --measured-only

# Three on two cores: a test waits for a stack or a server as long as it computes.
test: $(READY) system ## the project's own tests
	@base=$$(sh tools/scratch-folder) && trap 'rm -rf "$$base"' EXIT && trap 'exit 130' INT TERM HUP && \
	  TMPDIR="$$base" $(BIN)/python -m pytest tests --numprocesses 3 --dist loadgroup --basetemp "$$base/pytest" -r sfE

system:
	@sh tools/system-packages chromium pgbouncer

lint: $(READY) ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY) ## let ruff put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY) ## benchmarks side by side with their peers, writes docs/reference/performance.md; SIZE=ci: short, with wide margins
	@$(BIN)/python -m pytest perf --benchmark-only --benchmark-columns=min,median,stddev,rounds --size $(SIZE) \
	  $(if $(filter ci,$(SIZE)),--assert-ratios,--write-page)

proof-lifecycle: $(READY) ## interrupt every lifecycle verb everywhere; resumable, writes docs/reference/proof-lifecycle.md
	@$(BIN)/python -m pytest tests/db/definitions tests/reference/readiness --whole --quiet
	@$(BIN)/python -m pytest tests/reference -m whole --whole --ignore tests/reference/readiness --ignore tests/reference/isolation \
	  --ignore tests/reference/flask_service --ignore tests/reference/service --quiet
	@$(BIN)/python tests/db/lifecycle/proof.py
	@$(BIN)/python tests/proof/backup_oracle.py --schemas 300 --state .proof/backup-oracle.json

proof-integrity: $(READY) ## fleets with faults planted at random: each found, none invented; resumable, see docs/reference/proof-integrity.md
	@$(BIN)/python -m pytest tests/db tests/unit tests/browser -m whole --whole --ignore tests/db/definitions --quiet
	@$(BIN)/python tests/proof/fleet_integrity.py --fleets 100 --state .proof/fleet-integrity.json

proof-diagnostics: $(READY) ## each condition that a diagnosis names, caused for real; resumable, writes docs/reference/proof-diagnostics.md
	@$(BIN)/python -m pytest tests/unit/integrations tests/unit/diagnostics tests/unit/remedies tests/db/diagnostics tests/db/remedies \
	  tests/reference/diagnostics --whole --quiet
	@$(BIN)/python tests/proof/diagnostics.py --state .proof/diagnostics.json

proof-isolation: $(READY) system ## every fault, defect and twin against the security checks; resumable, writes docs/reference/mutation-score.md
	@$(BIN)/python tests/reference/isolation/proof.py
	@$(BIN)/python -m pytest tests/unit/isolation tests/reference/flask_service tests/reference/service -m whole --whole --quiet
	@$(BIN)/python tests/proof/isolation_mutants.py --state .proof/isolation-mutants.jsonl

proof-load: $(READY) ## ten minutes of load, the generator alone, how far the service goes; resumable, writes docs/reference/proof-load.md
	@$(BIN)/python -m pytest tests/unit/load tests/reference/load -m whole --whole --quiet
	@$(BIN)/python tests/proof/load.py

lock: ## renew requirements.lock from pyproject.toml
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/pip install --quiet uv
	@.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --all-extras --group dev --no-emit-package capliquify-ops --output-file requirements.lock pyproject.toml
	@rm -rf .venv-lock

clean: ## remove what the other targets made, evidence included
	rm -rf .venv .venv-lock .readiness .proof .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist
