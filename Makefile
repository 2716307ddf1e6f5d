# Everything runs from .venv, which only needs python3 (3.11 or newer) and uv.lock.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
SYNC := $(UV) sync --quiet --frozen --inexact --all-extras
EXPORT := $(UV) export --quiet --frozen --no-emit-project --no-annotate --no-header

# Tools from npm are outside the checkout, with one folder per lock file.
NODE_TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/zerokie-action/node-$(shell cksum < .ci/package-lock.json | cut -d ' ' -f 1)

export PATH := $(CURDIR)/.venv/bin:$(NODE_TOOLS)/node_modules/.bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never

.PHONY: help setup tools demo acceptance check test test-acceptance test-exhaustive servers browser e2e lint lint-ci audit lowest format docs pictures bench requirements clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.synced: uv.lock pyproject.toml .ci/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Install Python 3.11 or newer")'
	@echo "Installing the tools for development into .venv (downloads about 75 MB)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/requirements.txt
	@$(SYNC)
	@touch $@

.venv/.synced-ci: .venv/.synced
	@$(SYNC) --group build --group ci
	@touch $@

.venv/.synced-browser: .venv/.synced
	@$(SYNC) --group browser
	@touch $@

$(NODE_TOOLS)/.installed: .ci/package-lock.json
	@mkdir -p $(NODE_TOOLS)
	@cp .ci/package.json .ci/package-lock.json $(NODE_TOOLS)
	@npm ci --prefix $(NODE_TOOLS) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

setup: .venv/.synced ## Make .venv from uv.lock (other commands do this if it is missing)

demo: .venv/.synced ## Deploy a site and an image to a local platform (KEEP=1 leaves it running)
	@$(BIN)/python examples/demo.py $(if $(KEEP),--keep)

acceptance: .venv/.synced ## Test the action on the real platform (needs ZEROKIE_API_KEY; ARGS=--plan describes the run)
	@$(BIN)/python -m acceptance $(ARGS)

tools: .venv/.synced-ci .venv/.synced-browser $(NODE_TOOLS)/.installed ## Install the tools of all commands from PyPI and npm

check: lint test ## Lint and test

test: .venv/.synced ## Run all tests that need only Python (about a minute on two cores)
	@$(BIN)/pytest -n auto --dist worksteal $(ARGS)

test-acceptance: .venv/.synced ## Run `make acceptance` against a local platform
	@$(BIN)/pytest -m "acceptance and not exhaustive" tests/acceptance $(ARGS)

test-exhaustive: .venv/.synced ## Run all cases of the tests that `make test` only samples
	@$(BIN)/pytest -n auto --dist worksteal -m exhaustive $(ARGS)

servers: .venv/.synced ## Run the tests behind real servers (nginx, squid, haproxy)
	@$(BIN)/pytest -m servers tests/servers $(ARGS)

browser: .venv/.synced-browser $(NODE_TOOLS)/.installed ## Test the sandbox's page and the pictures in a real browser (chromium)
	@$(BIN)/pytest -m browser tests/browser tests/project/test_pictures.py $(ARGS)

e2e: .venv/.synced-ci $(NODE_TOOLS)/.installed ## Run the tests in real containers, with act and gitlab-ci-local
	@$(BIN)/pytest -m e2e tests/e2e $(ARGS)

lint: .venv/.synced-browser ## Check style, types and the direction of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lint-ci: .venv/.synced-ci $(NODE_TOOLS)/.installed ## Check the lock, the action, the workflows, the Dockerfile and the templates
	@./.ci/lint

audit: .venv/.synced-ci ## Check for undeclared, unused and vulnerable dependencies
	@./.ci/audit

lowest: .venv/.synced ## Test with the oldest dependencies (needs Python 3.11)
	@./.ci/lowest

format: .venv/.synced ## Format the code
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

docs: .venv/.synced ## Update the generated parts of documents, action.yml and the GitLab component
	@$(BIN)/python .ci/documents.py

pictures: .venv/.synced-browser $(NODE_TOOLS)/.installed ## Update the pictures in docs/pictures with a real browser
	@$(BIN)/python .ci/pictures.py $(ARGS)

bench: .venv/.synced ## Compare deploys with other tools
	@$(BIN)/python -m bench $(ARGS)

requirements: .venv/.synced ## Export the requirements files from uv.lock, with hashes
	@$(EXPORT) --no-dev --output-file requirements.txt
	@$(EXPORT) --only-group build --output-file requirements-build.txt
	@$(EXPORT) --only-group setup --output-file .ci/requirements.txt

clean: ## Remove the files of these commands
	@rm -rf .venv .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@rm -rf build dist mutants
