# Lakeloop: `make demo` and `make test` are all you need; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV
export TF_CPP_MIN_LOG_LEVEL ?= 3
export DO_NOT_TRACK := 1

BIN := .venv/bin
CODE := lakeloop lakehouse tfx_pipeline serving monitoring dags operations console
# Workers' lines are in the report only if the floor is held in a step of its own (slipcover 1.1.0).
COUNTING := python -m slipcover --fail-under 0 --json --out .coverage.json
BENEATH := { echo 'the tests run fewer lines than fail-under in pyproject.toml, [tool.slipcover], asks for: test what is new, or delete it' >&2; exit 1; }

SYSTEM_PACKAGES := openjdk-17-jre-headless g++ python3-venv chromium prometheus prometheus-alertmanager postgresql

.PHONY: help setup data kafka system airflow up down demo exercise book test test-long test-loop test-loop-and-book lint types format bench book-tools compose-tools compose-check compose-secrets compose-up compose-down clean distclean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv, the Delta jar and the compiled pipeline; says what is missing
	@deploy/setup.sh

data: setup ## Install the public data that use cases in data/ read (Python packages of a group of their own)
	@deploy/setup.sh data

kafka: setup ## Fetch from Maven what LAKELOOP_BROKER needs: Spark's Kafka connector, and a broker to try it with
	@deploy/setup.sh kafka

system: ## Install the Debian packages the platform, its alerts and its browser tests use (needs root)
	@deploy/system.sh $(SYSTEM_PACKAGES)

airflow: setup ## Make .venv-airflow, the orchestrator's own environment
	@deploy/setup.sh airflow

up: airflow ## Start the whole platform and wait until it works
	@$(BIN)/lakeloop up

down: ## Stop everything that `make up` started
	@$(BIN)/lakeloop down

demo: setup airflow ## The whole loop through Airflow, told while it happens; USE_CASE=NAME: another one's, ASK=1 asks you, FULL=1 plays 36 months, KEEP=0 stops at the end
	@$(BIN)/lakeloop demo $(if $(USE_CASE),--use-case $(USE_CASE)) $(if $(ASK),--ask) $(if $(FULL),--full) $(if $(filter 0,$(KEEP)),--no-keep)

exercise: setup ## The gate exercise: 50 units are refused, 100 units pass
	@$(BIN)/lakeloop exercise

book: book-tools ## Build docs/ as a book: runs its notebooks (some minutes), needs no network to be read
	@$(BIN)/python -m docs.book $(if $(KEEP_RUN),--keep)

test: setup airflow compose-tools ## All tests that matter every day (under 15 minutes on 2 cores); COVERAGE=1 counts the lines they run
	@$(BIN)/$(if $(COVERAGE),$(COUNTING) -m )pytest -n 2 --dist loadfile -m "not long and not loop"
	$(if $(COVERAGE),@$(BIN)/python -m slipcover --merge .coverage.json --out /dev/null || $(BENEATH))

test-long: setup airflow compose-tools ## What takes longer: many seeds, whole stories
	@$(BIN)/pytest -n 2 --dist loadfile -m long

test-loop: setup airflow ## The whole loop on a running platform of two use cases, with two kills, a person's answer and drift in one (10 minutes)
	@$(BIN)/pytest -m loop tests/e2e

test-loop-and-book:
	@MAKEFLAGS= $(MAKE) --no-print-directory --output-sync=target --keep-going test-loop book

lint: setup compose-check ## Style, formatting, the one direction of imports, and the container files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

compose-tools: setup
	@deploy/setup.sh deploy

book-tools: setup
	@deploy/setup.sh book

compose-check: compose-tools ## Check docker-compose.yml and the Dockerfiles (no Docker needed)
	@deploy/check.sh

compose-secrets: ## Make the keys and passwords of the containers (mode 600) and .env; what is there stays
	@deploy/secrets.sh

compose-up: compose-secrets ## Build the images and start everything in containers (needs Docker)
	@GIT_COMMIT=$$(git describe --always --dirty --abbrev=40 --exclude='*') docker compose up --build --detach --wait

compose-down: ## Stop the containers; the volumes stay
	@docker compose down

types: setup ## Types
	@$(BIN)/mypy $(CODE) bench docs/book docs/workshop

format: setup ## Rewrite the code in the house's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## Measure the speeds promised in docs/benchmarks.md
	@$(BIN)/python -m bench

clean: ## Remove what running made (tables, models, reports, caches); environments stay
	rm -rf $${LAKELOOP_HOME:-var} docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -not -path './.tools/*' -prune -exec rm -rf {} +

distclean: clean ## Remove the environments as well
	rm -rf .venv .venv-airflow .venv-deploy .tools
