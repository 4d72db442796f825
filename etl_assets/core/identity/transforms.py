"""The frames of a resolution as transforms: each is ready to be the `enrich` of an EnrichedSpec.

The spec names its inputs `records` (RECORDS_SCHEMA) and `decisions` (DECISIONS_SCHEMA). Whoever has
rules or checks of their own writes the same three lines with their own `Options`.
"""

import polars as pl

from etl_assets.core.identity.resolve import resolve


def edges(records: pl.LazyFrame, decisions: pl.LazyFrame) -> pl.LazyFrame:
    """EDGES_SCHEMA; the key is all of left, right and rule."""
    return resolve(records, decisions).edges.lazy()


def clusters(records: pl.LazyFrame, decisions: pl.LazyFrame) -> pl.LazyFrame:
    """CLUSTERS_SCHEMA; the key is (source_system, source_id)."""
    return resolve(records, decisions).clusters.lazy()


def golden(records: pl.LazyFrame, decisions: pl.LazyFrame) -> pl.LazyFrame:
    """The golden records of `golden.py`; the key is `customer_key`."""
    return resolve(records, decisions).golden.lazy()


def provenance(records: pl.LazyFrame, decisions: pl.LazyFrame) -> pl.LazyFrame:
    """PROVENANCE_SCHEMA; the key is (customer_key, column)."""
    return resolve(records, decisions).provenance.lazy()


def over_merged(records: pl.LazyFrame, decisions: pl.LazyFrame) -> pl.LazyFrame:
    """OVER_MERGED_SCHEMA; the key is (customer_key, reason)."""
    return resolve(records, decisions).over_merged.lazy()
