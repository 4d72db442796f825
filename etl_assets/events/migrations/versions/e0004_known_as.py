"""In landing the canonical id of a copy that does not stay, NULL for all others.

By it copies that lost earlier are found when another copy stays (`events/merge.py`). Its index and
its values for rows of before are in e0005. The release before leaves it alone.
"""

from alembic import op

revision = "e0004"
down_revision = "e0003"


def upgrade() -> None:
    """Add the column; the caller's transaction has it or not."""
    op.execute("ALTER TABLE staging_events ADD COLUMN known_as text")


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE staging_events DROP COLUMN known_as")
