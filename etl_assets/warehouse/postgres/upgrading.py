"""What has to be brought over from earlier releases beyond new tables and columns, as statements.

What makes the tables, and in which transaction this runs, is `system.py`.
"""

from etl_assets.warehouse.postgres.schemas import system_schema
from etl_assets.warehouse.system_tables import (
    HISTORY,
    OLD_TABLE_ROW,
    STATE,
    TABLES,
    TABLES_OF_VERSION_4,
)

OLD_REVISIONS = ("0001", "0002", "0003")
"""What releases before version 4 wrote into `alembic_version`."""

LAST_REVISION = "0004"
"""What stands there since: a release before version 4 refuses it, and says why."""


def to_version_4(*, has_revision: bool) -> list[str]:
    """A table's own row, and the newest entries of the log, become its row of `etl_tables`; tables
    without such a row get theirs from their days.

    Before, the row stood in `etl_state` with the day 0001-01-01, and what was remembered of the
    source's columns, the days and the days to be loaded again was the newest entry of
    `etl_history`.
    `has_revision` says whether there is an `alembic_version`.
    """
    state, history, tables = (
        f"{system_schema()}.{table.name}" for table in (STATE, HISTORY, TABLES)
    )
    columns = ", ".join(TABLES_OF_VERSION_4)
    is_own = f"partition_key = DATE '{OLD_TABLE_ROW}'"

    def newest(kind: str, value: str) -> str:
        return (
            f"(SELECT {value} FROM {history} AS h WHERE h.table_name = n.table_name "  # noqa: S608
            f"AND h.kind = '{kind}' ORDER BY h.at DESC, h.id DESC LIMIT 1)"
        )

    reason = '": "refused before"'
    days_to_reload = newest(
        "owed",
        f"(SELECT '{{' || string_agg('\"' || d || '{reason}', ', ' ORDER BY d) || '}}' "  # noqa: S608
        "FROM json_array_elements_text(CAST(h.payload AS json) -> 'days') AS u(d))",
    )
    first_day, last_day = (
        newest("scope", f"CAST(CAST(h.payload AS json) ->> '{end}' AS date)")
        for end in ("first", "last")
    )
    rows = f"SELECT coalesce(sum(d.row_count), 0) FROM {state} AS d"  # noqa: S608
    own = (
        "SELECT n.table_name, n.load_id, n.run_id, n.as_of, n.updated_at, "  # noqa: S608
        f"({rows} WHERE d.table_name = n.table_name AND NOT d.{is_own}), "
        f"n.high_watermark, n.watermark_key, NULL, {newest('columns', 'h.payload')}, "
        f"{days_to_reload}, {first_day}, {last_day}, n.verified_through "
        f"FROM {state} AS n WHERE n.{is_own}"
    )
    others = (
        "SELECT n.table_name, (array_agg(n.load_id ORDER BY n.updated_at DESC))[1], "  # noqa: S608
        "(array_agg(n.run_id ORDER BY n.updated_at DESC))[1], max(n.as_of), max(n.updated_at), "
        "sum(n.row_count), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL "
        f"FROM {state} AS n GROUP BY n.table_name HAVING NOT bool_or(n.{is_own})"
    )
    statements = [
        # A publication of an earlier release that is at work is waited for.
        f"LOCK TABLE {state}, {history} IN SHARE ROW EXCLUSIVE MODE",
        f"INSERT INTO {tables} ({columns}) {own}",
        f"INSERT INTO {tables} ({columns}) {others}",
        f"DELETE FROM {state} WHERE {is_own}",  # noqa: S608
        f"UPDATE {history} SET kind = 'reload' WHERE kind = 'owed'",  # noqa: S608
    ]
    if has_revision:
        revision = f"UPDATE {system_schema()}.alembic_version SET version_num = '{LAST_REVISION}'"  # noqa: S608
        statements.append(revision)
    return statements
