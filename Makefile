# Everything runs in .venv, made from the locks: `make demo`, `make dev`, `make test`, `make check`, `make bench`.
PYTHON ?= python3
BIN := .venv/bin
# Passed on to the demo and the UI: make demo WAREHOUSE_URL=duckdb:///data/warehouse.duckdb
export WAREHOUSE_URL

.PHONY: demo dev test check bench dictionary format lock clean

demo: .venv/runtime
	@$(BIN)/etl-assets demo

dev: .venv/runtime
	@$(BIN)/etl-assets dev

test: .venv/dev
	@$(BIN)/python -m pytest $(ARGS)

check: .venv/dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/etl-assets dictionary | diff -q - docs/data-dictionary.md >/dev/null || { echo "docs/data-dictionary.md is out of date: make dictionary"; exit 1; }
	@$(BIN)/dagster definitions validate -w workspace.yaml >/dev/null 2>&1 || $(BIN)/dagster definitions validate -w workspace.yaml

bench: .venv/dev
	@$(BIN)/python -m benchmarks $(ARGS)

format: .venv/dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# What runs the platform; `dev` adds what tests and benchmarks need, in the same versions.
.venv/runtime: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"etl_assets needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.12" if not (3, 11) <= v[:2] < (3, 14) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/runtime requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

dictionary: .venv/runtime
	@$(BIN)/etl-assets dictionary > docs/data-dictionary.md

lock:
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" --extra demo -p 3.11 pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" --extra dev -c requirements.lock -p 3.11 pyproject.toml -o requirements-dev.lock

clean:
	@rm -rf .venv .etl
