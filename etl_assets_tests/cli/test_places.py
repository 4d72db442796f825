"""Every system that is away is named with host, port and database, and no secret is shown: in URLs,
in their parameters, in the environment, in files of passwords."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from etl_assets_tests.cli.conftest import Shop

CANARY = "c4n4ry"
AWAY = f"postgresql://u:{CANARY}@127.0.0.1:1/shop"
IN_PARAMETERS = f"postgresql://127.0.0.1:1/shop?user=u&password={CANARY}"
ONE_DAY = ("--from", "2024-01-02", "--to", "2024-01-02")

CASES: list[tuple[str, tuple[str, ...], Mapping[str, str], str]] = [
    (
        "a source",
        ("sync", "raw/orders", "--no-derive"),
        {"DATABASE_URL": AWAY, "ETL_SYNC_PATIENCE_SECONDS": "0.1"},
        "127.0.0.1:1, database shop",
    ),
    (
        "a source, password in the parameters",
        ("doctor", "raw/orders"),
        {"DATABASE_URL": IN_PARAMETERS},
        "127.0.0.1:1, database shop",
    ),
    (
        "a source, password in the environment",
        ("doctor", "raw/orders"),
        {"DATABASE_URL": "postgresql://127.0.0.1:1/shop", "PGPASSWORD": CANARY},
        "127.0.0.1:1",
    ),
    (
        "another source",
        ("doctor", "raw/invoices"),
        {"DATABASE_URL_BILLING": f"postgresql://u:{CANARY}@127.0.0.1:2/bills"},
        "127.0.0.1:2, database bills",
    ),
    ("a warehouse", ("status",), {"WAREHOUSE_URL": AWAY}, "127.0.0.1:1, database shop"),
    (
        "a warehouse, as doctor sees it",
        ("doctor", "raw/orders"),
        {"WAREHOUSE_URL": IN_PARAMETERS},
        "127.0.0.1:1, database shop",
    ),
    (
        "Dagster's storage",
        ("backfill", "raw/orders", *ONE_DAY),
        {"DAGSTER_POSTGRES_URL": AWAY},
        "127.0.0.1:1, database shop",
    ),
    (
        "Dagster's storage, as doctor sees it",
        ("doctor", "raw/orders"),
        {"DAGSTER_POSTGRES_URL": AWAY},
        "127.0.0.1:1, database shop",
    ),
    (
        "the database of events",
        ("events", "status"),
        {"EVENTS_DATABASE_URL": AWAY},
        "127.0.0.1:1, database shop",
    ),
    (
        "an HTTP API, with a token",
        ("doctor", "raw/sales"),
        {
            "HTTP_API_URL_SALES": "http://127.0.0.1:1/shop",
            "HTTP_API_TOKEN_SALES": CANARY,
            "HTTP_API_PATIENCE_SECONDS": "0.2",
        },
        "127.0.0.1:1",
    ),
    (
        "an object store",
        ("files", "list", "raw/shipments"),
        {
            "OBJECT_STORE_URL": "s3://bucket/prefix",
            "OBJECT_STORE_ENDPOINT": "http://127.0.0.1:1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": CANARY,
            "OBJECT_STORE_PATIENCE_SECONDS": "0.2",
        },
        "127.0.0.1:1",
    ),
]


@pytest.mark.thorough_for("a source")
@pytest.mark.parametrize(
    ("arguments", "changes", "place"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_what_is_away_is_named_without_its_secrets(
    shop: Shop, arguments: tuple[str, ...], changes: Mapping[str, str], place: str
) -> None:
    done = shop.run(*arguments, **changes)
    assert done.exit_code == 1, done.output
    assert place in done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "error:" in done.stderr


def test_a_file_of_passwords_is_not_shown(shop: Shop, tmp_path: Path) -> None:
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"127.0.0.1:1:shop:u:{CANARY}\n")
    passwords.chmod(0o600)
    done = shop.run(
        "doctor",
        "raw/orders",
        DATABASE_URL="postgresql://u@127.0.0.1:1/shop",
        PGPASSFILE=str(passwords),
    )
    assert done.exit_code == 1
    assert "127.0.0.1:1, database shop" in done.stderr
    assert CANARY not in done.output + done.stderr


MALFORMED = [
    ("DATABASE_URL", f"reader:{CANARY}@127.0.0.1:5432/shop"),  # without its scheme
    ("DATABASE_URL", f"postgres//reader:{CANARY}@127.0.0.1/shop"),
    ("DATABASE_URL", f'"postgresql://reader:{CANARY}@127.0.0.1/shop"'),
    ("DATABASE_URL", f"host=127.0.0.1 user=reader password={CANARY}"),
    ("DATABASE_URL", f"postgresql://reader:a/{CANARY}@127.0.0.1/shop"),
    ("DATABASE_URL_BILLING", f"reader:{CANARY}@127.0.0.1:5432/shop"),
    ("WAREHOUSE_URL", f"etl:{CANARY}@127.0.0.1/db"),
    ("OBJECT_STORE_URL", f"s3//AK:{CANARY}@bucket/x"),
    ("OBJECT_STORE_URL", f"s3://AK:{CANARY}@bucket/x"),
    ("DAGSTER_POSTGRES_URL", f"dagster:{CANARY}@127.0.0.1/db"),
    ("HTTP_API_URL_SALES", f"https//u:{CANARY}@127.0.0.1/v1"),
    ("HTTP_API_URL_SALES", f"https://u:{CANARY}@127.0.0.1:1/v1"),
]


@pytest.mark.thorough_but("WAREHOUSE_URL", "s3://AK")
@pytest.mark.thorough_for("host=127", "postgres//", "a/c4n4ry", '"postgresql')
@pytest.mark.parametrize(("name", "url"), MALFORMED)
def test_of_a_url_that_is_none_no_command_shows_anything(shop: Shop, name: str, url: str) -> None:
    commands = [
        ("doctor",),
        ("status",),
        ("plan",),
        ("state",),
        ("files", "list"),
        ("sync", "raw/orders", "raw/invoices", "--no-derive"),
        ("backfill", "raw/shipments", "raw/sales", *ONE_DAY),
        ("add-table", "public.orders", "--as", "more", "--dry-run"),
    ]
    for command in commands:
        done = shop.run(*command, **{name: url, "ETL_SYNC_PATIENCE_SECONDS": "0.1"})
        assert CANARY not in done.output, command
        assert "Traceback" not in done.output, command
