"""BigQuery: the warehouse of production."""

from etl_assets.warehouse.bigquery.clients import open_bigquery
from etl_assets.warehouse.bigquery.warehouse import BigQueryWarehouse

__all__ = ["BigQueryWarehouse", "open_bigquery"]
