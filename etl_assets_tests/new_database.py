"""A database for one test, on a server that the tests share: empty, or a copy of another one.

It copies files where PostgreSQL would by default log each page: a third of the work, as the server
of the tests syncs nothing to disk. The servers themselves are `conftest.py`'s.
"""

import uuid
from functools import cache

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.postgres.connection import postgres_url

_DAGSTER = "template_of_dagster"


def empty_database(server: EmbeddedPostgres, prefix: str, template: str = "template1") -> str:
    """The URL of a new database, named with the prefix, that is empty or a copy of `template`.

    Nobody may be connected to the template meanwhile.
    """
    name = f"{prefix}_{uuid.uuid4().hex[:12]}"
    _create(server.url("postgres"), name, template)
    return server.url(name)


@cache
def dagster_database(url: str, home: str) -> str:
    """A database for Dagster's own runs and events with the data folder `home`, on `url`'s server.

    Without one a command starts a server of its own in the folder, and makes Dagster's tables.
    """
    _make_template(_beside(url, "postgres"), _beside(url, _DAGSTER))
    name = f"dagster_{uuid.uuid4().hex[:12]}"
    _create(_beside(url, "postgres"), name, _DAGSTER)
    return _beside(url, name)


@cache
def _make_template(admin: str, template: str) -> None:
    from dagster_postgres import DagsterPostgresStorage

    _create(admin, _DAGSTER, "template1")
    url = postgres_url(template, driver="psycopg2", setting="DAGSTER_POSTGRES_URL")
    DagsterPostgresStorage(url.render_as_string(hide_password=False))  # makes them, and lets go


def _create(admin: str, name: str, template: str) -> None:
    made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(made)


def _beside(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)
