.DEFAULT_GOAL := install
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
SECOND := .venv-second-platform

.PHONY: install learning-locker demo test check bench lock migration help

install: $(STAMP) ## build .venv with everything the project needs

$(STAMP): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/support/need.sh python3-venv "import ensurepip"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what the project needs …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(SECOND)/.installed: requirements/second-platform.txt | $(STAMP)
	@echo "Installing the second platform of the tests …"
	@$(PYTHON) -m venv $(SECOND)
	@$(SECOND)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		-r requirements/second-platform.txt 2>$(SECOND)/problem.txt && touch $@ || \
		echo "The second platform cannot be installed, so its tests are left out: see $(SECOND)/problem.txt"

learning-locker: ## a record store of others for the tests of delivery, where there is npm
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix .learning-locker @learninglocker/xapi-statements@7.8.0

demo: install ## run the tool with a practice LMS and a seeded story
	@$(BIN)/lti-mentor demo

test: install check $(SECOND)/.installed ## everything: style, types, layers, tests on SQLite, PostgreSQL and in a real browser
	@sh tests/support/need.sh chromium
	@sh tests/support/need.sh postgresql
	@$(BIN)/python -m pytest -n 3 --dist loadfile

check: install ## style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache

bench: install ## measure, as ratios in one run
	@$(BIN)/python -m tests.bench

lock: install ## pin the newest allowed versions, with hashes
	@command -v uv >/dev/null || { echo "uv is needed: pip install uv"; exit 1; }
	uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url pyproject.toml -o requirements/base.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --extra dev pyproject.toml -o requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url requirements/second-platform.in -o requirements/second-platform.txt

migration: install ## write the next migration from the rows: make migration NAME="Add a thing"
	@$(BIN)/python -m tests.support.migration "$(NAME)"

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18
