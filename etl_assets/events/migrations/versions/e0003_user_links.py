"""Links by hand, and on each event of an anonymous id the user whom the links say that it was.

`user_links`: `anonymous_id` was `user_id` from `since` up to, not including, `until`; NULL is
without a bound. `undone_at` takes a link out and keeps it for the record.

`events.linked_user_id` is worked out from links and events (`events/linking.py`), and is NULL where
the event names its user. A change of it moves `updated_at`. The release before leaves it alone.
Its indexes are in e0005.
"""

from alembic import op

revision = "e0003"
down_revision = "e0002"

_LINKS = """
CREATE TABLE user_links (
    link_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    anonymous_id text NOT NULL CHECK (anonymous_id <> ''),
    user_id text NOT NULL CHECK (user_id <> ''),
    since timestamptz,
    until timestamptz,
    known_at timestamptz NOT NULL,
    reason text,
    undone_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (since < until)
);
CREATE INDEX user_links_anonymous_id ON user_links (anonymous_id) WHERE undone_at IS NULL;
CREATE INDEX user_links_updated_at ON user_links (updated_at, link_id);

ALTER TABLE events ADD COLUMN linked_user_id text;
"""


def upgrade() -> None:
    """Make the table and the column; the caller's transaction has both or none."""
    op.execute(_LINKS)


def downgrade() -> None:
    """Drop them, with the links that were made by hand."""
    op.execute("ALTER TABLE events DROP COLUMN linked_user_id; DROP TABLE user_links")
