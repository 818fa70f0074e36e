# Run Manager: make run, make test. Everything is kept in .venv and .demo beside this file.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCAN := .scan
MAKEFLAGS += --no-print-directory
# One set of versions for every system and for Python 3.11 and newer.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	--no-emit-index-url

.PHONY: help run install test coverage fuzz security bench check format screenshot lock clean

.DEFAULT_GOAL := help
help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/run.stamp ## Start the dashboard on http://localhost:8501
	@exec $(BIN)/python -m runmanager

install: $(VENV)/run.stamp ## Install what the dashboard needs, and start nothing

test: $(VENV)/dev.stamp ## Run all tests
	@$(BIN)/python -m tests.browser_needed
	@$(BIN)/python -m pytest -n logical --dist loadgroup

coverage: $(VENV)/dev.stamp ## Run all tests, and print by room how many lines they reach
	@PYTEST_ADDOPTS="--cov --cov-report=" $(MAKE) test
	@$(BIN)/python -m tests.coverage_by_room

fuzz: $(VENV)/dev.stamp ## Send the API some 10,000 requests; delete in 5,000 random hosts; kill at every boundary
	@$(BIN)/python -m tests.api.fuzz
	@RANDOM_HOSTS=5000 $(BIN)/python -m pytest -q -n logical tests/database/test_random_hosts.py \
		tests/database/test_restoring_random_hosts.py
	@EVERY_POINT=1 $(BIN)/python -m pytest -q -n logical tests/database/test_killed.py \
		tests/database/test_restoring_killed.py \
		tests/database/test_lost_connections.py tests/database/test_crashed_server.py \
		tests/database/test_concurrent.py \
		tests/database/test_stateful.py tests/database/test_plan_matching.py \
		tests/database/test_any_list.py tests/database/test_histogram.py \
		tests/database/test_status_counts.py tests/database/test_access_paths.py \
		tests/database/test_any_checkpoint_tables.py tests/api/test_same_as_plain_sql.py

security: $(VENV)/dev.stamp $(SCAN)/scan.stamp ## Attack the running process in every way, and read the code for faults
	@$(SCAN)/bin/python -m tests.security.scan
	@$(BIN)/python -m tests.security

bench: $(VENV)/dev.stamp ## Measure on a million runs, or on RUNS=10000000, beside the plain way
	@$(BIN)/python -m benchmarks.scale

check: $(VENV)/dev.stamp ## Style, types and the direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/dev.stamp ## Put the code in its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

screenshot: $(VENV)/dev.stamp ## Take the README's pictures from the running demo
	@$(BIN)/python -m tests.browser.screenshot

lock: $(VENV)/dev.stamp ## Renew constraints.txt and requirements.lock
	@$(BIN)/pip install --quiet uv
	@: > constraints.txt
	@$(COMPILE) requirements-dev.txt -o constraints.new
	@{ echo "# Every package at the version it was tested with. Made by 'make lock'."; \
		sed "s/ ; sys_platform != 'emscripten'//" constraints.new | grep -v emscripten; } > constraints.txt
	@$(COMPILE) --generate-hashes --no-emit-package httpx2-jsfetch requirements.txt -o requirements.new
	@{ echo "# What 'make run' installs: requirements.txt with all that it pulls in, at the versions of"; \
		echo "# constraints.txt. Made by 'make lock'."; \
		sed "s/ ; sys_platform != 'emscripten'//" requirements.new; } > requirements.lock
	@rm constraints.new requirements.new

clean: ## Remove the environment, the demo's data and the benchmark's
	rm -rf $(VENV) $(SCAN) .demo .bench tests/entrance/provider/node_modules tests/browser/axe/node_modules

$(VENV)/run.stamp: requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what the dashboard needs into $(VENV), once …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# On top of what users install: the tests run on the same files.
$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.txt requirements.txt constraints.txt
	@echo "Installing what the tests need into $(VENV), once …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# bandit and semgrep pin what clashes with ours.
$(SCAN)/scan.stamp: tests/security/scan-requirements.txt
	@test -x $(SCAN)/bin/python || $(PYTHON) -m venv $(SCAN)
	@$(SCAN)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/security/scan-requirements.txt
	@touch $@
