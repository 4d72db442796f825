"""What can go wrong with a source: told apart by SQLSTATE, with a next step, without a secret."""

import random
import shutil
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from etl_assets.core.errors import ConfigError, EtlError, SourceError, SourceUnavailable
from etl_assets.demo.server import EmbeddedPostgres, start_postgres
from etl_assets.postgres.connection import check_connection, classify, postgres_url
from etl_assets_tests.hazards.test_source_concurrency import until
from etl_assets_tests.source_tables import (
    DAY,
    layer_table,
    make_v,
    pl,
    plain_table,
    read_day,
    run,
    snapshot_of,
)

CANARY = "canary-7f3a"
TABLE = plain_table({"v": pl.String})
# Not one of the names of localhost, and of this session alone.
LOOPBACK = f"127.77.{random.randint(1, 250)}.{random.randint(1, 250)}"


def told(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """All that an error can show of itself: text, repr, what it came of, traceback and log."""
    chain: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is not None and one not in chain:
            chain.append(one)
            pending += [one.__cause__, one.__context__]
            if isinstance(one, EtlError):
                chain += [a for a in one.args if isinstance(a, BaseException)]
    texts = [f"{one}{one!r}{one.args}{vars(one)}" for one in chain]
    return "".join([*texts, *traceback.format_exception(error), caplog.text])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server of our own that asks for passwords, also on TCP."""
    folder = tmp_path_factory.mktemp("guarded") / "pg"
    server = start_postgres(folder)
    run(
        server.url("postgres"),
        f"CREATE ROLE app LOGIN PASSWORD 'right-{CANARY}'",
        f"CREATE ROLE full LOGIN PASSWORD 'right-{CANARY}' CONNECTION LIMIT 0",
        "CREATE ROLE kept_out LOGIN",
        "CREATE DATABASE private",
        "REVOKE CONNECT ON DATABASE private FROM public",
        "CREATE TABLE things (id bigint, day_at timestamptz, v text)",
        f"ALTER SYSTEM SET listen_addresses = '{LOOPBACK}'",
    )
    rules = folder / "pg_hba.conf"
    rules.write_text(
        "local all kept_out reject\nlocal all postgres trust\nlocal all all scram-sha-256\n"
        "host all all 127.0.0.0/8 scram-sha-256\n"
    )
    server.stop()
    server = start_postgres(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def url_of(server: EmbeddedPostgres, user: str, secret: str, database: str = "postgres") -> str:
    return server.url(database).replace("postgres:@", f"{user}:{secret}@")


REFUSALS = {
    "wrong_password": ("app", f"wrong-{CANARY}", "postgres", "28P01", "user and the password"),
    "rejected_by_pg_hba": ("kept_out", CANARY, "postgres", "28000", "pg_hba.conf"),
    "no_such_database": ("app", f"right-{CANARY}", "nowhere", "3D000", "database's name"),
    "no_right_to_connect": ("app", f"right-{CANARY}", "private", "42501", "CONNECT"),
    "no_right_to_the_table": ("app", f"right-{CANARY}", "postgres", "42501", "Grant"),
    "no_such_role": ("nobody", CANARY, "postgres", "28P01", "user"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_c15_a_refusal_is_permanent_clear_and_keeps_the_secret(
    guarded: EmbeddedPostgres, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    user, secret, database, state, step = REFUSALS[case]

    with pytest.raises(SourceError) as raised:
        read_day(url_of(guarded, user, secret, database), TABLE)

    assert state in raised.value.what
    assert step in raised.value.next_step
    assert not raised.value.retryable
    assert CANARY not in told(raised.value, caplog)


def test_the_right_password_is_taken(guarded: EmbeddedPostgres) -> None:
    run(guarded.url("postgres"), "GRANT SELECT ON things TO app")
    try:
        rows, _ = read_day(url_of(guarded, "app", f"right-{CANARY}"), TABLE)
    finally:
        run(guarded.url("postgres"), "REVOKE SELECT ON things FROM app")
    assert rows.is_empty()


@pytest.mark.parametrize(
    "options", ["-c%20synchronous_commit%3Doff", "-c%20statement_timeout%3D5s%20-c%20jit%3Doff"]
)
def test_a_url_is_tried_with_its_options_as_they_are_written(
    database_url: str, options: str
) -> None:
    check_connection(
        f"{database_url}&options={options}", setting="DAGSTER_POSTGRES_URL", what="the database"
    )


def test_c15_a_server_without_a_free_place_is_worth_a_retry(
    guarded: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SourceUnavailable, match="53300") as raised:
        read_day(url_of(guarded, "full", f"right-{CANARY}"), TABLE)
    assert CANARY not in told(raised.value, caplog)


def test_tls_is_demanded_of_a_host_that_is_not_localhost_unless_the_url_says_otherwise(
    guarded: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"postgresql://app:right-{CANARY}@{LOOPBACK}:5432/postgres"

    with pytest.raises(SourceError, match=r"No trusted TLS connection.*sslrootcert=") as raised:
        read_day(url, TABLE)
    assert CANARY not in told(raised.value, caplog)

    with pytest.raises(SourceError, match="42501"):  # it gets as far as the table
        read_day(f"{url}?sslmode=disable", TABLE)


def test_c15_a_server_that_is_not_there_is_worth_a_retry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SourceUnavailable, match="could not be reached") as raised:
        read_day(f"postgresql://app:{CANARY}@/db?host={tmp_path}", TABLE)
    assert "Check that the server of DATABASE_URL runs" in raised.value.next_step
    assert CANARY not in told(raised.value, caplog)


def test_c15_a_statement_that_takes_too_long_is_stopped_and_worth_a_retry(
    database_url: str,
) -> None:
    run(
        database_url,
        "CREATE VIEW things AS SELECT 1::bigint AS id, timestamptz '2024-05-17' AS day_at, "
        "pg_sleep(60)::text AS v",
    )
    with snapshot_of(database_url, TABLE, statement_timeout=1) as snapshot:
        batches = snapshot.day(DAY).batches()
        with pytest.raises(SourceUnavailable, match="57014") as raised:
            next(batches)
    assert "ETL_STATEMENT_TIMEOUT_SECONDS" in raised.value.next_step


def test_c15_a_session_ended_between_two_days_is_worth_a_retry(database_url: str) -> None:
    make_v(database_url, "text", ["'x'"])
    name = database_url.split("/")[3].split("?")[0]
    run(database_url, f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '1s'")
    with snapshot_of(database_url, TABLE) as snapshot:
        day = snapshot.day(DAY)
        gone = "NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'etl_assets' "
        until(database_url, f"{gone} AND datname = current_database())")
        with pytest.raises(SourceUnavailable, match="25P03"):
            day.evidence()


@pytest.mark.parametrize(
    ("name", "schema", "state", "words"),
    [
        ("nothing", "public", "42P01", 'relation "public.nothing" does not exist'),
        ("things", "nowhere", "3F000", 'schema "nowhere" does not exist'),
        ("numbers", "public", "neither a table nor a view", "public.numbers"),
    ],
)
def test_c15_what_is_not_there_or_has_no_rows_is_named(
    database_url: str, name: str, schema: str, state: str, words: str
) -> None:
    run(database_url, "CREATE SEQUENCE numbers")
    table = layer_table({"id": pl.Int64, "day_at": pl.Date}, name=name, schema=schema)

    with pytest.raises(SourceError, match=state) as raised:
        read_day(database_url, table)
    assert words in str(raised.value)


def test_an_error_that_quotes_a_row_does_not_show_it(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE people (id bigint, email text)",
        f"INSERT INTO people VALUES (1, '{CANARY}')",
        "CREATE VIEW things AS SELECT id, timestamptz '2024-05-17' AS day_at, "
        "email::int::text AS v FROM people",
    )
    with pytest.raises(SourceError, match="22P02") as raised:
        read_day(database_url, TABLE)
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("state", "retryable"),
    [
        ("08006", True),
        ("25P03", True),
        ("40001", True),
        ("40P01", True),
        ("53200", True),
        ("55P03", True),
        ("57014", True),
        ("57P01", True),
        ("57P03", True),
        ("22003", False),
        ("25P02", False),
        ("28P01", False),
        ("42501", False),
        ("42P01", False),
    ],
)
def test_c15_every_state_is_retryable_or_permanent(state: str, retryable: bool) -> None:
    error = classify(psycopg.errors.lookup(state)("told"), "reading public.things")
    assert (error.retryable, state in error.what) == (retryable, True)
    assert error.next_step


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:p@{CANARY}@host/db",
        f"postgresql://app:{CANARY}%ZZ@host/db",
        f"postgresql://app:{CANARY}%@host/db",
        f"mysql://app:{CANARY}@host/db",
        f"postgresql//app:{CANARY}@host/db",
        f"postgresql://app:x@host:{CANARY}/db",
        f"postgresql://app:a:b/{CANARY}@c@host/db",
        f"postgresql+{CANARY}",
        CANARY,
        "",
    ],
)
def test_a_malformed_url_is_refused_without_a_word_of_it(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match=r"DATABASE_URL is not a PostgreSQL URL\.") as raised:
        postgres_url(url)
    assert CANARY not in told(raised.value, caplog)
    assert "%40" in raised.value.next_step


@pytest.mark.parametrize(
    ("rest", "sslmode"),
    [
        ("@localhost/db", None),
        ("@127.0.0.1:5432/db", None),
        ("@[::1]/db", None),
        ("@/db?host=/var/run/postgresql", None),
        ("@/db", None),
        ("@db.example.com/db", "verify-full"),
        ("@10.0.0.7/db", "verify-full"),
        ("@/db?host=db.example.com", "verify-full"),
        ("@/db?host=localhost,db.example.com", "verify-full"),
        ("@/db?host=localhost&host=db.example.com:5433", "verify-full"),
        ("@localhost/db?hostaddr=10.0.0.7", "verify-full"),
        ("@db.example.com/db?sslmode=require", "require"),
        ("@db.example.com/db?sslmode=disable", "disable"),
    ],
)
def test_tls_defaults_to_verify_full_outside_localhost(rest: str, sslmode: str | None) -> None:
    url = postgres_url(f"postgresql://app:{CANARY}{rest}")
    assert url.query.get("sslmode") == sslmode
    assert ("sslrootcert" in url.query) == (sslmode == "verify-full")
    assert CANARY not in f"{url}{url!r}"


def test_a_root_certificate_of_the_url_is_kept() -> None:
    url = postgres_url("postgresql://app@db.example.com/db?sslrootcert=/ca.pem")
    assert url.query == {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}
