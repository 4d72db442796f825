"""What is guessed by names, types and measured values: personal columns, days, cursors, dtypes."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.scaffold.days import change_of, day_of
from etl_assets.scaffold.dtypes import held
from etl_assets.scaffold.facts import ColumnFacts, FoundKey, Measured, Relation, TableFacts
from etl_assets.scaffold.personal import why_personal

NOTHING = pl.Series("", [], pl.String)
IN_2024 = Measured(0, "2024-01-01 00:00:00+00", "2024-03-01 00:00:00+00")


def column(
    name: str, kind: str = "timestamptz", measured: Measured = IN_2024, **of_source: Any
) -> ColumnFacts:
    options: dict[str, Any] = {"element": None, "typmod": -1, "not_null": True, **of_source}
    return ColumnFacts(SourceColumn(name, kind, shown=kind, **options), measured=measured)


def table(*columns: ColumnFacts, rows: int = 1_000_000, **more: Any) -> TableFacts:
    return TableFacts(
        Relation("public", "things"),
        columns,
        rows=rows,
        is_counted=True,
        key=FoundKey(("id",), "", True),
        now="2024-03-02 00:00:00+00",
        **more,
    )


@pytest.mark.parametrize(
    ("name", "kind", "of"),
    [
        ("email", "text", "users"),
        ("contactEmail", "varchar", "orders"),
        ("c_phone", "bpchar", "customer"),
        ("first_name", "text", "leads"),
        ("name", "text", "customers"),
        ("date_of_birth", "date", "patients"),
        ("billing_address_line1", "text", "orders"),
        ("current_sign_in_ip", "inet", "users"),
        ("encrypted_password", "varchar", "users"),
        ("iban", "text", "accounts"),
    ],
)
def test_personal_columns_are_known_by_their_names(name: str, kind: str, of: str) -> None:
    assert why_personal(name, kind, of, NOTHING)


@pytest.mark.parametrize(
    ("name", "kind", "of"),
    [
        ("id", "int8", "users"),
        ("name", "text", "products"),
        ("shipping", "text", "orders"),
        ("p_mailing_days", "int4", "offers"),
        ("hotel", "text", "bookings"),
        ("basalt", "text", "rocks"),
        ("created_at", "timestamptz", "users"),
        ("token_count", "int4", "chats"),
        ("description", "text", "orders"),
    ],
)
def test_others_are_not(name: str, kind: str, of: str) -> None:
    assert not why_personal(name, kind, of, NOTHING)


def test_what_sampled_values_look_like_counts_where_names_say_nothing() -> None:
    mails = pl.Series("x", ["a@b.org", "c@d.com", None, "none"])
    phones = pl.Series("x", ["+49 30 1234567", "0049 (30) 765-4321"])
    assert "e-mail" in why_personal("contact", "text", "orders", mails)
    assert "phone" in why_personal("contact", "text", "orders", phones)
    assert not why_personal("contact", "text", "orders", pl.Series("x", ["12345678", "a@b"]))


def test_the_day_is_a_moment_that_never_changes_and_is_never_missing() -> None:
    made, other = column("created_at"), column("shipped_on", "date")
    assert day_of(table(other, made)).column == "created_at"
    assert day_of(table(other)).column == "shipped_on"
    for name in ("updated_at", "due_date", "valid_until", "birthday", "deleted_at", "end_date"):
        assert day_of(table(column(name))).column is None, name
    nullable = column("created_at", not_null=False, measured=replace(IN_2024, nulls=3))
    assert "may be NULL" in day_of(table(nullable)).why
    later = column("created_at", measured=replace(IN_2024, greatest="2031-01-01 00:00:00+00"))
    assert "lies in the future (2031-01-01)" in day_of(table(later)).why
    odd = column("created_at", measured=replace(IN_2024, has_unrepresentable=True))
    assert "no calendar date" in day_of(table(odd)).why


def test_days_are_proposed_where_they_pay() -> None:
    made = column("created_at")
    assert day_of(table(made, rows=12_000)).column == "created_at"
    assert day_of(table(made, rows=9_000)).column is None
    years = replace(IN_2024, least="1999-01-01 00:00:00+00")
    assert day_of(table(column("created_at", measured=years), rows=12_000)).column is None


def test_the_cursor_is_what_its_name_says_is_set_on_every_change() -> None:
    made, changed = column("created_at"), column("updated_at", not_null=False)
    assert change_of(table(made, changed)).columns == ("updated_at", "created_at")
    assert change_of(table(made, column("updated_at"))).columns == ("updated_at",)
    assert change_of(table(column("lastModified", "date"))).columns == ("lastModified",)
    for name in ("created_at", "updated_by_at", "price_changed_at", "lock_version", "seen_at"):
        assert change_of(table(column(name))).columns == (), name
    number = column("updated_ms", "int8", Measured(0, "1704067200000", "1704067300000"))
    assert (change_of(table(number)).columns, change_of(table(number)).unit) == (
        ("updated_ms",),
        "milliseconds",
    )
    counter = column("updated_count", "int8", Measured(0, "1", "99"))
    assert change_of(table(counter)).columns == ()


def test_a_clock_without_a_zone_is_no_cursor_until_something_says_the_zone() -> None:
    naive = column("updated_at", "timestamp")
    assert change_of(table(naive)).columns == ()
    assert "--zone" in change_of(table(naive)).why
    known = table(naive, zone="UTC", zone_why="Rails")
    assert change_of(known).columns == ("updated_at",)


@pytest.mark.parametrize(
    ("found", "dtype"),
    [
        (column("a", "numeric", typmod=(12 << 16) + 2 + 4), pl.Decimal(12, 2)),
        (column("a", "numeric", typmod=(3 << 16) + 5 + 4), pl.Decimal(5, 5)),
        (column("a", "numeric", typmod=(5 << 16) + 0x7FE + 4), pl.Decimal(7, 0)),
        (column("a", "numeric", typmod=(50 << 16) + 10 + 4), pl.String()),
        (column("a", "numeric"), pl.String()),
        (column("a", "_int4", element="int4"), pl.String()),
        (column("a", "geometry"), pl.String()),
        (column("a", "money"), pl.Decimal(19, 2)),
        (column("a", "bytea"), pl.Binary()),
        (column("a", "timestamp"), pl.Datetime("us")),
        (column("a", "date", Measured(has_unrepresentable=True)), pl.String()),
    ],
)
def test_a_dtype_holds_every_value_that_the_type_may_have(
    found: ColumnFacts, dtype: pl.DataType
) -> None:
    assert held(found, table(found), is_key=False, needs_moment=False).dtype == dtype
