# Everything runs in .venv, which the targets make themselves. See README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export RANVIER_CACHE ?= $(CURDIR)/build/cache
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test verify lint bench bench-snntorch clean

demo: $(VENV)/demo.stamp
	$(BIN)/ranvier demo -o build/demo

test: $(VENV)/dev.stamp
	@echo "== tests (benches of every block, model against RTL, command line, bad input)"
	$(BIN)/python -m pytest

verify: $(VENV)/dev.stamp
	@echo "== evidence: 500 random networks on 24 fabrics, and all 10,000 digits, model against RTL"
	$(BIN)/python -m pytest -m verify -s tests/verify

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/bench.py -o build/bench

# For make bench to compare with; torch and snnTorch, about 1 GB, in an environment of their own.
bench-snntorch: $(VENV)/bin/python
	@echo "== making build/snntorch-venv with torch and snnTorch"
	@$(PYTHON) -m venv build/snntorch-venv
	@build/snntorch-venv/bin/pip install --quiet torch snntorch==1.0.0

clean:
	rm -rf build .venv

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Ranvier needs Python 3.11 or newer; say which with: make PYTHON=python3.12 ..."; exit 1; }
	@echo "== making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "on Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "== installing Ranvier and what it needs into $(VENV)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "== installing Ranvier with its tools for development into $(VENV)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,boards]'
	@touch $@ $(VENV)/demo.stamp
