# make reproduce: rerun every paper at quick scale, with a scoreboard and an HTML report. make test: all checks.
# Both set everything up in .venv; Python 3.11 or later, a C++17 compiler and make are all they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Studies at a time: as many as there are cores.
JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 1)
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
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" -n $(JOBS) --dist loadfile

test-all: $(VENV)/.stamp-test
	$(BIN)/pytest

bench: $(VENV)/.stamp-test
	$(BIN)/python -m benchmarks simulation

# The README's table of results from the recorded runs in results/.
results: $(VENV)/.stamp-all
	$(BIN)/python -m bitket.report.readme README.md results/*.json

$(VENV)/.stamp-%: $(INSTALLED)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "step 1 of 2: a virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "step 2 of 2: the packages of constraints.txt, then the compiled core on $(JOBS) cores; minutes, the first time"
	@rm -f $(VENV)/failed
	@{ CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) $(BIN)/pip install --disable-pip-version-check --progress-bar off -c constraints.txt \
	  -e ".[$*]" || touch $(VENV)/failed; } | grep --line-buffered -v "^Requirement already"; test ! -e $(VENV)/failed
	@touch $@

clean:
	rm -rf $(VENV) build dist
