"""State, quarantine and the ledger of appends; the schema of staging tables.

A migration only adds: tables, nullable columns, columns with a default, indexes. An older release
goes on working on what a newer one migrated, so that the two may run side by side in a roll-out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the platform's tables."""
    op.create_table(
        "etl_state",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Date(), nullable=False),
        sa.Column("high_watermark", _MOMENT),
        sa.Column("watermark_key", sa.Text()),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("source_count", sa.BigInteger()),
        sa.Column("quarantined_count", sa.BigInteger(), nullable=False),
        sa.Column("checks_passed", sa.Integer(), nullable=False),
        sa.Column("checks_failed", sa.Integer(), nullable=False),
        sa.Column("as_of", _MOMENT, nullable=False),
        sa.Column("load_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("verified_through", _MOMENT),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("table_name", "partition_key", name="etl_state_pkey"),
        schema="etl",
    )
    op.create_table(
        "etl_quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Date(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("source_position", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("quarantined_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="etl_quarantine_pkey"),
        schema="etl",
    )
    op.create_index(
        "etl_quarantine_table_name_partition_key_idx",
        "etl_quarantine",
        ["table_name", "partition_key"],
        schema="etl",
    )
    op.create_table(
        "etl_appends",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Date(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("appended_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("table_name", "partition_key", "content", name="etl_appends_pkey"),
        schema="etl",
    )


def downgrade() -> None:
    """Drop them, with what they hold."""
    for table in ("etl_appends", "etl_quarantine", "etl_state"):
        op.drop_table(table, schema="etl")
