# Hearth: every command of the project. `make help` lists them. Nothing here asks a question.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export UV_PROJECT_ENVIRONMENT := .venv
export PYTHONUNBUFFERED := 1

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: run
run: setup ## Start Hearth; HOST, PORT, WORKSPACE and ACCESS_PASSWORD steer it
	@exec .venv/bin/hearth serve

.PHONY: demo
demo: setup ## Start Hearth beside a local model host and a simulated ComfyUI, to try it without a GPU or the internet
	@exec .venv/bin/python -m tests.demo

.PHONY: test
test: setup-test ## Run the whole test suite, the browser included
	@.venv/bin/pytest

.PHONY: lint
lint: ## Check style, types, import contracts and scripts
	@scripts/bootstrap.sh lint
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/pyright
	@.venv/bin/python -m scripts.build_catalog --check

.PHONY: bench
bench: setup-test ## Measure start, memory, lists, downloads and progress against curl and aria2c
	@.venv/bin/python -m tests.benchmarks

.PHONY: setup
setup: ## Install what running needs: uv, Python packages, the built front end
	@scripts/bootstrap.sh run

.PHONY: setup-test
setup-test: ## Install what testing needs on top: test packages and a browser
	@scripts/bootstrap.sh test

.PHONY: format
format: ## Format the Python code
	@.venv/bin/ruff format
	@.venv/bin/ruff check --fix

.PHONY: clean
clean: ## Remove everything that can be made again; the workspace stays
	@rm -rf .venv .tools frontend/node_modules frontend/static/dist .pytest_cache .ruff_cache
