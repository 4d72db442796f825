"""How fresh each source is, without reading the table: `events/freshness.py` asks the new index.

It takes the place of one of `ingested_at` alone, which nothing asked: a row costs no index more
than before. A status is in the index, so that what is pending or quarantined is counted in it.
"""

from alembic import op

revision = "e0004"
down_revision = "e0003"

_INDEX = """
CREATE INDEX staging_events_freshness ON staging_events (source, status, ingested_at);
DROP INDEX staging_events_ingested_at;
"""


def upgrade() -> None:
    """Make the index; the caller's transaction has both changes or none."""
    op.execute(_INDEX)


def downgrade() -> None:
    """Make the index of before again."""
    op.execute(
        "CREATE INDEX staging_events_ingested_at ON staging_events (ingested_at); "
        "DROP INDEX staging_events_freshness"
    )
