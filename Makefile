# make reproduce: rerun every paper at quick scale, with a scoreboard and an HTML report. make test: all checks.
# Both set everything up in .venv; Python 3.11 or later, a C++17 compiler and make are all they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
JOBS ?= 1
VENV := .venv
BIN := $(VENV)/bin
CODE := src tests benchmarks
# What the installed package is made from: a change in one of these installs it anew.
INSTALLED := pyproject.toml constraints.txt CMakeLists.txt $(shell find src -name "*.?pp")

.PHONY: reproduce test test-all bench results clean

reproduce: $(VENV)/.stamp-all
	$(BIN)/bitket reproduce --jobs $(JOBS)

test: $(VENV)/.stamp-test
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow"

test-all: $(VENV)/.stamp-test
	$(BIN)/pytest

bench: $(VENV)/.stamp-test
	$(BIN)/python -m benchmarks simulation

# The README's table of results from the recorded runs in results/.
results: $(VENV)/.stamp-all
	$(BIN)/python -m bitket.report.readme README.md results/*.json

$(VENV)/.stamp-%: $(INSTALLED)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build dist
