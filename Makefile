# Five targets. Every one installs what it needs into .venv first, which is instant when nothing changed.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

# Files of tests two at a time, each on one core.
TWO := --numprocesses 2 --dist loadfile

.PHONY: setup demo test check docs

setup: .venv/developer

demo: .venv/user
	$(BIN)/septum demo --out runs/demo

test: setup
	$(BIN)/python -m pytest $(TWO)

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(TWO) -m "not slow" --cov --cov-report=term:skip-covered
	$(BIN)/mkdocs build --strict --quiet

docs: setup
	$(BIN)/mkdocs build --strict

# The two stamps: the package alone, and the package with the tools of its developers.
.venv/user: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	touch $@

.venv/developer: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	touch .venv/user $@

.venv/bin/python:
	$(PYTHON) -m venv .venv
