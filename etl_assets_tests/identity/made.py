"""Records and decisions for tests, with only what a test is about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from etl_assets.core.identity.decisions import Record, decide
from etl_assets.core.identity.resolve import Options, Resolved, resolve
from etl_assets.core.identity.schemas import DECISIONS_SCHEMA, RECORDS_SCHEMA

START = datetime(2024, 1, 1, tzinfo=UTC)
PHONE = "+491701234567"

Row = dict[str, Any]


def record(key: str, full_name: str | None = None, *, day: int = 0, **columns: Any) -> Row:
    """A record by `system/id`, created so many days after START; what is not said is NULL."""
    system, _, source_id = key.partition("/")
    made = START + timedelta(days=day)
    return {
        "source_system": system,
        "source_id": source_id,
        "full_name": full_name,
        "created_at": made,
        "updated_at": columns.pop("updated_at", made),
        **columns,
    }


def frame(rows: Iterable[Row]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=RECORDS_SCHEMA)


def key(text: str) -> Record:
    system, _, source_id = text.partition("/")
    return system, source_id


def decisions(*said: str) -> pl.DataFrame:
    """`merge shop/1 crm/2`, one after the other, by Ann."""
    rows = [pl.DataFrame(schema=DECISIONS_SCHEMA)]
    for minute, text in enumerate(said):
        what, left, right = text.split()
        at = START + timedelta(minutes=minute)
        rows.append(decide(what, key(left), key(right), by="ann", at=at, reason="a call"))  # type: ignore[arg-type]
    return pl.concat(rows)


def resolved(*rows: Row, said: Iterable[str] = (), options: Options | None = None) -> Resolved:
    return resolve(frame(rows).lazy(), decisions(*said).lazy(), options)


def together(found: Resolved) -> set[frozenset[str]]:
    """The clusters, each as its records `system/id`."""
    shown = pl.concat_str("source_system", "source_id", separator="/")
    groups = found.clusters.group_by("customer_key").agg(shown.alias("members"))["members"]
    return {frozenset(group) for group in groups}


def groups(*texts: str) -> set[frozenset[str]]:
    """What `together` should give: each text has the records of a cluster."""
    return {frozenset(text.split()) for text in texts}


def refusals(found: Resolved) -> set[tuple[str, str]]:
    """The rule and the reason of each edge that joins nothing."""
    refused = found.edges.filter(pl.col("refused_because").is_not_null())
    return set(refused.select("rule", "refused_because").iter_rows())
