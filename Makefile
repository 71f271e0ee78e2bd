# Everything starts here. `make demo` and `make test` set up what they need: a virtual environment in .venv with the package
# and its libraries. Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A stamp of this name says that the extra after it is installed as setup.cfg asks now.
INSTALLED := $(VENV)/.installed-

.PHONY: help demo test format docs bench clean

help:
	@echo "make demo    watch one seller's day: platforms on loopback, one file as database"
	@echo "make test    every check that a change has to pass"
	@echo "make format  let the formatter and the linter's safe fixes do their work"
	@echo "make docs    write the generated pages of docs/ anew"
	@echo "make bench   measure"
	@echo "make clean   remove what the other targets made"

demo: $(INSTALLED)twins
	$(BIN)/crossdock demo

test: $(INSTALLED)dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python docs/generate.py --check
	$(BIN)/pytest -n 2

format: $(INSTALLED)dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(INSTALLED)dev
	$(BIN)/python docs/generate.py

bench: $(INSTALLED)bench
	set -e; for script in bench/bench_*.py; do $(BIN)/python "$$script"; done

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED)%: setup.cfg | $(BIN)/python
	@echo "Installing crossdock with its extra '$*' into $(VENV); the first time this takes a minute or two."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "crossdock needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making a virtual environment in $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
