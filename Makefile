# Everything here prepares the machine by itself (dev/install.sh) and keeps its caches in the
# checkout. `make` alone lists what there is.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
EXAMPLE := examples/visit-counter-app
# What zizmor and check-jsonschema read: the actions, and the workflows of this project and of the example.
ACTIONS = $(wildcard action.yml */action.yml)
WORKFLOWS = $(wildcard .github/workflows/*.yml $(EXAMPLE)/.github/workflows/*.yml examples/workflows/*.yml)
COMPILE = "$$(dev/install.sh --uv)" pip compile --quiet --upgrade --universal --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1
export UV_PYTHON_DOWNLOADS := never
export UV_CACHE_DIR := $(CURDIR)/.cache/uv-cache

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: ## Prepare this machine: system packages that are missing, and .venv
	@dev/install.sh

.PHONY: demo
demo: install ## Publish the example to a local ECR: once clean, once vulnerable
	@$(BIN)/python -m dev.demo

.PHONY: test
test: lint test-fast test-e2e ## Run everything that CI runs

.PHONY: test-fast
test-fast: install ## Run the tests without act and Docker, with coverage
	$(BIN)/coverage run -m pytest tests/unit tests/contract tests/integration
	$(BIN)/coverage report
	$(BIN)/pytest $(EXAMPLE)/tests

.PHONY: test-e2e
test-e2e: install ## Run real workflow files on a real engine against the local ECR
	$(BIN)/pytest tests/e2e

.PHONY: lint
lint: install ## Check style, types, import walls, actions and workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/zizmor --config dev/zizmor.yml --offline --strict-collection --no-progress $(ACTIONS) $(WORKFLOWS)
	$(BIN)/actionlint -no-color $(WORKFLOWS)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions $(ACTIONS)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)

.PHONY: pictures
pictures: install ## Draw the pictures of the docs anew (needs chromium)
	$(BIN)/python -m dev.pictures

.PHONY: dist
dist: install ## Make what a release carries and main does not: the bundle of all packages
	@$(BIN)/python -m dev.dist

.PHONY: bench
bench: install ## Measure everything, or some parts: ONLY="verdict push"
	@$(BIN)/python -m bench $(ONLY)

.PHONY: lock
lock: ## Lock the newest versions, with hashes
	$(COMPILE) --python-version 3.10 --output-file requirements/runtime.txt pyproject.toml
	$(COMPILE) --python-version 3.10 --output-file requirements/dev.txt \
		--constraints requirements/runtime.txt --group dev pyproject.toml $(EXAMPLE)/requirements.in
	$(COMPILE) --python-version 3.10 --output-file requirements/uv.txt - <<<uv
	$(COMPILE) --python-version 3.10 --output-file $(EXAMPLE)/requirements.txt $(EXAMPLE)/requirements.in
	@! grep -nE '://|^-|@ ' requirements/*.txt $(EXAMPLE)/requirements.txt

.PHONY: clean
clean: ## Remove all that the other targets made in the checkout
	rm -rf dist .venv .cache .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
