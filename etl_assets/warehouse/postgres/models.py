"""The platform's own tables in the warehouse, as SQLAlchemy models: schema `etl`.

Published tables are made from contracts (`schema.py`) and have no model. The models say what the
newest migration leaves behind; a test holds the two against each other.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from etl_assets.warehouse.base import SYSTEM_DATASET

STAGING_SCHEMA = "etl_staging"
STATUSES = ("pending", "processed", "failed")


class Base(DeclarativeBase):
    """All tables are in the schema of the platform; moments are always with their zone."""

    metadata = sa.MetaData(
        schema=SYSTEM_DATASET,
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        },
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        datetime: sa.DateTime(timezone=True),
        str: sa.Text(),
        Decimal: sa.Numeric(18, 2),
        dict[str, Any]: JSON(),
        list[str]: ARRAY(sa.Text()),
    }


class EtlState(Base):
    """One published partition, or a whole table; the columns are `PartitionState`'s."""

    __tablename__ = "etl_state"

    table_name: Mapped[str] = mapped_column(primary_key=True)
    partition_key: Mapped[date] = mapped_column(primary_key=True)
    high_watermark: Mapped[datetime | None]
    watermark_key: Mapped[str | None]
    row_count: Mapped[int] = mapped_column(sa.BigInteger)
    source_count: Mapped[int | None] = mapped_column(sa.BigInteger)
    quarantined_count: Mapped[int] = mapped_column(sa.BigInteger)
    checks_passed: Mapped[int]
    checks_failed: Mapped[int]
    as_of: Mapped[datetime]
    load_id: Mapped[str]
    run_id: Mapped[str]
    seconds: Mapped[float] = mapped_column(sa.Double)
    verified_through: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    made_of: Mapped[str | None]


class EtlQuarantine(Base):
    """One rejected row; the columns are `QUARANTINE_SCHEMA`'s."""

    __tablename__ = "etl_quarantine"
    # A publication replaces the quarantine of its days.
    __table_args__ = (sa.Index(None, "table_name", "partition_key"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    table_name: Mapped[str]
    partition_key: Mapped[date]
    rule: Mapped[str]
    source_position: Mapped[str]
    payload: Mapped[str]
    run_id: Mapped[str]
    quarantined_at: Mapped[datetime]


class EtlTombstone(Base):
    """A row that the source deleted; the columns are `TOMBSTONE_SCHEMA`'s."""

    __tablename__ = "etl_tombstones"
    __table_args__ = (sa.Index(None, "table_name", "partition_key"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    table_name: Mapped[str]
    partition_key: Mapped[date]
    row_key: Mapped[str]
    payload: Mapped[str]
    run_id: Mapped[str]
    found_at: Mapped[datetime]


class EtlHistory(Base):
    """Something that happened to a table; the columns are `HistoryEntry`'s."""

    __tablename__ = "etl_history"
    # What is asked for is the newest of a table and a kind.
    __table_args__ = (sa.Index(None, "table_name", "kind", "at"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    table_name: Mapped[str]
    kind: Mapped[str]
    at: Mapped[datetime]
    run_id: Mapped[str]
    payload: Mapped[str]


class EtlAppend(Base):
    """Rows that were appended to a day, by a digest of them: the same ones are added once."""

    __tablename__ = "etl_appends"

    table_name: Mapped[str] = mapped_column(primary_key=True)
    partition_key: Mapped[date] = mapped_column(primary_key=True)
    content: Mapped[str] = mapped_column(primary_key=True)
    row_count: Mapped[int] = mapped_column(sa.BigInteger)
    run_id: Mapped[str]
    appended_at: Mapped[datetime]


class StagingEvent(Base):
    """An event as it arrived, from an API, a file or a webhook; landing it twice lands it once."""

    __tablename__ = "staging_events"
    __table_args__ = (
        sa.UniqueConstraint("source", "event_id"),
        sa.CheckConstraint(
            f"processing_status IN ({', '.join(map(repr, STATUSES))})", name="processing_status"
        ),
        # The transform asks for the oldest unprocessed ones: an index of those alone stays small.
        sa.Index(
            "staging_events_pending_idx",
            "ingested_at",
            "id",
            postgresql_where=sa.text("processing_status = 'pending'"),
        ),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    event_id: Mapped[str]
    payload: Mapped[dict[str, Any]]
    source: Mapped[str]
    ingested_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    processing_status: Mapped[str] = mapped_column(server_default="pending")


class Event(Base):
    """An event, normalised and typed; `event_id` is what an upsert goes by."""

    __tablename__ = "events"
    __table_args__ = (
        sa.UniqueConstraint("event_id"),
        # A user's history, and a span of time; rows arrive about in time's order, so BRIN will do.
        sa.Index(None, "user_id", "occurred_at"),
        sa.Index("events_occurred_at_idx", "occurred_at", postgresql_using="brin"),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    event_id: Mapped[str]
    event_type: Mapped[str]
    occurred_at: Mapped[datetime]
    user_id: Mapped[str | None]
    session_id: Mapped[str | None]
    product_id: Mapped[str | None]
    page_url: Mapped[str | None]
    quantity: Mapped[int | None]
    amount: Mapped[Decimal | None]
    currency: Mapped[str | None]
    attributes: Mapped[dict[str, Any] | None]
    quality_tags: Mapped[list[str] | None]
    source: Mapped[str]
    ingested_at: Mapped[datetime]
    processed_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
