"""All backends: a new one is an entry here."""

from etl_assets_tests.contract.on_duckdb import DUCKDB

BACKENDS = {backend.name: backend for backend in [DUCKDB]}
