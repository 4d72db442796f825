"""Landing, the cursors of sources, events by day, their ids, and the webhook calls that were seen.

`staging_events` has what arrived, byte for byte. Its `event_id` is what the sender wrote, or
`sha256:<hex of the payload>`; `ingested_at` is the earliest moment at which this copy was received.
`status` is pending, loaded, duplicate (an exact copy), superseded (another payload of the id won)
or quarantined.

`events` has one row an event, in the partition of its `event_date`. `event_ids` says in which day
an event stands and which arrival it was made of: by the columns `occurred_at`, `sequence`,
`received_at`, `digest` and `staging_id` a later arrival is compared with it. `updated_at` is the
moment of the row's last change: the warehouse syncs by it.

Migrations stay backward compatible: the release before must be able to work on the new schema.
"""

from alembic import op

revision = "e0001"
down_revision = None

_LANDING = """
CREATE TABLE staging_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    event_id text NOT NULL,
    payload bytea NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    ingested_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'loaded', 'duplicate', 'superseded', 'quarantined')),
    attempts integer NOT NULL DEFAULT 0,
    error text,
    archived_at timestamptz,
    CONSTRAINT staging_events_arrival UNIQUE (source, event_id, digest)
);
CREATE INDEX staging_events_pending ON staging_events (id) WHERE status = 'pending';
CREATE INDEX staging_events_not_archived ON staging_events (id) WHERE archived_at IS NULL;
CREATE INDEX staging_events_ingested_at ON staging_events (ingested_at);

CREATE TABLE event_cursors (
    source text PRIMARY KEY,
    cursor text NOT NULL,
    moved_at timestamptz NOT NULL
);

CREATE TABLE webhook_calls (
    source text NOT NULL,
    call_id text NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (source, call_id)
);
CREATE INDEX webhook_calls_received_at ON webhook_calls (received_at);
"""

_EVENTS = """
CREATE TABLE events (
    event_id text NOT NULL,
    event_date date NOT NULL,
    event_type text,
    source text NOT NULL,
    occurred_at timestamptz,
    received_at timestamptz NOT NULL,
    user_id text,
    anonymous_id text,
    session_hint text,
    product_id text,
    order_id text,
    quantity bigint,
    price numeric,
    currency text,
    channel text,
    quality text NOT NULL
        CHECK (quality IN ('valid', 'incomplete', 'invalid', 'needs_review')),
    quality_reasons jsonb NOT NULL DEFAULT '[]',
    sequence bigint,
    placed_by text NOT NULL CHECK (placed_by IN ('source', 'receipt')),
    staging_id bigint NOT NULL,
    payload_digest bytea NOT NULL,
    processed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, event_date)
) PARTITION BY RANGE (event_date);
CREATE INDEX events_updated_at ON events (updated_at, event_id);
CREATE INDEX events_user_id ON events (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX events_anonymous_id ON events (anonymous_id) WHERE anonymous_id IS NOT NULL;

CREATE TABLE event_ids (
    event_id text PRIMARY KEY,
    event_date date NOT NULL,
    occurred_at timestamptz,
    sequence bigint,
    received_at timestamptz NOT NULL,
    digest bytea NOT NULL,
    staging_id bigint NOT NULL
);
"""


def upgrade() -> None:
    """Make the tables; the caller's transaction has them all or none."""
    op.execute(_LANDING)
    op.execute(_EVENTS)


def downgrade() -> None:
    """Drop the tables with all that landed."""
    op.execute("DROP TABLE event_ids, events, webhook_calls, event_cursors, staging_events")
