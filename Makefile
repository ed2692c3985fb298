# What is done in a checkout; `make help` lists it. Everything that is missing is made first.

READY := .venv/.ready
PYTHON_IN := $(CURDIR)/.venv/bin
TOOL := $(PYTHON_IN)/python $(CURDIR)/scripts/tool.py
# One more than cores: many tests wait for something.
WORKERS := $(shell expr $$(nproc) + 1)
PAGE := tokenserver/page/index.html
PAGE_SOURCES := $(shell find web -name node_modules -prune -o -type f -print)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check bench soak lock clean sfu page page-check engine-check system-packages
MAKEFLAGS += --no-print-directory

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-18s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) $(PAGE) sfu ## everything on this machine, with a page to look at; DEMO_SECONDS=N ends it
	@.venv/bin/roomcast dev $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

test: check system-packages page-check engine-check sfu ## the whole check, end-to-end tests included
	@.venv/bin/pytest --no-header -m e2e

check: $(READY) ## format, lint, types, import contracts and fast tests, without the network
	@.venv/bin/ruff format --quiet --check . || { .venv/bin/ruff format --check .; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports --no-cache >.venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }
	@.venv/bin/pytest --no-header -q -n $(WORKERS) -m "not e2e"

bench: $(READY) sfu ## side-by-side measurements
	@.venv/bin/python -m tests.bench

soak: $(READY) sfu ## the long runs; SOAK=name for one of them
	@.venv/bin/python -m tests.soak $(SOAK)

page: $(PAGE) ## the browser page, built into tokenserver/page

sfu: $(READY) ## the SFU, in the user's cache folder
	@$(TOOL) sfu

lock: ## requirements/ anew from pyproject.toml; UPGRADE=--upgrade for newer versions
	@scripts/lock $(UPGRADE)

clean: ## remove what was built here; recordings stay
	rm -rf .venv web/node_modules tokenserver/page dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): requirements/dev.txt requirements/clips.txt pyproject.toml scripts/create_venv
	@scripts/create_venv

web/node_modules/.ready: $(READY) web/package-lock.json
	@echo "installing the page's packages into web/node_modules"
	@cd web && $(TOOL) npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null
	@touch $@

$(PAGE): web/node_modules/.ready $(PAGE_SOURCES)
	@cd web && $(TOOL) npm run --silent build -- --logLevel warn
	@touch $@

page-check: $(PAGE)
	@cd web && $(TOOL) npm run --silent check
	@cd web && $(TOOL) npm test --silent

engine-check: $(READY)
	@if [ -f engine/go.mod ]; then cd engine && $(TOOL) go vet ./... && $(TOOL) go test ./...; fi

system-packages: $(READY)
	@.venv/bin/python -m scripts.system_packages
