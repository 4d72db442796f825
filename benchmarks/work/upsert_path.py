"""Our write paths alone, on a plain table: `task.variant` is `copy` or `core`.

What publication adds to it (staging, partitions, audit columns, state) is in `upsert.py`.
"""

from pathlib import Path

import sqlalchemy as sa

from benchmarks.batches import batches
from benchmarks.task import Task
from etl_assets.config import read_settings
from etl_assets.warehouse.postgres.write_paths import Conflict, Target, upsert_copy, upsert_core

_TYPES = {
    "id": "bigint",
    "customer_id": "bigint",
    "status": "text",
    "total_cents": "bigint",
    "currency": "text",
    "channel": "text",
    "discount_cents": "integer",
    "coupon_code": "text",
    "note": "text",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
}
_NEWER = Conflict(["id"], "updated_at")


def run(task: Task) -> int:
    url = read_settings().warehouse_url or ""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    target = Target("public", "upserted", _TYPES)
    frames = batches(Path(task.url), task.rows)
    with engine.begin() as connection:
        if task.variant == "copy":
            upsert_copy(connection, target, frames, _NEWER)
        else:
            for frame in frames:
                upsert_core(connection, target, frame, _NEWER)
    engine.dispose()
    return task.rows
