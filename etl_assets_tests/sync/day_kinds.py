"""Tables whose rows get their day in different ways, and SQL of their own that says which it is.

What happens to them is `test_day_kinds.py`. The SQL knows the rules, not the platform.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import polars as pl

from etl_assets.core.computed import DayIn, Sql
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, layer_table
from etl_assets_tests.sync.shelf import FIRST_DAY

LENIENT = Thresholds(max_bad_share=1.0, min_share_of_last=0.0, max_deleted_share=1.0)
MOMENT = f"('{FIRST_DAY} 00:00Z'::timestamptz + interval '1 hour' * ({{hours}}))"
"""The SQL of a moment so many hours after the first day began."""


@dataclass(frozen=True)
class DayKind:
    """A way to tell a row's day.

    `column` and `type` are what the table has for it, `value` the SQL of a value at `hours` after
    the first day's beginning; `dtypes` and `options` are the contract's, `partition` the column
    that the spec names. `day` is the SQL of a row's day, of `t` and of `parent`; `nowhere` are
    values that are on no day. `before` are statements that make other tables.
    """

    name: str
    type: str
    value: str
    dtypes: Mapping[str, Any]
    day: str
    partition: str
    column: str = "day_at"
    nowhere: Sequence[str] = ("NULL", "'infinity'")
    options: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    before: Sequence[str] = ()
    relation: str = "things t"

    def __str__(self) -> str:
        return self.name

    def table(self, cursor: str | None = "updated_at") -> LayerTable:
        """The table as a spec declares it."""
        made = layer_table(
            {"id": pl.Int64, **self.dtypes, "updated_at": UTC_MOMENT, "v": pl.String},
            {"id": {"nullable": False}, **self.options},
            partition=self.partition,
        )
        source = PostgresTable("things", **self.source)
        return replace(made, source=source, cursor_column=cursor, thresholds=LENIENT)

    def create(self) -> list[str]:
        """The table, with a trigger-free cursor."""
        return [
            *self.before,
            f"CREATE TABLE things (id bigint PRIMARY KEY, {self.column} {self.type}, "
            "updated_at timestamptz DEFAULT now(), v text)",
            "CREATE INDEX ON things (updated_at, id)",
        ]

    def at(self, hours: str) -> str:
        """The SQL of a value so many hours (SQL as well) after the first day began."""
        return self.value.format(moment=MOMENT.format(hours=hours), hours=hours)

    def by_day(self, first: date = FIRST_DAY) -> str:
        """The query of the days, each with the ids of its rows, from the first day on."""
        return (
            f"SELECT {self.day}, array_agg(t.id ORDER BY t.id) FROM {self.relation} "
            f"WHERE {self.day} >= '{first}' AND {self.day} < '9999-12-31' GROUP BY 1 ORDER BY 1"
        )


PARENTS = (
    "CREATE TABLE parents (id bigint PRIMARY KEY, begun {type})",
    "INSERT INTO parents SELECT n, {value} FROM generate_series(-60, 400) AS n",
)

KINDS = [
    DayKind(
        "timestamptz",
        "timestamptz",
        "{moment}",
        {"day_at": UTC_MOMENT},
        "(t.day_at AT TIME ZONE 'UTC')::date",
        "day_at",
    ),
    DayKind(
        "date",
        "date",
        "({moment} AT TIME ZONE 'UTC')::date",
        {"day_at": pl.Date},
        "t.day_at",
        "day_at",
    ),
    DayKind(
        "local",
        "timestamp",
        "({moment} AT TIME ZONE 'UTC')",
        {"day_at": NAIVE},
        "t.day_at::date",
        "day_at",
    ),
    DayKind(
        "zoned",
        "timestamp",
        "({moment} AT TIME ZONE 'America/New_York')",
        {"day_at": UTC_MOMENT},
        "(t.day_at AT TIME ZONE 'America/New_York' AT TIME ZONE 'UTC')::date",
        "day_at",
        options={"day_at": {"source_zone": "America/New_York", "ambiguous": "latest"}},
    ),
    DayKind(
        "parent",
        "bigint",
        "({hours})",
        {"parent_id": pl.Int64, "begun": UTC_MOMENT},
        "(parent.begun AT TIME ZONE 'UTC')::date",
        "begun",
        column="parent_id",
        nowhere=("NULL", "-999"),
        source={"parent": Parent("parents", {"parent_id": "id"}, {"begun": "begun"})},
        before=(
            PARENTS[0].format(type="timestamptz"),
            PARENTS[1].format(value=MOMENT.format(hours="n")),
        ),
        relation="things t LEFT JOIN parents parent ON parent.id = t.parent_id",
    ),
    DayKind(
        "parent's date",
        "bigint",
        "({hours})",
        {"parent_id": pl.Int64, "begun": pl.Date},
        "parent.begun",
        "begun",
        column="parent_id",
        nowhere=("NULL", "-999"),
        source={"parent": Parent("parents", {"parent_id": "id"}, {"begun": "begun"})},
        before=(
            PARENTS[0].format(type="date"),
            PARENTS[1].format(value=f"DATE '{FIRST_DAY}' + (n + 240) / 24 - 10"),
        ),
        relation="things t LEFT JOIN parents parent ON parent.id = t.parent_id",
    ),
    DayKind(
        "business day",
        "timestamptz",
        "{moment}",
        {"day_at": UTC_MOMENT, "business_day": pl.Date},
        "(t.day_at AT TIME ZONE 'Asia/Kathmandu')::date",
        "business_day",
        source={"computed": {"business_day": DayIn("day_at", "Asia/Kathmandu")}},
    ),
    DayKind(
        "business day of a local time",
        "timestamp",
        "({moment} AT TIME ZONE 'America/New_York')",
        {"business_day": pl.Date, "day_at": UTC_MOMENT},
        "(t.day_at AT TIME ZONE 'America/New_York' AT TIME ZONE 'Asia/Tokyo')::date",
        "business_day",
        options={"day_at": {"source_zone": "America/New_York", "ambiguous": "latest"}},
        source={"computed": {"business_day": DayIn("day_at", "Asia/Tokyo")}},
    ),
    DayKind(
        "business day of the parent",
        "bigint",
        "({hours})",
        {"parent_id": pl.Int64, "begun": UTC_MOMENT, "business_day": pl.Date},
        "(parent.begun AT TIME ZONE 'Europe/Berlin')::date",
        "business_day",
        column="parent_id",
        nowhere=("NULL", "-999"),
        source={
            "parent": Parent("parents", {"parent_id": "id"}, {"begun": "begun"}),
            "computed": {"business_day": DayIn("begun", "Europe/Berlin")},
        },
        before=(
            PARENTS[0].format(type="timestamptz"),
            PARENTS[1].format(value=MOMENT.format(hours="n")),
        ),
        relation="things t LEFT JOIN parents parent ON parent.id = t.parent_id",
    ),
    DayKind(
        "digits",
        "text",
        "to_char({moment} AT TIME ZONE 'UTC', 'YYYYMMDD') || '-100%{{}}'",
        {"ref": pl.String, "day": pl.Date},
        "to_date(left(t.ref, 8), 'YYYYMMDD')",
        "day",
        column="ref",
        nowhere=("NULL", "NULL"),
        source={
            "computed": {
                "day": Sql(
                    "make_date(left(ref, 4)::int, substr(ref, 5, 2)::int, substr(ref, 7, 2)::int)"
                    " -- of '{}', 100 %"
                )
            }
        },
    ),
    DayKind(
        "moment of a number",
        "bigint",
        "(extract(epoch FROM {moment}) * 1000)::bigint",
        {"number": pl.Int64, "at": UTC_MOMENT},
        "(to_timestamp(t.number / 1000.0) AT TIME ZONE 'UTC')::date",
        "at",
        column="number",
        nowhere=("NULL", "1000000000000000"),
        source={"computed": {"at": Sql("to_timestamp(number / 1000.0)")}},
    ),
]
