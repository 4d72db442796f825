# Everything runs in .venv, made from the locks: `make demo`, `make dev`, `make test`, `make check`, `make bench`.
PYTHON ?= python3
BIN := .venv/bin
# Passed on to the demo and the UI: make demo WAREHOUSE_URL=duckdb:///data/warehouse.duckdb
export WAREHOUSE_URL

.PHONY: demo dev test thorough simulate soak test-bigquery bigquery check bench docs compare-dlt compare-scd2 dictionary format lock clean wheel pictures

demo: .venv/runtime
	@$(BIN)/etl-assets demo

dev: .venv/runtime
	@$(BIN)/etl-assets dev

# Three at a time on two cores, as a part of the time is waiting for servers and daemons; a module
# or a folder each (`scheduling.py`), as a worker has servers of its own. By file, because `loadscope`
# takes the "::" in a case's name for the end of a module, and sets its fixtures up a second time.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder

test: .venv/dev .venv/emulator
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

# What `test` has a share of: other inputs, other warehouses, more random cases. CI runs it as well.
thorough: .venv/dev .venv/emulator
	@THOROUGH=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) -m '(thorough or random) and not soak and not bigquery_real' $(ARGS)

# Random histories of tables and of files, as many as one likes: HISTORIES=5000 SEED=7 make simulate
# One that fails is shown as it was met; with SHRINK=1 the shortest that is found.
simulate: .venv/dev
	@HISTORIES=$${HISTORIES:-200} $(BIN)/python -m pytest -s -o timeout=0 -m 'not soak' -k after_any_history etl_assets_tests/sync/test_simulated.py etl_assets_tests/files/test_simulated_files.py $(ARGS)

# What takes long because it repeats: `test` has a share of each. SOAK_SECONDS=600 make soak
soak: .venv/dev .venv/emulator
	@$(BIN)/python -m pytest -o timeout=0 -m 'soak and not bigquery_real' $(ARGS)

# On the real BigQuery, with the credentials and the WAREHOUSE_URL of this shell.
test-bigquery: .venv/dev
	@$(BIN)/python -m pytest -m bigquery_real $(ARGS)

# A BigQuery to try things on, until Ctrl-C; it prints what to export in another terminal.
bigquery: .venv/dev .venv/emulator
	@$(BIN)/python -m etl_assets_tests.bigquery_server

check: .venv/dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/etl-assets dictionary | diff -q - docs/data-dictionary.md >/dev/null || { echo "docs/data-dictionary.md is out of date: make dictionary"; exit 1; }
	@$(BIN)/dg check defs >/dev/null 2>&1 || $(BIN)/dg check defs

# ARGS=--quick goes through all of it in some minutes, ARGS=--publish writes docs/performance.md.
# The pictures of README and docs: the browser tests of the UI, on the demo with all of its tables.
pictures: .venv/dev
	@ETL_PICTURES=docs/pictures $(BIN)/python -m pytest -n 0 -o timeout=0 -m thorough etl_assets_tests/e2e/test_ui.py $(ARGS)

bench: .venv/dev
	@$(BIN)/python -m benchmarks $(ARGS)

# The site of docs/ in site/, without anything from elsewhere. A broken link is an error. Each time
# anew, because its cache sees pages and not the docstrings that they show.
docs: .venv/dev
	@$(BIN)/zensical build --strict --clean

# What dlt makes of the histories that a sync by a cursor gets wrong; docs/incremental.md has the table.
compare-dlt: .venv/dev
	@$(BIN)/python -W ignore -m benchmarks.dlt_histories

# Whose versions are right: ours, dbt's snapshot, dlt's scd2, SQLMesh's SCD_TYPE_2; docs/dimensions.md
# has the table. dbt and SQLMesh are installed below .venv, each apart. ARGS=--every prints each way.
compare-scd2: .venv/dev
	@$(BIN)/python -W ignore -m benchmarks.scd2 $(ARGS)

format: .venv/dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# What runs the platform; `dev` adds what tests and benchmarks need, in the same versions. Tests start
# hundreds of processes, so `dev` compiles the libraries once, also where Python is told to write no byte code.
.venv/runtime: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"etl_assets needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.12" if not (3, 11) <= v[:2] < (3, 14) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/runtime requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements-dev.lock
	@touch $@

# The BigQuery of the tests wants a newer Python; where there is none, this says that they are skipped.
.venv/emulator: .venv/dev requirements-emulator.lock
	@$(BIN)/python -m etl_assets_tests.bigquery_server --prepare
	@test ! -d $@ || touch $@

# The package, for a project of one's own: dist/etl_assets-….whl, and the same as source.
wheel: .venv/runtime
	@rm -rf build dist
	@$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist .
	@rm -rf build
	@ls dist/*

dictionary: .venv/runtime
	@$(BIN)/etl-assets dictionary > docs/data-dictionary.md

lock:
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" --extra bigquery --extra demo --extra files --extra postgres -p 3.11 pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" --extra dev -c requirements.lock -p 3.11 pyproject.toml -o requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" -p 3.13 requirements-emulator.in -o requirements-emulator.lock

clean:
	@rm -rf .venv .etl
