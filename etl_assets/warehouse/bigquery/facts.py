"""What has to be known of staged rows before they are published; a query job for each question."""

from uuid import uuid4

import polars as pl

from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.reading import frame_of
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import staged_rows
from etl_assets.warehouse.bigquery.types import day_of, on_any_day, on_days, quote, same_key
from etl_assets.warehouse.bigquery.versions import cursor_days, new_versions
from etl_assets.warehouse.cursor_sql import cursor_value, newest_moment
from etl_assets.warehouse.publication import CURSOR, STAGED_DAY, Facts, Staging


class Inquiries:
    """Compares staged rows with published ones."""

    def __init__(self, jobs: Jobs, datasets: Datasets) -> None:
        self._jobs, self._datasets = jobs, datasets

    def facts(self, staging: Staging, *, elsewhere: bool, versions: bool) -> Facts:
        """See `Rows.facts`."""
        nothing = Facts.nothing(staging.table)
        if not staging.rows:
            return nothing
        is_there = elsewhere and self._datasets.find(staging.table) is not None
        return Facts(
            self._elsewhere(staging, nothing.elsewhere.schema) if is_there else nothing.elsewhere,
            self._gains(staging, nothing.versions.schema) if versions else nothing.versions,
        )

    def _elsewhere(self, staging: Staging, schema: pl.Schema) -> pl.DataFrame:
        table = staging.table
        columns = {name: f"t.{quote(name)}" for name in table.key}
        columns[STAGED_DAY] = day_of(table, "t.")
        if cursor := cursor_value(table, lambda name: f"t.{quote(name)}"):
            columns[CURSOR] = cursor
        chosen = ", ".join(f"{value} AS {quote(name)}" for name, value in columns.items())
        staged = on_days(table, [day.day for day in staging.days], "t.")
        found = self._ask(
            f"SELECT {chosen} FROM {self._datasets.published(table)} AS t "  # noqa: S608 - quoted
            f"WHERE {on_any_day(table, 't.')} AND NOT {staged} AND EXISTS (SELECT 1 "
            f"FROM {staged_rows(self._datasets, staging)} AS s WHERE {same_key(table, 's', 't')})",
            pl.Schema({name: schema[name] for name in columns}),
        )
        if CURSOR not in columns:
            found = found.with_columns(pl.lit(None).alias(CURSOR))
        return found.select(list(schema))

    def _gains(self, staging: Staging, schema: pl.Schema) -> pl.DataFrame:
        versions, days = staging.table.versions, cursor_days(staging)
        if versions is None or not days:
            return pl.DataFrame(schema=schema)
        key = ", ".join(f"s.{quote(name)}" for name in versions.key)
        is_there = self._datasets.find(versions) is not None
        new = new_versions(self._datasets, versions, days, is_there=is_there)
        staged = f"SELECT {key} FROM {staged_rows(self._datasets, staging)} AS s{new}"  # noqa: S608
        newest = newest_moment(versions, lambda name: f"x.{quote(name)}")
        return self._ask(
            f"SELECT {day_of(versions, 'x.')} AS {quote(STAGED_DAY)}, COUNT(*) AS `rows`, "  # noqa: S608
            f"CAST({newest} AS TIMESTAMP) AS `newest` FROM ({staged}) AS x GROUP BY 1",
            schema,
        ).sort(STAGED_DAY)

    def _ask(self, sql: str, schema: pl.Schema) -> pl.DataFrame:
        return frame_of(self._jobs.query(sql, f"etl_facts_{uuid4().hex}"), schema)
