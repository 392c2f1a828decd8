# Farfield. `make demo` and `make test` do everything on a machine with Python 3.11 or newer (with venv), git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUBS := protos/farfield/v1/gateway_pb2.py
PAGE := coverage_maps/page/vendor/.complete
PACKER := build/binary/venv
PYTEST := $(BIN)/python -m pytest

.PHONY: setup demo test check bench protos contracts binary slither clean

setup: $(VENV)/.complete $(STUBS) $(PAGE)

$(VENV)/.complete: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Farfield needs Python 3.11 or newer: make PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev-complete: requirements-dev.txt $(VENV)/.complete
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

$(STUBS): protos/farfield/v1/gateway.proto protos/farfield/v1/peer.proto $(VENV)/.complete
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. --grpc_python_out=. protos/farfield/v1/*.proto

$(PAGE): package-lock.json coverage_maps/vendor.py $(VENV)/.complete
	$(BIN)/python -m devnet.toolchain run-npm ci --ignore-scripts --silent
	$(BIN)/python -m coverage_maps.vendor
	touch $@

demo: setup
	$(BIN)/farfield devnet run

test: setup $(VENV)/.dev-complete
	$(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup $(VENV)/.dev-complete
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup $(VENV)/.dev-complete
	$(BIN)/python -m bench

protos: $(STUBS)

contracts: setup
	$(BIN)/python -m devnet.toolchain run-npm ci --ignore-scripts --silent
	$(BIN)/python -m devnet.toolchain run-node contracts/build.mjs

$(PACKER)/.complete: requirements-binary.txt pyproject.toml $(VENV)/.complete
	$(PYTHON) -m venv --clear $(PACKER)
	$(PACKER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-binary.txt
	$(PACKER)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

binary: $(STUBS) $(PACKER)/.complete
	$(PACKER)/bin/python -m binary.build

.venv-slither/.complete: requirements-slither.txt
	$(PYTHON) -m venv .venv-slither
	.venv-slither/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-slither.txt
	touch $@

slither: setup .venv-slither/.complete
	$(BIN)/python -m devnet.toolchain run-npm ci --ignore-scripts --silent
	$(BIN)/python -m tests.contracts.slither

clean:
	rm -rf $(VENV) .venv-slither node_modules coverage_maps/page/vendor build dist devnet-data .pytest_cache .hypothesis .mypy_cache .ruff_cache
	rm -f protos/farfield/v1/*_pb2*.py protos/farfield/v1/*_pb2*.pyi
