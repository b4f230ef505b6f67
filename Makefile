# Every target is one command; what they do lives in the packages.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ENV ?= local
STACK ?=
TAG ?=
IMAGE ?= tenbin/planner:0.1.0
BUILDER ?= $(or $(shell command -v docker),podman)
UV_VERSION := 0.13.9
CACHE := $(or $(TENBIN_CACHE),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME)/tenbin,$(HOME)/.cache/tenbin))
UV := $(or $(shell command -v uv),$(CACHE)/uv/bin/uv)
RUN := $(UV) run --no-sync
TENBIN := $(RUN) tenbin
PYTEST := $(RUN) pytest

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: sync
sync: | $(UV) ## Install the workspace into .venv
	@$(UV) sync --quiet

# Where uv is missing, a virtual environment in the cache brings it.
$(CACHE)/uv/bin/uv:
	@echo "installing uv $(UV_VERSION) into $(CACHE)/uv"
	@python3 -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, python3 is " + sys.version.split()[0])'
	@python3 -m venv $(CACHE)/uv && $(CACHE)/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.PHONY: up load stop down status toolchain
up: sync ## Bring the local environment up, or repair it (ENV=name STACK=name)
	@$(TENBIN) local up --env $(ENV) $(if $(STACK),--stack $(STACK))

load: sync ## Send a bounded traffic shape and watch the planner scale
	@$(TENBIN) load --env $(ENV)

stop: sync ## End the environment's processes and keep its state
	@$(TENBIN) local stop --env $(ENV)

down: sync ## Remove the environment
	@$(TENBIN) local down --env $(ENV)

status: sync ## Show what runs
	@$(TENBIN) local status --env $(ENV)

toolchain: sync ## Find, download or build the tools, and show them
	@$(TENBIN) local toolchain

.PHONY: test test-fast e2e check format bench clean
test: toolchain ## Run all tests, as CI does
	@$(PYTEST) -n auto --dist loadfile -m "not e2e"
	@$(PYTEST) -m e2e

test-fast: sync ## Run the tests that need no cluster
	@$(PYTEST) -n auto --dist loadfile -m "not e2e" --ignore tests/local

check: sync ## Lint, types, import borders, wheels
	@$(RUN) ruff check && $(RUN) ruff format --check && $(RUN) mypy && $(RUN) lint-imports && $(RUN) python tests/packaging/wheels.py

format: sync ## Format the sources
	@$(RUN) ruff check --fix-only --quiet && $(RUN) ruff format

bench: sync ## Measure, print the figures and write them to .tenbin/bench.json
	@$(RUN) python tests/bench

.PHONY: wheels image
wheels: sync ## Build the wheels and their bill of materials into dist (TAG=v0.1.0)
	@rm -rf dist && $(UV) build --quiet --all-packages --wheel --out-dir dist/wheels
	@$(UV) export --quiet --frozen --all-packages --no-dev --format cyclonedx1.5 --output-file dist/sbom/tenbin.cdx.json
	@test -z "$(TAG)" || test -f dist/wheels/tenbin-$(TAG:v%=%)-py3-none-any.whl || { echo "TAG=$(TAG) is not the version of pyproject.toml" >&2; exit 1; }

image: ## Build the image of planner and picker (IMAGE=name:tag)
	@$(BUILDER) build --file Containerfile --tag $(IMAGE) .

clean: ## Remove caches of tools and tests from the checkout
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist && find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
