"""pandas' `to_sql` into PostgreSQL, `task.variant` its method: appends, for it cannot upsert."""

from pathlib import Path

import pandas as pd  # noqa: F401 - polars imports it when it converts, and imports are not timed
import sqlalchemy as sa

from benchmarks.batches import batches
from benchmarks.task import Task
from etl_assets.config import read_settings

MULTI_ROWS = 1000  # a statement of 11,000 parameters; PostgreSQL takes 65,535


def run(task: Task) -> int:
    url = read_settings().warehouse_url or ""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    appended = 0
    with engine.begin() as connection:
        for frame in batches(Path(task.url), task.rows):
            frame.to_pandas().to_sql(
                "appended",
                connection,
                if_exists="append",
                index=False,
                method=task.variant or None,
                chunksize=MULTI_ROWS if task.variant else None,
            )
            appended += frame.height
    engine.dispose()
    return appended
