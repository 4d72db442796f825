"""Where tables are, as the URIs that Dagster shows: in sources and in the warehouse, no secrets."""

from etl_assets.config import Settings, shown_url
from etl_assets.core.errors import ConfigError
from etl_assets.core.source_specs import Files, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.demo.databases import DATABASES
from etl_assets.sources.factory import Sources


def warehouse_uri(settings: Settings, table: LayerTable) -> str:
    """The table in the warehouse: `duckdb:///data/warehouse.duckdb#raw.orders`."""
    url = settings.warehouse_url
    place = shown_url(url) if url else f"duckdb://{settings.home.resolve()}/warehouse.duckdb"
    return f"{place}#{table.layer}.{table.name}"


def source_uri(sources: Sources, table: LayerTable) -> str | None:
    """Where a raw table is read from: `postgresql://db.example.com:5432/shop#orders`.

    None where nothing says where that is.
    """
    source = table.source
    assert source is not None  # noqa: S101 - only raw tables have a source
    if isinstance(source, Files) and source.location:
        return f"{source.location.rstrip('/')}/{source.place}"
    try:
        place = sources.read_from(source)
        if isinstance(source, PostgresTable) and sources.is_demo(source.connection):
            place = f"postgresql:///{DATABASES[source.connection].name}"  # on a socket of its own
    except ConfigError:
        return None
    if "://" not in place:
        return None
    return f"{place}#{source.place}" if isinstance(source, PostgresTable) else place
