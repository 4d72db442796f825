"""The warehouse that is a PostgreSQL."""

from etl_assets.warehouse.postgres.warehouse import PostgresWarehouse

__all__ = ["PostgresWarehouse"]
