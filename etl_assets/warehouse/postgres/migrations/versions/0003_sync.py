"""Incremental sync: tombstones, the history of a table, and what a derived day was made of.

It only adds tables and a nullable column; see `0001_platform.py`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add `etl_tombstones`, `etl_history` and `etl_state.made_of`."""
    op.add_column("etl_state", sa.Column("made_of", sa.Text()), schema="etl")
    op.create_table(
        "etl_tombstones",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Date(), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("found_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="etl_tombstones_pkey"),
        schema="etl",
    )
    op.create_index(
        "etl_tombstones_table_name_partition_key_idx",
        "etl_tombstones",
        ["table_name", "partition_key"],
        schema="etl",
    )
    op.create_table(
        "etl_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="etl_history_pkey"),
        schema="etl",
    )
    op.create_index(
        "etl_history_table_name_kind_at_idx",
        "etl_history",
        ["table_name", "kind", "at"],
        schema="etl",
    )


def downgrade() -> None:
    """Drop them, with what they hold, and what was kept of whole tables."""
    op.execute("DELETE FROM etl.etl_state WHERE partition_key = '0001-01-01'")
    for table in ("etl_history", "etl_tombstones"):
        op.drop_table(table, schema="etl")
    op.drop_column("etl_state", "made_of", schema="etl")
