"""A database for one test, on the embedded server that the tests share.

It copies files where PostgreSQL would by default log each page: a third of the work, as the server
of the tests syncs nothing to disk.
"""

import uuid

import psycopg
from psycopg import sql

from etl_assets.demo.server import EmbeddedPostgres


def empty_database(server: EmbeddedPostgres, prefix: str, template: str = "template1") -> str:
    """The URL of a new database, named with the prefix, that is empty or a copy of `template`.

    Nobody may be connected to the template meanwhile.
    """
    name = f"{prefix}_{uuid.uuid4().hex[:12]}"
    made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(made)
    return server.url(name)
