# make demo      install into .venv, then show the whole way from scans to a trained network
# make test      install into .venv with the developers' tools, then every check
# make lint      the quick ones of these checks
# make coverage  the quick tests once more, and which lines they run: 90 % or more
# make docs      build the documentation into site/, which opens without a server
# make clean     remove everything that the above made
#
# Another Python:           make test PYTHON=python3.12
# An environment you have:  make test VENV=/path/to/environment

SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# A worker per core, each with one thread: torch's threads wait busily and would only be in each other's way.
# A worker that dies ends the run and is named; pytest-xdist, which starts another, was seen to wait for ever.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --max-worker-restart 0 --no-loadscope-reorder

.PHONY: demo test coverage lint lint-style lint-types docs clean build/installed build/conftests

demo: $(VENV)/.installed
	$(BIN)/raemd demo

# mypy and the documentation take a core each, and the same copy of the package, which is therefore made once.
test: $(VENV)/.installed-dev
	$(MAKE) --no-print-directory --jobs 2 lint-style lint-types docs
	$(PYTEST)

# Measured, Python takes two thirds longer. Left out is what runs lines again that tests of single rooms have run.
coverage: $(VENV)/.installed-dev
	$(PYTEST) --cov -m "not slow" --ignore tests/documentation --ignore tests/benchmarks --ignore tests/fuzz

lint: lint-style
	$(MAKE) --no-print-directory lint-types

lint-style: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Needs no stamp, and can be run in any environment. What mypy says names the files of the checkout.
lint-types: build/installed build/conftests
	set -o pipefail; MYPYPATH=$<:benchmarks/equal_time/trainers $(BIN)/mypy --exclude '^tests/[^/]*/conftest\.py$$' \
	  $</nnunetv2_raemd benchmarks/*.py benchmarks/equal_*/*.py benchmarks/equal_time/trainers/*.py tests build/conftests | sed -E \
	  's#^$</##; s#^nnunetv2_raemd/(dataset_conversion|plans)/#\1/#; s#^build/conftests/([a-z_]+)_#tests/\1/#'

# mypy knows a file by its name alone, and each folder of tests may have a conftest.py.
build/conftests:
	rm -rf $@ && mkdir -p $@
	for file in tests/*/conftest.py; do cp -p $$file $@/$$(basename $$(dirname $$file))_conftest.py; done

# The package as installations have it, for what does not read the __path__ of nnunetv2_raemd/__init__.py.
build/installed:
	rm -rf $@ && mkdir -p $@
	cp -Rp nnunetv2_raemd $@ && cp -Rp dataset_conversion plans $@/nnunetv2_raemd

docs: $(VENV)/.installed-dev build/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

# The stamps say when the environment last agreed with the metadata. Both installs are editable, so that
# neither target replaces what the other installed, and the code that runs is always the checkout's.
$(VENV)/.installed: setup.cfg setup.py pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable .
	touch $@

$(VENV)/.installed-dev: setup.cfg setup.py pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[dev]'
	touch $(VENV)/.installed $@

# pip is the last thing that venv makes: an interrupted start is begun again
$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf .venv build dist *.egg-info .coverage .coverage.* htmlcov demo_output site
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
