# Two commands suffice: make demo, make test. Each sets up .venv first.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet

.PHONY: help setup demo smoke test lint format docs clean

help:
	@echo "make demo    train on mock TNG, align with mock SIMBA, end with a table and a report"
	@echo "make test    lint, types, doctests and tests"
	@echo "make lint    ruff, mypy and the size of the package"
	@echo "make docs    build the documentation into site/"
	@echo "make clean   remove .venv, caches and built files (runs and data stay)"

# torch comes first and pinned: an open range pulls several GB of CUDA packages.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing packages into $(VENV); the first time takes a few minutes."
	$(PIP) --constraint constraints.txt torch
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)
	@echo "Ready. For the dagnn command: source $(BIN)/activate"

setup: $(STAMP)

DEMO_BOXES ?= 300
DEMO_EPOCHS ?= 30
DEMO_RUN ?= runs/demo

demo: $(STAMP)
	rm -rf $(DEMO_RUN)
	$(BIN)/dagnn train --source tng --target simba --mock --compare-source-only \
	  --set data.mock_boxes=$(DEMO_BOXES) --set training.epochs=$(DEMO_EPOCHS) --out $(DEMO_RUN)

smoke: $(STAMP)
	$(MAKE) demo DEMO_BOXES=24 DEMO_EPOCHS=2 DEMO_RUN=runs/smoke

test: lint
	# One thread per worker: two workers fill two cores, and bits depend on the number of threads.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/counts.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)
	$(PIP) --constraint constraints.txt --editable '.[docs]'
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache *.egg-info
