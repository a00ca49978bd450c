# Everything is installed into .venv and run from there; nothing else on the machine is touched.
# All paths are relative, so that the checkout may lie in a directory with spaces in its name.

PYTHON_IN_VENV := .venv/bin/python
MANAGE := $(PYTHON_IN_VENV) manage.py
INSTALLED := .venv/installed-requirements.txt
PYTEST := $(MANAGE) services run -- $(PYTHON_IN_VENV) -m pytest -n auto --dist loadgroup
SUBMAKE := $(MAKE) --no-print-directory

# What somebody's environment tells pip and Python about other projects must not lead packages astray.
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_CONSTRAINT PIP_NO_DEPS PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_HTTP_TIMEOUT ?= 300

.DEFAULT_GOAL := help
.PHONY: help setup install venv demo demo-reset test test-fast lint format

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## Install everything into .venv, if requirements/dev.txt changed since the last time
	@$(PYTHON_IN_VENV) -c '' 2>/dev/null && cmp -s requirements/dev.txt $(INSTALLED) || $(SUBMAKE) install

demo: setup ## Run the demonstration shop: API, dashboard and workers, with data
	@$(MANAGE) demo

demo-reset: setup ## Stop the local services and delete their data, models and imports
	@$(MANAGE) services reset
	@rm -rf .local/models .local/imports .local/demo.json

test: setup ## Run all tests (ARGS="-k name" passes options to pytest)
	$(PYTEST) $(ARGS)

test-fast: setup ## Run the tests that take less than a second or so each
	$(PYTEST) -m "not slow" $(ARGS)

lint: setup ## Check style, types, layers, templates, dependencies, spelling and migrations
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PYTHON_IN_VENV) -m mypy
	.venv/bin/lint-imports
	@echo djade --check
	@find . -name '.?*' -prune -o -name node_modules -prune -o -path '*/templates/*.html' -exec .venv/bin/djade --check {} +
	$(PYTHON_IN_VENV) -m deptry .
	.venv/bin/typos
	$(MANAGE) services run -- $(MANAGE) makemigrations --check --dry-run
	$(MANAGE) check

format: setup ## Put code and templates into the project's style
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	@find . -name '.?*' -prune -o -name node_modules -prune -o -path '*/templates/*.html' -exec .venv/bin/djade {} +

# uv is fast; where it cannot reach the packages, pip may, because it reads pip's own configuration (mirrors).
# Both accept only files whose hashes are in requirements/dev.txt.
install:
	@$(PYTHON_IN_VENV) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || $(SUBMAKE) venv
	@rm -f $(INSTALLED)
	@echo "Installing the packages of requirements/dev.txt into .venv"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements/dev.txt > .venv/uv.txt
	@$(PYTHON_IN_VENV) -m pip install --quiet --require-hashes --requirement .venv/uv.txt
	@.venv/bin/uv pip sync --python $(PYTHON_IN_VENV) --require-hashes requirements/dev.txt || { \
	    echo "uv could not install them; trying pip, which takes longer"; \
	    $(PYTHON_IN_VENV) -m pip install --require-hashes --requirement requirements/dev.txt; }
	@cp requirements/dev.txt $(INSTALLED)

venv:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    new=$$python; \
	    "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	    echo "Creating .venv with $$("$$python" --version)"; \
	    exec "$$python" -m venv --clear .venv; \
	done; \
	if [ -n "$$new" ]; then \
	    echo "$$new cannot make virtual environments: install its venv module (Debian, Ubuntu: apt install $$new-venv)."; \
	else \
	    echo "RecomEngine needs Python 3.11 or newer and found none: install one, or name it: make setup PYTHON=/path/to/python"; \
	fi >&2; exit 1
