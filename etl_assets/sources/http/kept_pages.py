"""Pages of a reading that broke off, kept on the disk so that the next reading goes on after them.

A journal has an entry for each page that was written whole, with the cursor behind it. How pages
are fetched is `pages.py`, and how they are written is `landing.py`.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from etl_assets.core.http_specs import CursorPages, HttpApi, LinkHeader, NextUrl
from etl_assets.sources.files.reading.results import MIB, BadLine

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = "http_pages"
_TRIES = 100
_JOURNAL, _LINES = "journal.jsonl", "items.jsonl"


@dataclass(frozen=True)
class KeptPage:
    """A page on the disk.

    `cursor` is what the next one is asked for by, None after the last. `items` and `end` are how
    many items and bytes there are up to the end of this page, `digest` is the SHA-256 of the bytes
    of the page. `fetched_at` is an ISO 8601 moment in UTC.
    """

    cursor: str | None
    items: int
    end: int
    digest: str
    total: int | None
    fetched_at: str
    bad: list[BadLine] = field(default_factory=list)


class KeptPages:
    """The folder of one list: the same table, request and spec."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lines = folder, folder / _LINES

    def pages(self) -> list[KeptPage]:
        """The pages that are there whole, of a reading that had not ended; else none."""
        try:
            known = [_page(line) for line in (self.folder / _JOURNAL).read_bytes().splitlines()]
            if known and known[-1].cursor is not None and _are_whole(self.lines, known):
                os.truncate(self.lines, known[-1].end)
                return known
        except (OSError, ValueError, TypeError, KeyError):
            pass  # as a process or a machine left it that died: the list is begun again
        self.forget()
        return []

    def add(self, page: KeptPage) -> None:
        """A page whose bytes are written to `lines` already."""
        with (self.folder / _JOURNAL).open("ab") as journal:
            journal.write(json.dumps(asdict(page)).encode() + b"\n")

    def begin_again(self) -> None:
        """The list is read from its first page again, into the same file."""
        (self.folder / _JOURNAL).unlink(missing_ok=True)

    def forget(self) -> None:
        """Nothing of it is wanted any more."""
        for name in (_JOURNAL, _LINES):
            (self.folder / name).unlink(missing_ok=True)


def can_go_on(api: HttpApi) -> bool:
    """Whether a later reading may go on after a page.

    Numbers and offsets count from the beginning of a list: of one from which items are deleted
    meanwhile, the pages that follow would skip as many. A cursor says where the page ended.
    """
    return isinstance(api.pagination, CursorPages | LinkHeader | NextUrl)


def digest_of(api: HttpApi, table: str, shown: str, params: "Mapping[str, str]") -> str:
    """What tells a list from others: another table, server, day or spec has other pages."""
    model = api.item.model_json_schema() if api.item else None
    told = [table, shown, sorted(params.items()), repr(api), json.dumps(model, sort_keys=True)]
    return hashlib.sha256(repr(told).encode()).hexdigest()


@contextmanager
def kept_pages(home: Path, digest: str, seconds: float) -> Iterator[KeptPages | None]:
    """What is kept of a list for `seconds` after its first page; what is older is removed.

    None where another reading of the same list is at work, which keeps its own. Raises OSError as
    the disk does.
    """
    folder = home / _FOLDER / digest
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_old(folder.parent, seconds)
    with _locked(folder) as is_ours:
        if not is_ours:
            yield None
            return
        kept = KeptPages(folder)
        try:
            yield kept
        finally:
            if not kept.lines.exists():
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Make the folder; whether nobody else works in it.

    The system drops the lock of a process that was killed. Where others make and remove it each
    time, it is theirs.
    """
    for _ in range(_TRIES):
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # who worked in it removed it: it is made again
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            yield False
            return
        try:
            if folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino:
                yield True
                return
        finally:
            os.close(handle)
    yield False


def _remove_old(parent: Path, seconds: float) -> None:
    before = datetime.now(UTC) - timedelta(seconds=seconds)
    for folder in parent.iterdir():
        if folder.is_dir() and _begun(folder) < before:
            with _locked(folder) as is_ours:
                if is_ours:
                    shutil.rmtree(folder, ignore_errors=True)


def _begun(folder: Path) -> datetime:
    """When its first page was fetched; long ago where there is none."""
    with suppress(OSError, ValueError, TypeError, KeyError), (folder / _JOURNAL).open("rb") as told:
        return datetime.fromisoformat(_page(told.readline()).fetched_at)
    return datetime.min.replace(tzinfo=UTC)


def _page(line: bytes) -> KeptPage:
    read = json.loads(line)
    page = KeptPage(**{**read, "bad": [BadLine(**one) for one in read["bad"]]})
    if datetime.fromisoformat(page.fetched_at).tzinfo is None:
        raise ValueError("a moment without a time zone")
    return page


def _are_whole(lines: Path, pages: list[KeptPage]) -> bool:
    """Whether the file has the bytes of each page."""
    with lines.open("rb") as content:
        for page in pages:
            digest, left = hashlib.sha256(), page.end - content.tell()
            while left and (chunk := content.read(min(left, MIB))):
                digest.update(chunk)
                left -= len(chunk)
            if left or digest.hexdigest() != page.digest:
                return False
    return True
