"""The events system: where events land, and where they are once they are normalised.

It only adds tables; see `0001_platform.py`.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSON

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add `staging_events` and `events`."""
    op.create_table(
        "staging_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("payload", JSON(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ingested_at", _MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("processing_status", sa.Text(), server_default="pending", nullable=False),
        sa.CheckConstraint(
            "processing_status IN ('pending', 'processed', 'failed')",
            name=op.f("staging_events_processing_status_check"),
        ),
        sa.PrimaryKeyConstraint("id", name="staging_events_pkey"),
        sa.UniqueConstraint("source", "event_id", name="staging_events_source_event_id_key"),
        schema="etl",
    )
    op.create_index(
        "staging_events_pending_idx",
        "staging_events",
        ["ingested_at", "id"],
        schema="etl",
        postgresql_where=sa.text("processing_status = 'pending'"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("session_id", sa.Text()),
        sa.Column("product_id", sa.Text()),
        sa.Column("page_url", sa.Text()),
        sa.Column("quantity", sa.Integer()),
        sa.Column("amount", sa.Numeric(18, 2)),
        sa.Column("currency", sa.Text()),
        sa.Column("attributes", JSON()),
        sa.Column("quality_tags", ARRAY(sa.Text())),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ingested_at", _MOMENT, nullable=False),
        sa.Column("processed_at", _MOMENT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="events_pkey"),
        sa.UniqueConstraint("event_id", name="events_event_id_key"),
        schema="etl",
    )
    op.create_index(
        "events_user_id_occurred_at_idx", "events", ["user_id", "occurred_at"], schema="etl"
    )
    op.create_index(
        "events_occurred_at_idx", "events", ["occurred_at"], schema="etl", postgresql_using="brin"
    )


def downgrade() -> None:
    """Drop them, with what they hold."""
    for table in ("events", "staging_events"):
        op.drop_table(table, schema="etl")
