"""The source that everything is measured on: its own PostgreSQL, one table as wide as `orders`.

The table is unlogged and lies in a temporary folder that is gone afterwards. What is measured on it
belongs in `work/`.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
from psycopg import sql

from etl_assets.demo.server import EmbeddedPostgres, start_postgres

DATABASE = "bench"
TABLE = "orders"
VIEW = "orders_view"
"""The same rows in a relation whose key nothing makes unique."""
DAY = date(2024, 1, 15)
COLUMNS = (
    "id, customer_id, status, total_cents, currency, channel, discount_cents, coupon_code, note, "
    "created_at, updated_at"
)

CREATE = """
CREATE UNLOGGED TABLE IF NOT EXISTS orders (
    id bigint NOT NULL, customer_id bigint NOT NULL, status text NOT NULL,
    total_cents bigint NOT NULL, currency text NOT NULL, channel text NOT NULL,
    discount_cents integer, coupon_code text, note text,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
) WITH (autovacuum_enabled = false)
"""
INSERT = """
INSERT INTO orders
SELECT i, 1 + i * 7919 % 100000,
    (array['paid', 'shipped', 'delivered', 'cancelled'])[1 + i % 4],
    i * 37 % 100000, 'EUR', (array['web', 'mobile', 'store'])[1 + i % 3],
    CASE WHEN i % 5 = 0 THEN (i % 1000)::integer END,
    CASE WHEN i % 7 = 0 THEN 'SAVE' || i % 100 END,
    CASE WHEN i % 12 = 0 THEN 'ring twice, "the blue door", no. ' || i END,
    placed_at, placed_at + interval '1 hour'
"""
"""Rows of `orders` from numbers `i` and moments `placed_at`, in a FROM that has yet to follow."""
# A prime number of microseconds a row: every row has a moment of its own in the one day, so that
# the naive way, which loses ties, still sees every row.
_ROWS = f"""{INSERT}
FROM generate_series({{first}}::bigint, {{last}}::bigint) AS i,
    LATERAL (SELECT timestamptz '2024-01-15 00:00:00+00'
        + i * 8641 % 86400000000 * interval '1 microsecond' AS placed_at) AS moment
"""
# New versions go elsewhere in the heap: the table is not in the order of its key, as in real life.
_CHANGES = """
UPDATE orders SET status = 'delivered', updated_at = created_at + interval '2 days'
WHERE id BETWEEN {first} AND {last} AND id % 20 = 0
"""
# As the shop has them; the naive way needs the second.
_INDEXES = (
    "CREATE INDEX orders_created ON orders (created_at)",
    "CREATE INDEX orders_updated ON orders (updated_at, id)",
    "ALTER TABLE orders ADD PRIMARY KEY (id)",
    f"CREATE OR REPLACE VIEW {VIEW} AS SELECT * FROM orders",
)


@dataclass
class Source:
    """The running server, a database of it, and how many rows the table there has now."""

    server: EmbeddedPostgres
    rows: int = 0
    database: str = DATABASE

    @property
    def url(self) -> str:
        """The libpq URL of the database."""
        return self.server.url(self.database)

    def fill(self, rows: int, *, indexed: bool) -> None:
        """Bring the table to `rows` rows, all of the one day, 5 % of them changed since.

        Without `indexed` an earlier call's indexes go, which makes growing the table quick. A
        smaller table is made anew.
        """
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(CREATE)
            if rows < self.rows:
                connection.execute("TRUNCATE orders")
                self.rows = 0
            connection.execute("DROP INDEX IF EXISTS orders_created, orders_updated")
            connection.execute("ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_pkey")
            for statement in (_ROWS, _CHANGES):
                connection.execute(
                    sql.SQL(statement).format(
                        first=sql.Literal(self.rows + 1), last=sql.Literal(rows)
                    )
                )
            for index in _INDEXES if indexed else ():
                connection.execute(sql.SQL(index))
            connection.execute("VACUUM (ANALYZE) orders")
        self.rows = rows


@contextmanager
def bench_source() -> Iterator[tuple[Source, Path]]:
    """A source without rows and a folder for files; afterwards server and folder are gone."""
    folder = Path(tempfile.mkdtemp(prefix="etl-bench-"))
    try:
        server = start_postgres(folder / "postgres")
        try:
            server.ensure_database(DATABASE)
            yield Source(server), folder
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
