"""Identity as it is published: its frames, what a decision would change, and where it is kept.

How records are resolved is `core/identity/`. A decision is an object of `raw/identity_decisions`,
put once and never changed; it counts once the tables of identity are made again.
"""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from etl_assets.core.errors import UpstreamMissing
from etl_assets.core.identity.deciding import Outcome, outcome
from etl_assets.core.identity.decisions import Record, decide
from etl_assets.core.identity.explain import Explanation, explain
from etl_assets.core.identity.resolve import Resolved
from etl_assets.core.identity.schemas import DECISIONS_SCHEMA
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.pipeline.platform import Platform
from etl_assets.sources.files.declared import files_of

RECORDS, LOG = "enriched/customer_records", "staged/identity_decisions"
RAW_LOG = "raw/identity_decisions"
TABLES = (
    "enriched/customer_edges",
    "enriched/customers",
    "enriched/golden_customers",
    "enriched/customer_provenance",
    "enriched/customer_over_merges",
)
"""The tables of identity, in the order of the fields of `Resolved`."""


@dataclass(frozen=True)
class Identity:
    """The published identity of a platform; `folder` of the spool takes what is read."""

    platform: Platform
    folder: Path

    def explain(self, who: int | Record) -> Explanation:
        """Why a customer's records are one; raises UnknownCustomer and UpstreamMissing."""
        return explain(who, self._resolved(), self._read(LOG))

    def decide(
        self,
        decision: Literal["merge", "unmerge"],
        left: Record,
        right: Record,
        by: str,
        reason: str,
    ) -> tuple[pl.DataFrame, Outcome]:
        """The decision, and what it would change; nothing is kept.

        Raises UnknownCustomer for a record that is not there, and UpstreamMissing.
        """
        new = decide(decision, left, right, by=by, at=datetime.now(UTC), reason=reason)
        log = self._read(LOG).select(DECISIONS_SCHEMA.names())
        return new, outcome(self._read(RECORDS).lazy(), log.lazy(), new)

    def keep(self, decision: pl.DataFrame) -> str:
        """Put the decision where `raw/identity_decisions` is read from; the object's key."""
        table = self.platform.catalog.table(RAW_LOG)
        (row,) = decision.to_dicts()
        row["decided_at"] = row["decided_at"].isoformat()
        moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
        begins, _, ends = files_of(table).pattern.partition("*")
        key = f"{begins}{moment}_{row['decision']}_{uuid.uuid4().hex[:12]}{ends}"
        line = json.dumps(row, ensure_ascii=False) + "\n"
        self.platform.sources.writable_store(table).put(key, line.encode())
        return key

    def _resolved(self) -> Resolved:
        return Resolved(*(self._read(path) for path in TABLES))

    def _read(self, path: str) -> pl.DataFrame:
        """All published rows of a table without days."""
        table = self.platform.catalog.table(path)
        if not self.platform.warehouse.seen.state(table):
            raise UpstreamMissing(
                f"{path} is not published, and identity is told from it.",
                f"Make it first: etl-assets backfill {RAW_LOG} {LOG}, then etl-assets derive.",
            )
        place = self.folder / uuid.uuid4().hex
        windows = [Window.of(WHOLE)]
        return self.platform.warehouse.seen.read(table, windows, place).frames[0].collect()
