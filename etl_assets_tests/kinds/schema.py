"""A schema of sixty-odd tables: each kind of relation with each kind of day, and by turns the kinds
of cursors, names, keys and policies of deletes. What happens to them is `test_schema.py`.

The statements know the rules, not the platform: what they select is what must be in the warehouse.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import polars as pl

from etl_assets.core.computed import DayIn
from etl_assets.core.cursor import CursorColumn, Epoch, Version
from etl_assets.core.key_moments import day_of_digits
from etl_assets.core.policies import Deletes, Thresholds
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, layer_table

LENIENT = Thresholds(max_bad_share=1.0, min_share_of_last=0.0, max_deleted_share=1.0)
ROWS, FIRST_NEW = 24, 100
# Over the night in which clocks change in Berlin.
_FIRST = "(timestamptz '2024-03-29 20:30Z' + n % 5 * interval '25 hours')"

RELATIONS = ("table", "partitioned", "view", "materialised", "tree", "only", "policies")
DAYS = ("moment", "date", "local", "zoned", "business", "digits", "parent", "expression", "none")
CURSORS = ("moment", "greatest", "date", "epoch", "version", "zoned", "none")
NAMES = ("things", "class", "two words", "ÜBER", "per%cent", 'say "hi"', "a.b")
DELETES = (Deletes.REMOVE, Deletes.TOMBSTONE, Deletes.KEEP)

# What every table has in the source; contracts take what they need, `ignore` the rest.
_COLUMNS = """
    id bigint NOT NULL, region text NOT NULL, ref text NOT NULL, order_id bigint NOT NULL,
    created_at timestamptz NOT NULL, created_on date NOT NULL, local_at timestamp NOT NULL,
    updated_at timestamptz, touched_on date, changed_ms bigint, version bigint,
    "own 'v'" text, amount numeric(12, 2), ratio float8, tags text[], doc text, photo bytea
"""
_NAMES = (
    "id, region, ref, order_id, created_at, created_on, local_at, updated_at, touched_on, "
    "changed_ms, version, \"own 'v'\", amount, ratio, tags, doc, photo"
)
_PLAIN: dict[str, Any] = {
    "own 'v'": pl.String,
    "amount": pl.Decimal(12, 2),
    "ratio": pl.Float64,
    "tags": pl.List(pl.String),
    "doc": pl.String,
}
_DAYS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "moment": ("created_at", {"created_at": UTC_MOMENT}),
    "date": ("created_on", {"created_on": pl.Date}),
    "local": ("local_at", {"local_at": NAIVE}),
    "zoned": ("local_at", {"local_at": UTC_MOMENT}),
    "business": ("day", {"created_at": UTC_MOMENT, "day": pl.Date}),
    "digits": ("day", {"ref": pl.String, "day": pl.Date}),
    "parent": ("order_created_at", {"order_id": pl.Int64, "order_created_at": UTC_MOMENT}),
    "expression": ("day", {"created_at": UTC_MOMENT, "day": pl.Date}),
    "none": (None, {}),
}
_CURSORS: dict[str, tuple[CursorColumn | None, dict[str, Any]]] = {
    "moment": ("updated_at", {"updated_at": UTC_MOMENT}),
    "greatest": (
        ("updated_at", "created_at"),
        {"updated_at": UTC_MOMENT, "created_at": UTC_MOMENT},
    ),
    "date": ("touched_on", {"touched_on": pl.Date}),
    "epoch": (Epoch("changed_ms", "milliseconds"), {"changed_ms": pl.Int64}),
    "version": (Version("version"), {"version": pl.Int64}),
    "zoned": ("local_at", {"local_at": UTC_MOMENT}),
    "none": (None, {}),
}
# What each contract column is in plain SQL, over the relation `t` and its parent `o`.
_SQL = {
    "zoned local_at": "t.local_at AT TIME ZONE 'Europe/Berlin'",
    "business day": "(t.created_at AT TIME ZONE 'Europe/Berlin')::date",
    "digits day": "to_date(left(t.ref, 8), 'YYYYMMDD')",
    "expression day": "make_date(extract(year FROM t.created_at AT TIME ZONE 'UTC')::int, "
    "extract(month FROM t.created_at AT TIME ZONE 'UTC')::int, 1)",
    "order_created_at": "o.created_at",
}


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Table:
    """One of the tables: its kinds by name, and its number, which other names are made of."""

    number: int
    relation: str
    day: str
    cursor: str
    name: str
    deletes: Deletes
    two_keys: bool
    # What the warehouse cannot hold is declared as its messages say.
    tags_as_text: bool = False
    published_as: str | None = None

    def __str__(self) -> str:
        key = "two keys" if self.two_keys else "id"
        return (
            f"{self.number} {self.relation}, day {self.day}, cursor {self.cursor}, "
            f"{self.deletes}, {key}, {self.name}"
        )

    @property
    def key(self) -> tuple[str, ...]:
        """The contract's key."""
        return ("id", "region") if self.two_keys else ("id",)

    @property
    def _base(self) -> str:
        """The table that the rows are in."""
        is_seen_through = self.relation in {"view", "materialised"}
        return quoted(f"{self.name} of {self.number}") if is_seen_through else self._asked

    @property
    def _asked(self) -> str:
        return quoted(f"{self.name} {self.number}")

    @property
    def _orders(self) -> str:
        return quoted(f"orders {self.number}")

    def spec(self) -> LayerTable:
        """The table as its spec makes it."""
        from etl_assets.core.computed import Sql

        partition, of_day = _DAYS[self.day]
        cursor, of_cursor = _CURSORS[self.cursor]
        keeps = self.deletes is Deletes.KEEP
        dtypes = {"id": pl.Int64, "region": pl.String, **of_day, **of_cursor, **_PLAIN}
        if self.tags_as_text:
            dtypes["tags"] = pl.String
        if keeps:
            dtypes["gone_at"] = UTC_MOMENT
        options: dict[str, dict[str, Any]] = {name: {"nullable": False} for name in self.key}
        if "zoned" in (self.day, self.cursor):
            options["local_at"] = {"source_zone": "Europe/Berlin", "ambiguous": "earliest"}
        name = f"{self.name} {self.number}"
        made = layer_table(dtypes, options, name=name, partition="id", key=self.key, schema="s ö")
        made = replace(made, name=self.published_as or name)
        computed = {
            "business": {"day": DayIn("created_at", "Europe/Berlin")},
            "digits": {"day": day_of_digits("ref")},
            "expression": {"day": Sql(_SQL["expression day"].replace("t.", ""))},
        }.get(self.day, {})
        parent = None
        if self.day == "parent":
            orders = f"orders {self.number}"
            parent = Parent(orders, {"order_id": "id"}, {"order_created_at": "created_at"})
        source = PostgresTable(
            name,
            "s ö",
            parent,
            row_security=self.relation == "policies",
            only=self.relation == "only",
            computed=computed,
        )
        unread = {n.strip().strip('"') for n in _NAMES.split(", ")} - {*dtypes}
        return replace(
            made,
            partition_column=partition,
            cursor_column=cursor,
            source=source,
            thresholds=LENIENT,
            lookback=timedelta(0),
            deletes=self.deletes,
            kept_column="gone_at" if keeps else None,
            ignore=tuple(sorted(unread - {"day"})),
        )

    def create(self) -> list[str]:
        """The relation with its rows, and what it is made of."""
        base, asked, orders = self._base, self._asked, self._orders
        key = ", ".join(self.key)
        made = [
            f"CREATE SEQUENCE {quoted(f'versions {self.number}')}",
            f"CREATE TABLE {orders} (id bigint PRIMARY KEY, created_at timestamptz NOT NULL)",
            f"INSERT INTO {orders} SELECT n, {_FIRST} FROM generate_series(0, 9) AS n",
        ]
        if self.relation == "partitioned":
            made += [
                f"CREATE TABLE {base} ({_COLUMNS}, PRIMARY KEY ({key})) PARTITION BY HASH (id)",
                *(
                    f"CREATE TABLE {quoted(f'part {self.number} {n}')} PARTITION OF {base} "
                    f"FOR VALUES WITH (MODULUS 3, REMAINDER {n})"
                    for n in range(3)
                ),
            ]
        else:
            made.append(f"CREATE TABLE {base} ({_COLUMNS}, PRIMARY KEY ({key}))")
        if self.relation in {"tree", "only"}:
            child = quoted(f"child {self.number}")
            made.append(f"CREATE TABLE {child} (PRIMARY KEY ({key})) INHERITS ({base})")
            made.append(self._insert(child, 50, 55, "child"))
        if self.relation == "policies":
            made.append(f"ALTER TABLE {base} ENABLE ROW LEVEL SECURITY")
        made.append(self._insert(base, 1, ROWS, "first"))
        if self.relation == "view":
            made.append(f"CREATE VIEW {asked} AS SELECT * FROM {base} WHERE id <> 7")
        if self.relation == "materialised":
            made.append(f"CREATE MATERIALIZED VIEW {asked} AS SELECT * FROM {base}")
        return made

    def change(self) -> list[str]:
        """Rows that change, come, move to another day and go."""
        base = self._base
        touched = (
            "updated_at = now(), touched_on = current_date, "
            "changed_ms = (extract(epoch FROM now()) * 1000)::bigint, "
            f"version = nextval({_literal(quoted(f'versions {self.number}'))})"
        )
        if self.cursor == "zoned":
            touched += ", local_at = now() AT TIME ZONE 'Europe/Berlin'"
        moved = {
            "date": "created_on = created_on + 1",
            "local": "local_at = local_at + interval '30 hours'",
            "digits": "ref = '20240402' || substr(ref, 9)",
            "parent": "order_id = (order_id + 1) % 10",
        }.get(self.day, "created_at = created_at + interval '30 hours'")
        if (self.day, self.cursor) == ("local", "zoned"):
            moved = "id = id"
        changed = f"UPDATE {base} SET {touched}, amount = 7.5, ratio = -0.0 WHERE id % 6 = 0"
        steps = [
            changed,
            f"UPDATE {base} SET {touched}, {moved} WHERE id = 4",
            self._insert(base, FIRST_NEW, FIRST_NEW + 2, "new", touched="now()"),
            f"DELETE FROM {base} WHERE id IN (3, 6)",
        ]
        return [*steps, *self.refresh()]

    def refresh(self) -> list[str]:
        """What lets a relation have what it is made of."""
        if self.relation != "materialised":
            return []
        return [f"REFRESH MATERIALIZED VIEW {self._asked}"]

    def select(self, table: LayerTable) -> str:
        """What must be published, in the contract's columns but the mark."""
        names = [c.name for c in table.columns if c.name != table.kept_column]
        shown = ", ".join(self._expression(name) for name in names)
        only = "ONLY " if self.relation == "only" else ""
        joined = f" LEFT JOIN {self._orders} AS o ON o.id = t.order_id"
        return f"SELECT {shown} FROM {only}{self._asked} AS t{joined}"

    def _expression(self, name: str) -> str:
        zoned = "zoned" in (self.day, self.cursor)
        if name == "tags" and self.tags_as_text:
            return "array_to_json(t.tags)::text"
        if name == "local_at" and zoned:
            return _SQL["zoned local_at"]
        return _SQL.get(f"{self.day} {name}", _SQL.get(name, f"t.{quoted(name)}"))

    def _insert(self, into: str, first: int, last: int, v: str, touched: str = _FIRST) -> str:
        local = touched if self.cursor == "zoned" else _FIRST
        return (
            f"INSERT INTO {into} ({_NAMES}) SELECT n, 'r' || n % 2, "
            f"to_char({_FIRST} AT TIME ZONE 'UTC', 'YYYYMMDD') || '-' || n, n % 10, {_FIRST}, "
            f"({_FIRST} AT TIME ZONE 'UTC')::date, ({local}) AT TIME ZONE 'Europe/Berlin', "
            f"{touched}, ({touched})::date, (extract(epoch FROM {touched}) * 1000)::bigint, "
            f"nextval({_literal(quoted(f'versions {self.number}'))}), "
            f"'{v} ' || n, n * 1.25, n / 3.0, ARRAY['a', NULL, n::text], "
            "'{\"n\": ' || n || '}', 'photo' "
            f"FROM generate_series({first}, {last}) AS n"
        )


def tables() -> Sequence[Table]:
    """Every relation with every day; the other kinds by turns."""
    pairs = [(relation, day) for relation in RELATIONS for day in DAYS]
    made = []
    for number, (relation, day) in enumerate(pairs):
        cursor = CURSORS[(number + number // len(DAYS)) % len(CURSORS)]
        if cursor == "zoned" and day == "local":
            cursor = "moment"  # one column cannot be a moment and none
        made.append(
            Table(
                number,
                relation,
                day,
                cursor,
                NAMES[number % len(NAMES)],
                DELETES[(number + number // len(RELATIONS)) % len(DELETES)],
                two_keys=number % 4 == 3,
            )
        )
    return made


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
