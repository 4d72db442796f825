"""What may happen to tables between two looks at them: a state machine that writers and runs share.

A history is a sequence of these rules that hypothesis picks. At its end every transaction is over,
one sync and one reconciliation have run, and the warehouse must be the source, row for row: what is
published, and what is set aside. Which rows these are is computed by SQL of its own (`shapes.py`).
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from etl_assets.core.errors import StalePublication
from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import Deletes
from etl_assets.pipeline.publish import publish_days
from etl_assets_tests.sync.dying import Killed, dying
from etl_assets_tests.sync.shapes import BAD, Row
from etl_assets_tests.sync.shelf import FIRST_DAY
from etl_assets_tests.sync.writers import DAYS, Side, Writers


class World(Writers):
    """Syncs, loads and reconciliations of the tables that writers change meanwhile."""

    # Runs

    @rule()
    def sync(self) -> None:
        """Which leaves days that wait as they were, unless it loads them whole (R2)."""
        before, waiting = self.rows_by_day(), self.waiting()
        with self.deleted_rows_are_kept():
            self.shelf.sync()
        after = self.rows_by_day()
        for day in waiting & self.waiting():
            assert after[day] == before[day], f"{day} waits, and was published in part"

    @rule(after=st.integers(0, 2), committed=st.booleans())
    def sync_that_is_killed(self, after: int, committed: bool) -> None:
        """Dead before or after the commit of its n-th publication."""
        with dying(self.shelf, after, committed=committed), suppress(Killed):
            self.shelf.sync()

    @rule(first=DAYS, days=st.integers(1, 2))
    def load_days(self, first: int, days: int) -> None:
        """A backfill reads some days; when it publishes them is another rule."""
        chosen = [FIRST_DAY + timedelta(days=first + n) for n in range(days)]
        self.side.loaded = self.shelf.load(*(chosen if self.shape.has_days else [WHOLE]))

    @precondition(lambda self: self.side.loaded)
    @rule()
    def publish_loaded_days(self) -> None:
        """However old they are by now."""
        loaded, self.side.loaded = self.side.loaded, []
        with suppress(StalePublication):
            good = [day for day in loaded if day.is_good]
            publish_days(self.shelf.warehouse, self.shelf.table, good, "load")

    @rule(repair=st.booleans())
    def reconcile(self, repair: bool) -> None:
        with self.deleted_rows_are_kept():
            self.shelf.reconcile(repair=repair)

    # The end

    def teardown(self) -> None:
        try:
            for side in self.each():
                for slot in list(side.open):
                    self.end(slot, "commit")
                while side.prepared:
                    self.end_prepared("COMMIT")
            for side in self.each():
                self.drain(side)
        finally:
            for side in self.sides:
                for connection in side.open.values():
                    connection.close()
                for name in side.prepared:
                    side.shelf.sql(f"ROLLBACK PREPARED '{name}'")

    def drain(self, side: Side) -> None:
        """Sync, and where no change went behind the cursor's back, that must have been enough."""
        shelf = side.shelf
        time.sleep(0.103)  # longer than any writer's clock is ahead, and than the source's margin
        self.sync()
        if not side.is_silent and not side.pending_silent:
            self.check("the sync alone has lost or doubled rows")
        self.reconcile(repair=True)
        self.check("reconciliation has left a difference")
        self.check_state()
        self.mend()
        assert shelf.reconcile(repair=False).is_equal
        assert not any(chunk.outcome.days for chunk in shelf.sync()), "nothing was left to do"

    def mend(self) -> None:
        """Days that are refused still pass once their rows are good, or gone."""
        if not self.waiting():
            return
        self.write(f"UPDATE {self.table} SET v = 'mended' WHERE v = '{BAD}'")
        self.shelf.sql(self.shape.delete_bad_rows())
        time.sleep(0.003)
        self.shelf.sync()
        self.shelf.reconcile()
        assert not self.waiting(), "a day waits although nothing is wrong with it"
        self.check("a refused day was not made up for")

    def check(self, complaint: str) -> None:
        """Of every day that need not wait: its rows and its quarantine are the source's."""
        wanted, aside = self.shape.wanted(self.shelf), self.shape.set_aside(self.shelf)
        published = self.shelf.published()
        waiting = self.must_wait(published, wanted, aside)
        assert self.waiting() == waiting, "not the days that a check refuses wait"
        there = [row for row in published if self.shape.day(row) not in waiting]
        due = [row for row in wanted if self.shape.day(row) not in waiting]
        missing = [row for row in due if row not in there]
        extra = [row for row in there if row not in due]
        if self.shape.deletes is Deletes.KEEP:
            extra = [row for row in extra if self.shape.key(row) in self.in_source()]
        assert not missing + extra, f"{complaint}: {missing=} {extra=}, {self.shelf.last}"
        recorded = self.shelf.warehouse.quarantined(self.shelf.table)
        found = Counter(
            (day, self.shape.key_in(payload))
            for day, payload in recorded.select("partition_key", "payload").iter_rows()
            if day not in waiting
        )
        assert found == Counter(row for row in aside if row[0] not in waiting), complaint
        keys = Counter(self.shape.key(row) for row in published)
        assert all(count == 1 for count in keys.values()), "a key is there twice"

    @contextmanager
    def deleted_rows_are_kept(self) -> Iterator[None]:
        """That of rows whose keys the source deleted none is lost: published or a tombstone.

        Of the days that are loaded whole meanwhile nothing is said: they are what the source has.
        """
        policy, shelf = self.shape.deletes, self.shelf
        before = shelf.published() if policy is not Deletes.REMOVE else []
        loads = {s.partition_key: s.load_id for s in shelf.warehouse.state(shelf.table)}
        yield
        if policy is Deletes.REMOVE:
            return
        there = {self.shape.key(row) for row in shelf.published()} | self.in_source()
        gone = [row for row in before if self.shape.key(row) not in there]
        if policy is Deletes.KEEP:
            whole = self.loaded_whole(loads)
            lost = [row for row in gone if self.shape.day(row) not in whole]
            assert not lost, f"rows that the source deleted are kept no longer: {lost=}"
            return
        payloads = shelf.warehouse.tombstones(shelf.table)["payload"]
        stones = {self.shape.key_in(payload) for payload in payloads}
        whole = self.loaded_whole(loads)
        lost = [row for row in gone if self.shape.day(row) not in whole]
        assert {self.shape.key(row) for row in lost} <= stones, f"no tombstone: {lost=} {stones=}"

    def loaded_whole(self, before: Mapping[date, str]) -> set[date]:
        """The days that were replaced since they had these loads: their run is a reload."""
        return {
            state.partition_key
            for state in self.shelf.warehouse.state(self.shelf.table)
            if state.load_id != before.get(state.partition_key) and state.run_id == "reload"
        }

    def in_source(self) -> set[Row]:
        """The keys that the source has."""
        return self.shape.keys(self.shelf)

    def must_wait(
        self, published: Sequence[Row], wanted: Sequence[Row], aside: Sequence[tuple[date, Row]]
    ) -> set[date]:
        """The days that a check refuses, and those where a row must stay that has left for one."""
        waiting = self.shape.refused_days(wanted, aside)
        now = [(self.shape.day(row), self.shape.key(row)) for row in wanted] + [*aside]
        more = waiting
        while more:
            gone = {key for day, key in now if day in more} - {
                key for day, key in now if day not in more
            }
            stays = {self.shape.day(row) for row in published if self.shape.key(row) in gone}
            more = stays - waiting
            waiting = waiting | more
        return waiting

    def rows_by_day(self) -> dict[date, list[Row]]:
        """What is published, by the part that it stands in."""
        found = defaultdict(list)
        for row in self.shelf.published():
            found[self.shape.day(row)].append(row)
        return found

    def waiting(self) -> set[date]:
        """The days that must be loaded whole."""
        state = self.shelf.warehouse.table_state(self.shelf.table)
        return set(state.reload_reasons) if state else set()

    def check_state(self) -> None:
        """State tells what is there; every version that is published is kept."""
        shelf = self.shelf
        rows = shelf.published()
        counted = Counter(self.shape.day(row) for row in rows)
        told = {s.partition_key: s.row_count for s in shelf.warehouse.state(shelf.table)}
        assert {day: n for day, n in told.items() if n} == dict(counted)
        if shelf.table.versions is None:
            return
        kept = shelf.published(shelf.table.versions)
        pairs = {(self.shape.key(row), self.shape.version(row)) for row in kept}
        assert len(pairs) == len(kept), "a version is there twice"
        now = {(self.shape.key(row), self.shape.version(row)) for row in rows}
        assert {pair for pair in now if pair[1]} <= pairs, "a version is missing"
