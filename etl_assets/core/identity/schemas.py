"""The frames of identity resolution: what goes in, what comes out, and what people decide."""

import polars as pl

_MOMENT = pl.Datetime("us", "UTC")

RECORDS_SCHEMA = pl.Schema(
    {
        "source_system": pl.String(),
        "source_id": pl.String(),
        "full_name": pl.String(),
        "email": pl.String(),
        "phone": pl.String(),
        "country": pl.String(),
        "segment": pl.String(),
        "is_subscribed": pl.Boolean(),
        "shop_customer_id": pl.Int64(),
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
    }
)
"""The records to resolve, one row for each (source_system, source_id). `email` is trimmed and in
lower case, `phone` is E.164. A rule of a user may name further columns."""

DECISIONS_SCHEMA = pl.Schema(
    {
        "left_system": pl.String(),
        "left_id": pl.String(),
        "right_system": pl.String(),
        "right_id": pl.String(),
        "decision": pl.String(),
        "decided_by": pl.String(),
        "decided_at": _MOMENT,
        "reason": pl.String(),
    }
)
"""A log of what people decided of two records: `decision` is `merge` or `unmerge`."""

EDGES_SCHEMA = pl.Schema(
    {
        "left_system": pl.String(),
        "left_id": pl.String(),
        "right_system": pl.String(),
        "right_id": pl.String(),
        "rule": pl.String(),
        "evidence": pl.String(),
        "weight": pl.Float64(),
        "refused_because": pl.String(),
    }
)
"""What speaks for two records being one customer; `left` is the older of the two. `evidence` has
personal values masked. An edge with `refused_because` joins nothing, and says why."""

CLUSTERS_SCHEMA = pl.Schema(
    {
        "source_system": pl.String(),
        "source_id": pl.String(),
        "customer_key": pl.Int64(),
        "anchor_system": pl.String(),
        "anchor_id": pl.String(),
        "records": pl.Int64(),
    }
)
"""Each record with the key of its customer, the oldest record of the customer (the anchor, which
the key is made of), and how many records the customer has."""

PROVENANCE_SCHEMA = pl.Schema(
    {
        "customer_key": pl.Int64(),
        "column": pl.String(),
        "source_system": pl.String(),
        "source_id": pl.String(),
        "why": pl.String(),
    }
)
"""Which record each cell of a golden record is from. `why` is `only value`, `precedence` (its
system comes first) or `newest` (of the records of the first system that has a value)."""

OVER_MERGED_SCHEMA = pl.Schema(
    {
        "customer_key": pl.Int64(),
        "reason": pl.String(),
        "detail": pl.String(),
        "records": pl.Int64(),
        "is_held_apart": pl.Boolean(),
    }
)
"""Clusters that may be more than one customer. `customer_key` is that of the whole cluster; if
`is_held_apart`, it was cut, and this key is now that of the part with the oldest record."""
