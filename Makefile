# Everything a developer or a pipeline does here. `make` alone lists the targets.
# `install`, `run` and `test` need make and Python 3.11 or newer, nothing else.

PYTHON ?= python3
DATA ?= .bindery
PORT ?= 8000
WORKERS ?= 2
UPGRADE ?=
SUITE ?=
MINUTES ?= 30
SEED ?=
ANEW ?=
WRITE ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV_VERSION := 0.13.9
EXPLORER := app/explorer
CONFORMANCE := tests/conformance
PEERS := bench/peers
SOURCES := $(wildcard app tests bench docker)

# What `make ci` runs, in this order, and how many seconds each step may take.
CI_BUDGETS := \
	test=1200 \
	lint=240 \
	races=480 \
	schema-lint=180 \
	journey=120 \
	journey-scale=240 \
	faults=900 \
	suites=810 \
	half-open=100 \
	conformance=300 \
	explorer-test=360 \
	docker-scripts=360

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install run explorer explorer-or-none explorer-test test lint format journey journey-scale \
	bench bench-peers bench-quick bench-fleet bench-polls bench-fsck bench-content conformance faults half-open suites soak races \
	schema-lint docker-scripts ci lock clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Bindery needs Python 3.11 or newer, and '$(PYTHON)' is not: name one with 'make PYTHON=python3.11'." >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed: on Debian and Ubuntu install the package python3-venv." >&2; \
		exit 1; }

# The project goes in last and alone: its dependencies are the locked ones, `pip check` proves that
# they are those it asks for, and its build needs nothing from outside.
$(STAMP): requirements/dev.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@touch $@

install: $(STAMP) ## Create .venv with the locked dependencies and the project.

run: export BINDERY_LOG_FORMAT ?= console
run: install explorer-or-none ## Serve the demo data at http://127.0.0.1:8000 (PORT=, DATA=).
	@exec $(BIN)/bindery serve --demo --host 127.0.0.1 --port '$(PORT)' --data '$(DATA)'

# What is built says by its time whether it is older than what it was built from.
$(EXPLORER)/node_modules/.installed: $(EXPLORER)/package.json $(EXPLORER)/package-lock.json
	npm --prefix $(EXPLORER) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(EXPLORER)/dist/index.html: $(EXPLORER)/node_modules/.installed \
		$(wildcard $(EXPLORER)/*.* $(EXPLORER)/examples/*)
	npm --prefix $(EXPLORER) --loglevel=error run build

explorer: $(EXPLORER)/dist/index.html ## Build the explorer that is served at / (needs npm).

explorer-or-none:
	@if command -v npm >/dev/null; then \
		$(MAKE) --silent --no-print-directory explorer || \
			echo "The explorer at / is left out: it could not be built."; \
	elif [ ! -f $(EXPLORER)/dist/index.html ]; then \
		echo "The explorer at / is left out: npm, which builds it, is not there."; \
	fi

explorer-test: install explorer ## Open the explorer in a real Chromium, without a network.
	BINDERY_BROWSER=required $(BIN)/python -m pytest tests/explorer

test: install ## Run the tests, and require all branches of the rules to be covered.
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/rules --cov=app/rules --cov-branch --cov-report=
	$(BIN)/coverage report --include='app/rules/*' --fail-under=100 --skip-covered
	BINDERY_ROUNDS=$${BINDERY_ROUNDS:-1} $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --ignore=tests/rules

.PHONY: budgets
budgets: install ## Count each example's SQL statements at 10 and 10,000 rows (BINDERY_ROWS=).
	BINDERY_ROWS=$${BINDERY_ROWS:-10000} $(BIN)/python -m pytest tests/graphql/test_budgets.py

.PHONY: backups
backups: install ## Back up a server at work, 20 times on each database, and restore each.
	$(BIN)/python -m tests.soak.main --suite B2 --minutes 20 --anew

.PHONY: push-kills
push-kills: install ## Kill `bindery push` of 1 GiB ten times, and count what it sends.
	BINDERY_PUSH_MIB=1024 BINDERY_PUSH_KILLS=10 BINDERY_PUSH_PARALLEL=4 \
		$(BIN)/python -m pytest -s tests/client/test_kills.py

races: install ## Race 64 clients for every move, 5 rounds of each (BINDERY_ROUNDS=).
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/races

lint: install ## Check format, style, types, the rooms, the dependencies and the Dockerfile.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry app
	$(BIN)/hadolint Dockerfile

format: install ## Format the code and repair what can be repaired.
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

journey: install ## Play a whole lifecycle against a real server, and print its steps.
	$(BIN)/python -m tests.journeys.main

journey-scale: install ## The same on PostgreSQL, and on a bucket with two servers and workers, two of them killed.
	$(BIN)/python -m tests.journeys.scale

faults: install ## Kill a server, cut its power, fail its disk: nothing acknowledged may be lost.
	$(BIN)/python -m tests.soak.main --group faults

suites: install ## Play every suite of many cases at its CI size.
	$(BIN)/python -m tests.soak.main

soak: install ## Play one for long, where its last run stopped (SUITE=, MINUTES=, SEED=, ANEW=1).
	$(BIN)/python -m tests.soak.main --suite '$(SUITE)' --minutes $(MINUTES) \
		$(if $(SEED),--seed $(SEED)) $(if $(ANEW),--anew)

half-open: install ## Hold 1,000 connections of a server half open for 60 s, and ask meanwhile.
	$(BIN)/python -m tests.wire.main

$(CONFORMANCE)/node_modules/.installed: $(CONFORMANCE)/package-lock.json
	@command -v npm >/dev/null || { \
		echo "This needs Node 20.19 or newer, with npm." >&2; \
		exit 1; }
	npm --prefix $(CONFORMANCE) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

conformance: install $(CONFORMANCE)/node_modules/.installed ## Hold a server against GraphQL over HTTP, and the examples against TypeScript.
	$(BIN)/python -m tests.conformance.main

schema-lint: $(CONFORMANCE)/node_modules/.installed ## Lint schema.graphql, and compare it with the last tag's.
	node $(CONFORMANCE)/lint.mjs
	node $(CONFORMANCE)/breaking.mjs
	node --test --test-reporter=dot $(CONFORMANCE)/breaking.test.mjs

$(PEERS)/node_modules/.installed: $(PEERS)/package-lock.json
	npm --prefix $(PEERS) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

bench-peers:
	@if command -v npm >/dev/null; then \
		$(MAKE) --silent --no-print-directory $(PEERS)/node_modules/.installed; \
	else \
		echo "Mercurius is left out: npm, which installs it, is not there."; \
	fi

bench-quick: install bench-peers ## Compare six questions with SQL by hand, on little data, in two minutes.
	$(BIN)/python -m bench.main --quick

bench: install bench-peers ## The same on up to 1,000,000 binaries and releases, in a quarter of an hour.
	$(BIN)/python -m bench.main

bench-fleet: install ## Ask a cohort of 10,000 devices and 500 releases; print statements and times.
	$(BIN)/python -m bench.fleet_reads

bench-polls: install ## Have 10,000 and 1,000,000 devices poll two servers, some minutes (WRITE=--write: keep).
	$(BIN)/python -m bench.fleet.main $(WRITE)

bench-fsck: install ## Have fsck look at 1,000 and at 100,000 binaries; at most 60 s.
	$(BIN)/python -m bench.fsck_records

bench-content: install ## Upload, hash and download 1 GiB beside dd, openssl and plain reading.
	$(BIN)/python -m bench.content

docker-scripts: install ## Play the Dockerfile without Docker, as an unprivileged user.
	docker/check.sh

# A recipe line of its own for each step would hide how long a step took when a later one fails.
ci: ## Run every check, each within its budget.
	@report=; \
	for entry in $(CI_BUDGETS); do \
		step=$${entry%=*}; budget=$${entry#*=}; \
		echo "== $$step (at most $$budget s)"; \
		begun=$$(date +%s); status=0; \
		timeout --kill-after=10 $$budget $(MAKE) --no-print-directory $$step || status=$$?; \
		taken=$$(($$(date +%s) - begun)); \
		case $$status in \
			0) verdict=passed ;; \
			124 | 137) verdict='over budget' ;; \
			*) verdict=failed ;; \
		esac; \
		report="$$report$$(printf '%-16s %5d s of %5d s  %s' $$step $$taken $$budget "$$verdict")|"; \
		test $$status -eq 0 || break; \
	done; \
	printf '%s' "$$report" | tr '|' '\n'; \
	exit $$status

# The address of an index never reaches the files: a lock names versions and hashes only.
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-strip-extras --no-emit-index-url --no-emit-find-links $(UPGRADE)

lock: | $(BIN)/python ## Write the locks anew from pyproject.toml (UPGRADE=--upgrade: newer versions).
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(UV_COMPILE) --output-file requirements/server.txt pyproject.toml
	$(UV_COMPILE) --output-file requirements/build.txt --group build
	$(UV_COMPILE) --output-file requirements/otel.txt pyproject.toml --extra otel \
		--constraints requirements/server.txt
	$(UV_COMPILE) --output-file requirements/dev.txt pyproject.toml --group dev --extra otel \
		--constraints requirements/server.txt --constraints requirements/build.txt

clean: ## Remove the environment, caches and reports; the data of `make run` stays.
	rm -rf $(EXPLORER)/dist $(EXPLORER)/node_modules $(CONFORMANCE)/node_modules $(PEERS)/node_modules
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* coverage.xml
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
