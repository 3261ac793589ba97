# Everything runs in .venv, which the targets make themselves. See README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export RANVIER_CACHE ?= $(CURDIR)/build/cache
# Processes that run tests.
WORKERS ?= 2
# The part of the long evidence that make verify takes, and of the mutants: 1 is all.
SHARE ?= 1
MUTANTS_SHARE ?= $(SHARE)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-training verify mutants lint energy bench bench-boards bench-snntorch bitstreams clean

demo: $(VENV)/demo.stamp
	$(BIN)/ranvier demo -o build/demo

test: $(VENV)/dev.stamp
	@echo "== tests (benches of every block, model against RTL, command line, bad input)"
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# What needs torch; it can be gigabytes, so make test does without.
test-training: $(VENV)/train.stamp
	@echo "== tests of training: the forward pass against the model, the loop"
	$(BIN)/python -m pytest -n $(WORKERS) tests/training

verify: $(VENV)/dev.stamp
	@echo "== evidence (share $(SHARE)): 1,000 random networks, all 10,000 digits, faults on the line, bitstreams for two boards"
	$(BIN)/python -m pytest -m verify -s --share $(SHARE)
	$(MAKE) mutants

# Faults put into the sources on purpose; the tests must notice.
mutants: $(VENV)/dev.stamp
	@echo "== mutants (share $(MUTANTS_SHARE))"
	$(BIN)/python tests/mutants/run.py --share $(MUTANTS_SHARE) --workers $(WORKERS) -o build/mutants

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy

# What a sample costs in each example that is there, as JSON, Markdown and pictures; docs/energy.md.
energy: $(VENV)/demo.stamp
	$(BIN)/python examples/energy.py -o build/energy

bench: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/bench.py -o build/bench
	$(BIN)/python benchmarks/neurons.py -o build/bench

# Bitstreams of examples/patterns for two boards; the first use of a tool compiles it, which takes a minute.
bitstreams: $(VENV)/boards.stamp
	$(BIN)/python examples/patterns/make.py -o build/patterns --state-bits 12
	$(BIN)/ranvier build build/patterns/patterns.ranvier --board icebreaker --tailor --lanes 4 --clock 24 -o build/bitstreams/icebreaker
	$(BIN)/python examples/patterns/make.py -o build/patterns --state-bits 16
	$(BIN)/ranvier build build/patterns/patterns.ranvier --board ulx3s --tailor --cores 1 --lanes 4 --clock 60 -o build/bitstreams/ulx3s

# From twenty minutes to hours, by the machine; benchmarks/boards.py --only takes a part.
bench-boards: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/boards.py -o build/bench

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

$(VENV)/boards.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "== installing Ranvier with the tools that make bitstreams into $(VENV)"
	@mkdir -p build
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[boards]'
	@touch $@ $(VENV)/demo.stamp

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "== installing Ranvier with its tools for development into $(VENV)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,boards]'
	@touch $@ $(VENV)/demo.stamp $(VENV)/boards.stamp

$(VENV)/train.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "== installing Ranvier with its tools for development and torch into $(VENV)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,boards,train,tensorboard]'
	@touch $@ $(VENV)/demo.stamp $(VENV)/boards.stamp $(VENV)/dev.stamp
