"""The objects that a day of files is made of: what became of each, for the ledger.

An object that cannot be trusted is known as such only when it was read to its end: then all that
came of it is taken back, and the day goes on without it. Objects are read in `sources/files/`.
"""

from collections.abc import Mapping
from datetime import datetime

from etl_assets.core.ledger import FileStatus, LedgerEntry
from etl_assets.pipeline.day_check import CheckMark, DayCheck
from etl_assets.sources.found import ObjectBegins, ObjectEnds, RejectedLines


class DayObjects:
    """Follows the objects of one day; `first_seen` is when each key was met first (UTC)."""

    def __init__(self, check: DayCheck, first_seen: Mapping[str, datetime]) -> None:
        self._check, self._first_seen = check, first_seen
        self._entries: list[LedgerEntry] = []
        self._is_of_files = check.table.is_of_files
        self._open: tuple[ObjectBegins, CheckMark] | None = None

    @property
    def ledger(self) -> list[LedgerEntry] | None:
        """An entry for each object that was read; None for a day that is not made of files."""
        return self._entries if self._is_of_files else None

    def take(self, piece: ObjectBegins | ObjectEnds | RejectedLines) -> None:
        """Go on to what the source says next."""
        match piece:
            case RejectedLines():
                self._check.reject_lines(piece)
            case ObjectBegins():
                self._open = piece, self._check.mark()
            case ObjectEnds():
                self._end(piece)

    def _end(self, ended: ObjectEnds) -> None:
        assert self._open is not None  # noqa: S101 - an object ends that has begun
        begun, mark = self._open
        self._open = None
        check, records = self._check, ended.records
        if ended.error is not None:
            check.back_to(mark)
            records = 0
        published = check.good_rows - mark.audit.good_rows
        self._entries.append(
            LedgerEntry(
                table_name=check.table.path,
                partition_key=check.day,
                object_key=begun.key,
                identity=begun.identity,
                size=begun.size,
                modified=begun.modified,
                status=FileStatus.LOADED if ended.error is None else FileStatus.REFUSED,
                error=ended.error,
                rows_read=records,
                rows_published=published,
                rows_quarantined=records - published,
                first_seen=self._first_seen.get(begun.key, check.origin.as_of),
                last_seen=check.origin.as_of,
                run_id=check.run_id,
            )
        )
