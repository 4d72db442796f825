"""What becomes of the platform's own tables where an earlier release wrote to a warehouse last.

Nothing is brought up to this release here: that is `etl-assets migrate`, and the first publication.
"""

from etl_assets.core.errors import WarehouseError
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets.warehouse.versions import brought

_WITH_TABLE_ROWS = 4
"""Since this version etl_tables says what is published of each table, and what is pending."""


def migration_of(warehouse: Warehouse, *, of_production: bool = False) -> str | None:
    """The migration that comes first, in a sentence or two; None where there is none.

    In an environment it is that of its own tables; `of_production` says that the warehouse is the
    production that an environment reads. Raises WarehouseError where they, or those of production
    behind them, are too old to be planned on, or of a newer release.
    """
    version = _planned_on(warehouse, is_behind=of_production)
    if warehouse.production is not None:
        _planned_on(warehouse.production, is_behind=True)
    if version is None or version == SCHEMA_VERSION:
        return None
    return (
        f"The platform's own tables are migrated first, from version {version} to "
        f"{SCHEMA_VERSION}, by etl-assets migrate or by the first publication. New: "
        f"{brought(version)}."
    )


def _planned_on(warehouse: Warehouse, *, is_behind: bool) -> int | None:
    version = warehouse.tables_version()
    if version is not None and version < _WITH_TABLE_ROWS:
        # From an environment production is only read.
        where = " without ETL_ENV, for production," if is_behind else ""
        raise WarehouseError(
            f"The platform's own tables in the warehouse are of version {version}, which does not "
            "say what is published of each table in the form that this release plans on.",
            f"Run etl-assets migrate{where} and then this again. Nothing was done.",
        )
    return version
