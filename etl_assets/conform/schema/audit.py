"""The audit columns of rows that are written one by one, and who fills them: nobody by hand."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker


class Audited:
    """When the row was written first, when it was changed, and when its source last confirmed it.

    All are moments of our own clock; what the source says of its object has other names.
    """

    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    synced_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))


def audited_sessions(engine: sa.Engine) -> sessionmaker[Session]:
    """Sessions that fill the audit columns when they write."""
    sessions = sessionmaker(engine)
    sa.event.listen(sessions, "before_flush", _stamp)
    return sessions


def _stamp(session: Session, *_: Any) -> None:
    now = datetime.now(UTC)
    for row in session.new:
        if isinstance(row, Audited):
            row.created_at = row.updated_at = row.synced_at = now
    # `dirty` has also rows that were given the values that they had.
    for row in session.dirty:
        if isinstance(row, Audited):
            if session.is_modified(row):
                row.updated_at = now
            row.synced_at = now
