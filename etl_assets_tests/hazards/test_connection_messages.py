"""M3, M9, M11: errors of connections name server, database and option, and never a secret."""

import os
import socket
from pathlib import Path

import polars as pl
import psycopg
import pytest

from etl_assets.core.errors import ConfigError, EtlError, SourceError, SourceUnavailable
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.postgres.connection import (
    PoolSettings,
    check_connection,
    classify,
    make_engine,
    postgres_url,
    source_errors,
)
from etl_assets.postgres.interruptible import Target
from etl_assets.warehouse.postgres.engine import classify as warehouse_classify
from etl_assets_tests.hazards.test_source_failures import CANARY, TABLE, told
from etl_assets_tests.postgres_warehouse.warehouses import warehouse_at
from etl_assets_tests.source_tables import plain_table, read_day, run


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"postgresql://app:{CANARY}@127.0.0.1:1/shop", "127.0.0.1:1, database shop"),
        (f"postgresql://app:{CANARY}@localhost:2/other", "localhost:2, database other"),
        (f"postgresql://app:{CANARY}@/db?host=/nowhere", "/nowhere:5432, database db"),
        (f"postgresql://app:{CANARY}@/db?host=/a,/b&port=3,4", "/a,/b:3,4, database db"),
    ],
)
def test_m3_a_server_that_cannot_be_reached_is_named(
    url: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SourceUnavailable) as raised:
        read_day(url, TABLE)
    assert f"The source database at {place}, could not be reached" in raised.value.what
    assert CANARY not in told(raised.value, caplog)
    with warehouse_at(url) as warehouse, pytest.raises(EtlError) as raised_too:
        warehouse.state()
    assert f"The warehouse at {place}, could not be reached" in raised_too.value.what
    assert CANARY not in told(raised_too.value, caplog)


def test_m3_another_connections_setting_is_named() -> None:
    engine = make_engine("postgresql://a@127.0.0.1:1/b", PoolSettings(), setting="DATABASE_URL_X")
    with pytest.raises(SourceUnavailable) as raised, source_errors("reading"), engine.connect():
        pass
    assert "server of DATABASE_URL_X" in raised.value.next_step


def test_m3_a_session_that_breaks_off_is_named_as_well(database_url: str) -> None:
    engine = make_engine(database_url, PoolSettings())
    name = database_url.split("/")[3].split("?")[0]
    with engine.connect() as connection:
        line = socket.socket(fileno=os.dup(connection.connection.driver_connection.fileno()))
        line.shutdown(socket.SHUT_RDWR)  # the network is gone
        with pytest.raises(SourceUnavailable) as raised, source_errors("reading public.things"):
            connection.exec_driver_sql("SELECT 1")
        line.close()
    assert f"database {name}, could not be reached, or broke off" in raised.value.what
    assert "while reading public.things" in raised.value.what
    engine.dispose()


@pytest.mark.parametrize(
    ("query", "named"),
    [("foo=bar", "(foo)"), ("sslmod=require", "(sslmod)"), (f"{CANARY}=1", ""), ("A=b@c", "")],
)
def test_m11_an_option_that_libpq_does_not_know(query: str, named: str) -> None:
    with pytest.raises(ConfigError) as raised:
        postgres_url(f"postgresql://app@localhost/db?{query}")
    assert raised.value.what == (
        "DATABASE_URL has an option that PostgreSQL's client does not know"
        + (f" {named}." if named else ".")
    )
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize("query", [f"port={CANARY}", "host=a,b&port=1", "host=a&port=1,2,3"])
def test_m11_hosts_and_ports_that_do_not_fit(query: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match="hosts and ports of DATABASE_URL") as raised:
        postgres_url(f"postgresql://app@/db?{query}")
    assert CANARY not in told(raised.value, caplog)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (f"sslmode={CANARY}", "sslmode"),
        (f"target_session_attrs={CANARY}", "target_session_attrs"),
        (f"channel_binding={CANARY}", "channel_binding"),
    ],
)
def test_m11_a_bad_value_of_an_option_names_the_option(
    database_url: str, query: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"postgresql://app@/db?host=/nowhere&{query}"
    with pytest.raises(SourceError) as raised:
        read_day(url, TABLE)
    assert raised.value.what == f"DATABASE_URL has a bad value for {name}."
    assert not raised.value.retryable
    assert CANARY not in told(raised.value, caplog)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("22P02", "conversion in the source"),
        ("54011", "Leave columns out"),
        ("42501", "Grant the role"),
        ("22012", "a value does not fit"),
        ("0A000", "does not support"),
        ("XX001", "found damage"),
        ("P0001", "function or a trigger"),
        ("58030", "disk or system failed"),
        ("38000", "a function of the database failed"),
    ],
)
def test_m9_every_sqlstate_says_something(state: str, words: str) -> None:
    kind = (
        psycopg.errors.lookup(state)
        if state != "38000"
        else psycopg.errors.ExternalRoutineException
    )
    error = kind(CANARY)
    source = classify(error, "reading public.things")
    warehouse = warehouse_classify(error, "publishing raw/things", 1)
    assert words in source.next_step
    assert "public.things" in source.what
    assert "raw/things" in warehouse.what
    for ours in (source, warehouse):
        assert "look the SQLSTATE up" not in str(ours).lower()
        assert CANARY not in str(ours)


@pytest.mark.parametrize(
    ("expression", "state"),
    [("t::int", "22P02"), ("t::date", "22007"), ("1 / length(left(t, 0))", "22012")],
)
def test_m9_a_view_whose_expression_fails_is_named_with_what_to_mend(
    database_url: str, expression: str, state: str
) -> None:
    """What the tests above make by hand, as the server says it; the value stays unsaid."""
    run(
        database_url,
        "CREATE TABLE base (id bigint, day_at timestamptz, t text)",
        f"INSERT INTO base VALUES (1, '2024-05-17', '{CANARY}')",
        f"CREATE VIEW things AS SELECT id, day_at, ({expression})::text AS v FROM base",
    )
    with pytest.raises(SourceError) as raised:
        read_day(database_url, plain_table({"v": pl.String}))
    assert "public.things" in raised.value.what
    assert f"SQLSTATE {state}" in raised.value.what
    assert not raised.value.retryable
    assert any(word in raised.value.next_step for word in ("the view", "Mend that there"))
    assert "look the SQLSTATE up" not in str(raised.value)
    assert CANARY not in str(raised.value)


def test_m11_a_wrong_password_of_dagsters_database_is_one_message(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with pytest.raises(SourceUnavailable) as raised:
        check_connection(
            f"postgresql://u:{CANARY}@127.0.0.1:1/dagster",
            setting="DAGSTER_POSTGRES_URL",
            what="Dagster's own database",
        )
    assert raised.value.what.startswith(
        "Dagster's own database at 127.0.0.1:1, database dagster, could not be reached"
    )
    error = psycopg.OperationalError('FATAL:  password authentication failed for user "u"')
    ours = classify(error, "connecting", Target("DAGSTER_POSTGRES_URL", "h:1, database d"))
    assert "h:1, database d" in ours.what
    assert "password in DAGSTER_POSTGRES_URL" in ours.next_step
