"""The objects that partners dropped: which of them were landed, as they were then.

`identity` tells one content under a key from another. `new_lines` were landed for the first time,
`known_lines` were there already. `error` says why an object cannot be trusted; then none of its
lines was landed.
"""

from alembic import op

revision = "e0002"
down_revision = "e0001"

_OBJECTS = """
CREATE TABLE event_objects (
    source text NOT NULL,
    key text NOT NULL,
    identity text NOT NULL,
    bytes bigint NOT NULL,
    modified_at timestamptz NOT NULL,
    new_lines bigint NOT NULL,
    known_lines bigint NOT NULL,
    error text,
    read_at timestamptz NOT NULL,
    PRIMARY KEY (source, key)
);
"""


def upgrade() -> None:
    """Make the table; the caller's transaction has it or not."""
    op.execute(_OBJECTS)


def downgrade() -> None:
    """Drop the table: all objects are read again then, and land nothing twice."""
    op.execute("DROP TABLE event_objects")
