"""What WAREHOUSE_URL says, before any warehouse is imported or made (`factory.py`)."""

import re
from pathlib import Path
from urllib.parse import quote, unquote

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError


def warehouse_url(settings: Settings) -> str:
    """WAREHOUSE_URL, or that of the DuckDB file in ETL_HOME."""
    own = settings.home / "warehouse.duckdb"
    return settings.warehouse_url or f"duckdb://{quote(str(own))}"


def duckdb_file(url: str) -> Path:
    """The file of a URL of DuckDB; raises ConfigError where it names none."""
    # The path is absolute after four slashes, and after three: duckdb:///data/w is /data/w.
    # Anything before them would be a host, after ? or # no path: neither is dropped in silence.
    found = re.fullmatch(r"duckdb://(?:/)?(/[^?#]*[^?#/])", url)
    if found:
        return Path(unquote(found[1]))
    raise ConfigError(
        "WAREHOUSE_URL names no DuckDB file.",
        "Write duckdb:////path/to/warehouse.duckdb, with special characters percent-encoded "
        "(? is %3F, # is %23).",
    )
