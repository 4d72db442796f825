"""Random histories of sources that prune, against a model in plain Python (R4, C7, C8).

Rows are written, changed behind the cursor's back, moved, deleted, pruned by the day and brought
back; in between days are loaded, and the table is synced and reconciled, in any order. After each
step the warehouse must hold exactly what the model says. `PRUNED=200 SEED=7` runs more of them.
"""

import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from etl_assets.core.partitions import Window
from etl_assets.core.policies import Deletes
from etl_assets_tests.amounts import cases
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import Road, cased
from etl_assets_tests.faults.test_closed_days import KEPT, OLD, TODAY, YOUNG, load_again
from etl_assets_tests.faults.test_kept_rows import CREATE
from etl_assets_tests.source_tables import UTC_MOMENT

HISTORIES = cases(7, 20, "PRUNED")
SEED = int(os.environ.get("SEED", "5"))
STEPS, IDS = 14, 9
DAYS = [*OLD, *YOUNG]
RULES: dict[str, dict[str, Any]] = {
    "remove": {"deletes": Deletes.REMOVE},
    "tombstone": {"deletes": Deletes.TOMBSTONE},
    "keep": {"deletes": Deletes.KEEP},
    "mark": {"deletes": Deletes.KEEP, "kept_column": "gone_at"},
    "close": {"deletes": Deletes.KEEP, "keep_before": KEPT},
    "close and mark": {"deletes": Deletes.KEEP, "keep_before": KEPT, "kept_column": "gone_at"},
}
# On other warehouses than DuckDB all of it is for the soak.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


@dataclass(frozen=True)
class Row:
    """A row of the model; `is_gone` says whether it is marked where it is published."""

    day: date
    v: str
    cursor: datetime
    is_gone: bool = False


@dataclass
class Model:
    """What the source has, what must be published, and which rows the next sync reads."""

    rule: str
    source: dict[int, Row] = field(default_factory=dict)
    published: dict[int, Row] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)
    is_synced: bool = False
    loaded: set[date] = field(default_factory=set)

    @property
    def marks(self) -> bool:
        return "mark" in self.rule

    def is_closed(self, day: date) -> bool:
        return self.rule.startswith("close") and day in OLD

    def keeps(self, day: date) -> bool:
        return self.rule in {"keep", "mark"} or self.is_closed(day)

    def load(self, days: Iterable[date]) -> None:
        """Each day is what the source has of it, and what is gone from the source where it stays.

        A row that is published elsewhere with a later cursor stays there (C8).
        """
        days = {day for day in days if not (self.is_closed(day) and day in self.loaded)}
        before = dict(self.published)
        for key, row in before.items():
            if row.day in days:
                del self.published[key]
                if key not in self.source and self.keeps(row.day):
                    self.published[key] = replace(row, is_gone=self.marks)
        for key, row in self.source.items():
            elsewhere = self.published.get(key)
            if row.day in days and (elsewhere is None or row.cursor >= elsewhere.cursor):
                self.published[key] = row
        self.loaded |= days

    def sync(self) -> None:
        """Every row that the position has not passed is as the source has it.

        Where there is none, the position stays: what comes back with a later cursor is read.
        """
        there = (self.unread if self.is_synced else set(self.source)) & self.source.keys()
        for key in there:
            self.publish(key)
        if there:
            self.unread, self.is_synced = set(), True

    def reconcile(self) -> None:
        """All else is as well, and what is gone leaves, or stays and says so."""
        pending = self.unread & self.source.keys() if self.is_synced else set()
        for key, row in self.source.items():
            there = self.published.get(key)
            is_compared = not self.is_closed(row.day) or (
                there is not None and not self.is_closed(there.day)
            )
            if key not in pending and is_compared:
                self.publish(key)
        for key, row in list(self.published.items()):
            if key in self.source or self.is_closed(row.day):
                continue
            if self.keeps(row.day):
                self.published[key] = replace(row, is_gone=self.marks)
            else:
                del self.published[key]

    def publish(self, key: int) -> None:
        self.published[key] = self.source[key]
        self.loaded.add(self.source[key].day)


@dataclass
class History:
    """A table that all of it happens to, and the model of it."""

    road: Road
    model: Model
    chance: random.Random
    told: list[str] = field(default_factory=list)

    def run(self, steps: int) -> None:
        """So many steps, then a sync and a reconciliation, each of them checked."""
        usual: list[Callable[[], str]] = [
            *[self.write] * 4,
            self.delete,
            self.prune,
            self.bring_back,
            *[self.load] * 2,
            *[self.sync] * 2,
            *[self.reconcile] * 2,
        ]
        for _ in range(IDS // 2):
            self.write()
        for step in [*(self.chance.choice(usual) for _ in range(steps)), self.sync, self.reconcile]:
            self.told.append(step())
            assert published(self.road, self.model.marks) == self.model.published, self.told
        assert self.road.reconcile(repair=False, confirmed=True).is_equal, self.told

    def write(self, *, key: int | None = None) -> str:
        """A row is put in or changed; loud as applications do it, or with an old cursor."""
        key = self.chance.randint(1, IDS) if key is None else key
        day, v = self.chance.choice(DAYS), f"v{self.chance.randint(1, 3)}"
        is_loud = self.chance.random() < 0.5
        stamp = "clock_timestamp()" if is_loud else "'2024-01-01Z'"
        there = self.model.source.get(key)
        if there and not is_loud:
            stamp = "things.updated_at"
        if there and self.chance.random() < 0.6:
            day = there.day
        ((cursor,),) = self.road.sql(
            f"INSERT INTO things VALUES ({key}, '{v}', '{day} 05:00Z', "
            f"{'clock_timestamp()' if is_loud else repr('2024-01-01Z')}) "
            f"ON CONFLICT (id) DO UPDATE SET (v, created_at, updated_at) = "
            f"(excluded.v, excluded.created_at, {stamp}) RETURNING updated_at"
        )
        self.model.source[key] = Row(day, v, cursor)
        if is_loud:
            self.model.unread.add(key)
        elif there is None:
            self.model.unread.discard(key)
        return f"write {key} on {day}, {'loud' if is_loud else 'silent'}"

    def delete(self) -> str:
        if not self.model.source:
            return "nothing to delete"
        key = self.chance.choice(sorted(self.model.source))
        self.road.sql(f"DELETE FROM things WHERE id = {key}")
        del self.model.source[key]
        return f"delete {key}"

    def prune(self) -> str:
        """A whole day goes, as a partition that is detached."""
        day = self.chance.choice(DAYS)
        self.road.sql(f"DELETE FROM things WHERE created_at::date = '{day}'")
        self.model.source = {k: row for k, row in self.model.source.items() if row.day != day}
        return f"prune {day}"

    def bring_back(self) -> str:
        """Rows that are published and gone come back as they were, with their old cursors."""
        for key, row in self.model.published.items():
            if key not in self.model.source:
                self.road.sql(
                    f"INSERT INTO things VALUES ({key}, '{row.v}', '{row.day} 05:00Z', "
                    f"'{row.cursor.isoformat()}')"
                )
                self.model.source[key] = replace(row, is_gone=False)
                # Where the position has passed the cursor no sync reads it.
        return "bring back"

    def load(self) -> str:
        days = sorted(self.chance.sample(DAYS, self.chance.randint(1, 3)))
        load_again(self.road, days)
        self.model.load(days)
        return f"load {', '.join(map(str, days))}"

    def sync(self) -> str:
        time.sleep(0.005)  # longer than the margin of the horizon
        self.road.sync()
        self.model.sync()
        return "sync"

    def reconcile(self) -> str:
        time.sleep(0.005)
        self.road.reconcile(confirmed=True)
        self.model.reconcile()
        return "reconcile"


def published(road: Road, marks: bool) -> dict[int, Row]:
    """What the warehouse holds, in the form of the model; fails where a key is there twice."""
    window = Window(DAYS[0], TODAY)
    frame = road.warehouse.read(road.table, [window], road._folder()).frames[0].collect()
    assert frame["id"].is_unique().all(), frame
    counted = dict(
        frame.group_by(pl.col("created_at").dt.date()).len().iter_rows()  # state says the same
    )
    states = {s.partition_key: s.row_count for s in road.warehouse.state(road.table) if s.row_count}
    assert states == counted
    return {
        row["id"]: Row(
            row["created_at"].date(),
            row["v"],
            row["updated_at"],
            marks and row["gone_at"] is not None,
        )
        for row in frame.to_dicts()
    }


def run_history(pave: Paved, rule: str, seed: int) -> None:
    columns = {"id": pl.Int64, "v": pl.String}
    if "mark" in rule:
        columns["gone_at"] = UTC_MOMENT
    table = cased(columns, {"id": {"nullable": False}}, **RULES[rule])
    road = pave(replace(table, name=f"things_{seed}"), "DROP TABLE IF EXISTS things", CREATE)
    # A name of its own in the warehouse, which is one for all histories of a test.
    History(road, Model(rule), random.Random(seed)).run(STEPS)


@pytest.mark.thorough_but("duckdb-mark", "duckdb-tombstone")
@pytest.mark.random
@pytest.mark.parametrize("rule", RULES)
def test_r4_any_history_of_a_source_that_prunes_is_what_the_model_says(
    pave: Paved, rule: str
) -> None:
    run_history(pave, rule, SEED)


@pytest.mark.soak
@pytest.mark.parametrize("rule", RULES)
def test_r4_many_histories_of_sources_that_prune(pave: Paved, rule: str) -> None:
    for seed in range(SEED + 1, SEED + 1 + HISTORIES):
        run_history(pave, rule, seed)
