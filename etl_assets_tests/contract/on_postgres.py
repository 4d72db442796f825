"""The suite on PostgreSQL: a fresh database of the tests' server for every warehouse."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from etl_assets.core.table import LayerTable
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.contract.backends import Backend, Rows
from etl_assets_tests.new_database import empty_database


def _settings(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    server: EmbeddedPostgres = request.getfixturevalue("postgres")
    return {"warehouse_url": empty_database(server, "warehouse"), "warehouse_wait_seconds": 30}


def _connect(folder: Path) -> psycopg.Connection:
    url = json.loads((folder / "warehouse.json").read_text())["warehouse_url"]
    return psycopg.connect(url, autocommit=True)


def _rows(folder: Path, dataset: str, table: str, columns: Sequence[str]) -> Rows:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
        names, sql.Identifier(dataset, table), names
    )
    with _connect(folder) as connection:
        return connection.execute(query).fetchall()


def _descriptions(folder: Path, table: LayerTable) -> dict[str, str]:
    relation = sql.Identifier(str(table.layer), table.name).as_string()
    with _connect(folder) as connection:
        return dict(
            connection.execute(
                "SELECT coalesce(a.attname, ''), d.description FROM pg_description d "
                "LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid "
                "AND a.attnum > 0 WHERE d.objoid = %s::regclass",
                [relation],
            ).fetchall()
        )


def _run(folder: Path, statement: str) -> None:
    with _connect(folder) as connection:
        connection.execute(statement.encode())


def _clean(folder: Path) -> None:
    url = make_url(json.loads((folder / "warehouse.json").read_text())["warehouse_url"])
    server = url.set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        name = sql.Identifier(str(url.database))
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


POSTGRES = Backend("postgres", _settings, _rows, _descriptions, _run, _clean)
