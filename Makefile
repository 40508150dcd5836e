# make reproduce: rerun every paper at quick scale, with a scoreboard and an HTML report. make test: all checks.
# Both set everything up in .venv; Python 3.11 or later, a C++17 compiler and make are all they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 1

.PHONY: reproduce test test-all bench native clean

reproduce: $(VENV)/.stamp-all
	$(BIN)/bitket reproduce --jobs $(JOBS)

test: $(VENV)/.stamp-test
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow"

test-all: $(VENV)/.stamp-test
	$(BIN)/pytest

bench: $(VENV)/.stamp-test
	$(BIN)/python -m benchmarks simulation

# Build the compiled core again after a change in it.
native: $(VENV)/.stamp-test
	$(BIN)/pip install -q scikit-build-core nanobind
	$(BIN)/pip install -q --no-build-isolation --no-deps -e .

$(VENV)/.stamp-%: pyproject.toml constraints.txt CMakeLists.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -U pip
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build dist
