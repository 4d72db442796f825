"""The cursors of tables that histories happen to: columns that a trigger sets on every change.

Writers set `updated_at` and know of no other column. What the trigger makes of it is the cursor of
another kind; where a writer leaves `updated_at` alone, the cursor tells nothing either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from etl_assets.core.cursor import CursorColumn, Epoch, Version
from etl_assets_tests.source_tables import UTC_MOMENT

ZONE = "Asia/Kolkata"


@dataclass(frozen=True)
class Stamp:
    """A cursor: the spec's, its columns in SQL and in the contract, and what the trigger does.

    `shown` is how the columns are asked for in SQL as they are published, `bounded` those that may
    be infinite, `index` what the index is on.
    """

    cursor: CursorColumn = "updated_at"
    columns: Mapping[str, str] = field(default_factory=dict)
    dtypes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sets: str = ""
    index: str = "updated_at"
    bounded: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        return not self.columns

    @property
    def keeps_versions(self) -> bool:
        """A date would tell one version a day apart."""
        return pl.Date not in self.dtypes.values()

    def shown(self) -> str:
        told = [
            f"{name} AT TIME ZONE '{ZONE}'" if name in self.options else name
            for name in self.columns
        ]
        return "".join(f", {one}" for one in told)

    def declared(self) -> str:
        return "".join(f", {name} {type_}" for name, type_ in self.columns.items())

    def trigger(self, table: str) -> list[str]:
        """It fires where a statement sets `updated_at`, to whatever value."""
        if not self.sets:
            return []
        return [
            f"DROP SEQUENCE IF EXISTS {table}_version",
            f"CREATE SEQUENCE {table}_version",
            f"CREATE OR REPLACE FUNCTION {table}_stamp() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {self.sets.format(table=table)} RETURN NEW; END $$",
            f"CREATE TRIGGER stamp BEFORE INSERT OR UPDATE OF updated_at ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_stamp()",
        ]


def _epoch(number: str) -> str:
    return (
        "NEW.changed := CASE WHEN isfinite(NEW.updated_at) "
        f"THEN {number.format(e='extract(epoch FROM NEW.updated_at)')} END;"
    )


STAMPS = {
    "moment": Stamp(),
    "greatest": Stamp(
        cursor=("changed_at", "made_at"),
        columns={"changed_at": "timestamptz", "made_at": "timestamptz"},
        dtypes={"changed_at": UTC_MOMENT, "made_at": UTC_MOMENT},
        # Without a moment at all a row has no cursor, whatever it had before.
        sets="IF TG_OP = 'INSERT' OR NEW.updated_at IS NULL THEN NEW.changed_at := NULL; "
        "NEW.made_at := NEW.updated_at; ELSE NEW.changed_at := NEW.updated_at; END IF;",
        index="GREATEST(changed_at, made_at)",
        bounded=("changed_at", "made_at"),
    ),
    "local": Stamp(
        cursor="local_at",
        columns={"local_at": "timestamp"},
        dtypes={"local_at": pl.Datetime("us", "UTC")},
        options={"local_at": {"source_zone": ZONE}},
        sets=f"NEW.local_at := NEW.updated_at AT TIME ZONE '{ZONE}';",
        index="local_at",
        bounded=("local_at",),
    ),
    "date": Stamp(
        cursor="changed_on",
        columns={"changed_on": "date"},
        dtypes={"changed_on": pl.Date},
        sets="NEW.changed_on := NEW.updated_at::date;",
        index="changed_on",
        bounded=("changed_on",),
    ),
    "seconds": Stamp(
        cursor=Epoch("changed", "seconds"),
        columns={"changed": "bigint"},
        dtypes={"changed": pl.Int64},
        sets=_epoch("floor({e})"),
        index="changed",
    ),
    "milliseconds": Stamp(
        cursor=Epoch("changed", "milliseconds"),
        columns={"changed": "bigint"},
        dtypes={"changed": pl.Int64},
        sets=_epoch("({e} * 1000)"),
        index="changed",
    ),
    "version": Stamp(
        cursor=Version("version"),
        columns={"version": "bigint"},
        dtypes={"version": pl.Int64},
        sets="NEW.version := nextval('{table}_version');",
        index="version",
    ),
}
