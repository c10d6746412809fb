PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check fix bench docs

demo: .venv/ready
	$(BIN)/tacit study digits --minutes 1.5 -o runs/demo --overwrite

test: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: .venv/ready
	$(BIN)/ruff check
	$(BIN)/mypy

fix: .venv/ready
	$(BIN)/ruff check --fix

bench: .venv/ready
	$(BIN)/python -m benchmarks.run $(DATA)

docs: .venv/ready
	$(BIN)/python docs/check.py

.venv/ready: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[compress,maps,onnx,tables,dev]'
	touch $@
