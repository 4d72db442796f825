"""`doctor` of systems: each finding has what it costs, and its statement mends it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from etl_assets.cli.doctor import _COLOURS
from etl_assets.core.findings import Finding, Level, clock_finding
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.warehouse.health import LEAST_ROOM, room_finding
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.missing import lacking
from etl_assets_tests.postgres_warehouse.pgbouncer import PROGRAM, pgbouncer
from etl_assets_tests.source_tables import run

READER, WRITER = "doctor reader", "doctor writer"
"""Names that a statement must have in quotes."""


@dataclass(frozen=True)
class Roles:
    """The shop as a role sees it that may do nothing yet, and a warehouse of another such role."""

    shop: Shop
    owner_url: str
    warehouse_owner_url: str

    def systems(self, *tables: str, **changes: str) -> list[dict[str, Any]]:
        """What doctor found of the systems."""
        done = self.shop.run("doctor", *(tables or ("raw/orders",)), "--json", **changes)
        found: list[dict[str, Any]] = json.loads(done.stdout)["systems"]
        return found


def as_role(url: str, role: str) -> str:
    return re.sub(r"//[^@/]*@", f"//{role.replace(' ', '%20')}@", url)


@pytest.fixture(scope="module")
def roles(shop: Shop, postgres: EmbeddedPostgres) -> Iterator[Roles]:
    postgres.ensure_database("doctor_warehouse")
    warehouse = postgres.url("doctor_warehouse")
    run(shop.url, f'CREATE ROLE "{READER}" LOGIN', f'CREATE ROLE "{WRITER}" LOGIN')
    run(warehouse, "REVOKE CREATE ON DATABASE doctor_warehouse FROM PUBLIC")
    there = shop.with_environment(
        DATABASE_URL=as_role(shop.url, READER), WAREHOUSE_URL=as_role(warehouse, WRITER)
    )
    yield Roles(there, shop.url, warehouse)
    for url in (shop.url, warehouse):
        run(url, *(f'DROP OWNED BY "{role}"' for role in (READER, WRITER)))
    run(shop.url, *(f'DROP ROLE "{role}"' for role in (READER, WRITER)))


def statements(text: str) -> list[str]:
    """The SQL in a next step."""
    return [
        f"{one};" for one in re.findall(r"((?:GRANT|ALTER) [^;]*);", text) if "SYSTEM" not in one
    ]


def test_a_table_that_may_not_be_read_has_its_grants_and_they_are_enough(roles: Roles) -> None:
    run(roles.owner_url, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    try:
        done = roles.shop.run("doctor", "raw/orders", "--json")
        assert done.exit_code == 1
        (line,) = json.loads(done.stdout)["tables"]
        assert line["missing_rights"] == [
            f'GRANT USAGE ON SCHEMA public TO "{READER}";',
            f'GRANT SELECT ON public.orders TO "{READER}";',
        ]
        assert "none of its days is loaded" in done.stderr
        run(roles.owner_url, *line["missing_rights"])
        (mended,) = json.loads(roles.shop.run("doctor", "raw/orders", "--json").stdout)["tables"]
        assert (mended["can_be_read"], mended["missing_rights"]) == (True, [])
    finally:
        run(roles.owner_url, "GRANT USAGE ON SCHEMA public TO PUBLIC")


def test_days_that_are_still_to_come_are_told(roles: Roles) -> None:
    assert all(one["check"] != "days" for one in roles.systems())
    (found,) = [
        one
        for one in roles.systems(ETL_FIRST_DAY="2901-01-01", ETL_LAST_DAY="2901-01-09")
        if one["check"] == "days"
    ]
    assert found["level"] == "warning"
    assert "2901-01-01 is after the newest day" in found["found"]
    assert "Set ETL_FIRST_DAY to the first day of the data." in found["next_step"]


def test_a_warehouse_that_may_not_be_written_to_has_its_grants_and_they_are_enough(
    roles: Roles,
) -> None:
    def permissions() -> dict[str, Any]:
        found = roles.systems()
        return next(
            one for one in found if one["check"] == "permissions" and "warehouse" in one["where"]
        )

    lacking_rights = permissions()
    assert lacking_rights["level"] == "error"
    assert "cannot be published" in lacking_rights["cost"]
    given = statements(lacking_rights["next_step"])
    assert given == [f'GRANT CREATE ON DATABASE doctor_warehouse TO "{WRITER}";']
    run(roles.warehouse_owner_url, *given)
    assert permissions()["level"] == "ok"
    run(roles.warehouse_owner_url, "CREATE SCHEMA raw")
    (of_schema,) = statements(permissions()["next_step"])
    assert of_schema == f'GRANT USAGE, CREATE ON SCHEMA raw TO "{WRITER}";'
    run(roles.warehouse_owner_url, of_schema)
    assert permissions()["level"] == "ok"
    run(roles.warehouse_owner_url, "CREATE TABLE raw.orders (id bigint)")
    (of_table,) = statements(permissions()["next_step"])
    run(roles.warehouse_owner_url, of_table)
    assert permissions()["level"] == "ok"


@pytest.mark.parametrize(
    ("wrong", "check", "says"),
    [
        (
            f"ALTER ROLE \"{READER}\" SET idle_in_transaction_session_timeout = '30s'",
            "idle_in_transaction_session_timeout",
            "idle_in_transaction_session_timeout is 30 s",
        ),
        (
            f"ALTER ROLE \"{READER}\" SET transaction_timeout = '1min'",
            "transaction_timeout",
            "transaction_timeout is 60 s",
        ),
        (
            f'REVOKE pg_read_all_stats FROM "{READER}"',
            "statistics",
            "no member of pg_read_all_stats",
        ),
        (f'ALTER ROLE "{READER}" CONNECTION LIMIT 2', "connections", "of 2 connections in use"),
    ],
)
def test_settings_that_hurt_are_said_with_their_cost_and_the_statement_mends_them(
    roles: Roles, wrong: str, check: str, says: str
) -> None:
    run(roles.owner_url, f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{READER}"', wrong)
    try:

        def found() -> dict[str, Any]:
            return next(
                one
                for one in roles.systems()
                if one["check"] == check and one["where"].startswith("source")
            )

        one = found()
        assert one["level"] == "warning"
        assert says in one["found"]
        assert one["cost"].endswith(".")
        assert one["next_step"]
        given = statements(one["next_step"])
        if given:
            run(roles.owner_url, *given)
            assert found()["level"] == "ok"
    finally:
        run(
            roles.owner_url,
            f'ALTER ROLE "{READER}" RESET ALL',
            f'ALTER ROLE "{READER}" CONNECTION LIMIT -1',
        )


def test_every_wanting_finding_has_a_cost_and_a_next_step(roles: Roles) -> None:
    found = roles.systems("raw/orders", "raw/invoices")
    assert {one["check"] for one in found} >= {
        *("connection", "version", "clock", "connections", "statistics", "permissions", "disk"),
        *("the platform's tables", "idle_in_transaction_session_timeout"),
    }
    for one in found:
        assert one["level"] in _COLOURS
        if one["level"] in ("warning", "error"):
            assert one["cost"], one
            assert one["next_step"], one


def test_a_pooler_is_seen(shop: Shop, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    if PROGRAM is None:
        lacking("pgbouncer", "apt-get install pgbouncer")
    direct = shop.run("doctor", "raw/orders", "--json")
    assert not [one for one in json.loads(direct.stdout)["systems"] if one["check"] == "pooler"]
    with pgbouncer(postgres, tmp_path) as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/cli_small_shop"
        done = shop.run("doctor", "raw/orders", "--json", DATABASE_URL=url)
    (pooler,) = [one for one in json.loads(done.stdout)["systems"] if one["check"] == "pooler"]
    assert pooler["level"] == "warning"
    assert "idle_transaction_timeout" in pooler["next_step"]


def test_a_warehouse_of_an_older_release_is_said_with_migrate(
    shop: Shop, database_url: str
) -> None:
    there = shop.with_environment(WAREHOUSE_URL=database_url)
    assert there.run("migrate").exit_code == 0
    run(database_url, "UPDATE etl.etl_schema SET version = version - 1")
    done = there.run("doctor", "raw/orders")
    assert "Run: etl-assets migrate." in done.stderr
    assert done.exit_code == 0, "the next publication brings them up"
    run(database_url, "UPDATE etl.etl_schema SET version = 999")
    assert there.run("doctor", "raw/orders").exit_code == 1


def test_a_duckdb_file_is_looked_at_from_outside(shop: Shop, tmp_path: Path) -> None:
    done = shop.run("doctor", "raw/orders", "--json")
    found = {
        one["check"]: one
        for one in json.loads(done.stdout)["systems"]
        if one["where"].startswith("warehouse duckdb")
    }
    assert found.keys() == {"permissions", "file", "disk", "turns"}
    assert "free on the disk of" in found["disk"]["found"]
    assert found["file"]["level"] == "ok"
    assert found["turns"]["found"] == "0 processes waiting for it"


@pytest.mark.parametrize("content", [b"x", bytes(20_000), b"SQLite format 3\0" * 100])
def test_a_file_that_is_no_duckdb_file_is_an_error(
    shop: Shop, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "bad.duckdb"
    file.write_bytes(content)
    done = shop.run("doctor", "raw/orders", WAREHOUSE_URL=f"duckdb://{file}")
    assert done.exit_code == 1
    assert f"{file} is damaged, or is no DuckDB file" in " ".join(done.stderr.split())
    file.write_bytes(b"")  # which DuckDB takes for a new one
    assert shop.run("doctor", "raw/orders", WAREHOUSE_URL=f"duckdb://{file}").exit_code == 0


def test_who_waits_for_the_file_is_counted(shop: Shop, tmp_path: Path) -> None:
    queue = tmp_path / "new.duckdb.queue"
    queue.mkdir()
    for name in ("door", "000000000001", "000000000002"):
        (queue / name).touch()
    url = f"duckdb://{tmp_path}/new.duckdb"
    done = shop.run("doctor", "raw/orders", "--json", WAREHOUSE_URL=url)
    assert "2 processes waiting for it" in done.stdout


@pytest.mark.parametrize(
    ("skew", "level"),
    [
        (0.0, Level.OK),
        (1.9, Level.OK),
        (-1.9, Level.OK),
        (2.1, Level.WARNING),
        (-90.0, Level.WARNING),
    ],
)
def test_a_clock_may_be_two_seconds_off(skew: float, level: Level) -> None:
    found = clock_finding("source x", timedelta(seconds=skew))
    assert found.level is level
    if level is Level.WARNING:
        assert ("ahead of" if skew > 0 else "behind") in found.found


def test_room_is_that_of_the_disk_below_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    few = room_finding("this machine", tmp_path / "a" / "b", 1, "It is given up.")
    assert few.level is Level.OK
    much = room_finding("this machine", tmp_path / "a" / "b", 1 << 60, "It is given up.")
    assert much.level is Level.WARNING
    assert LEAST_ROOM < 1 << 60
    assert "Free some space there" in much.told()


def test_a_finding_is_told_in_one_line() -> None:
    one = Finding("source x", "clock", "it is late", Level.WARNING, "It costs.", "Mend it.")
    assert one.told() == "source x: it is late. It costs. Mend it."


def test_the_events_database_of_a_superuser_has_no_complaint(
    shop: Shop, postgres: EmbeddedPostgres
) -> None:
    with psycopg.connect(shop.url) as connection:
        (is_super,) = connection.execute(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone() or (False,)
    assert is_super
    done = shop.run("doctor", "raw/orders", "--json")
    assert [one for one in json.loads(done.stdout)["systems"] if one["level"] == "error"] == []
