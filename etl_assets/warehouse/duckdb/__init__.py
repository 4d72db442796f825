"""The embedded warehouse: one DuckDB file."""

from etl_assets.warehouse.duckdb.warehouse import DuckDBWarehouse

__all__ = ["DuckDBWarehouse"]
