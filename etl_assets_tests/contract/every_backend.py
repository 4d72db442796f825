"""All backends: a new one is an entry here."""

from etl_assets_tests.contract.on_bigquery import BIGQUERY
from etl_assets_tests.contract.on_duckdb import DUCKDB
from etl_assets_tests.contract.on_postgres import POSTGRES

BACKENDS = {backend.name: backend for backend in [DUCKDB, BIGQUERY, POSTGRES]}
