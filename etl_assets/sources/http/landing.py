"""Pages to the disk as they are fetched: one item a line, and where each of them was received.

So a list is never in memory as a whole. What becomes rows of the lines is `items.py`.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from etl_assets.core.errors import SourceError
from etl_assets.core.http_specs import HttpApi
from etl_assets.sources.files.reading.results import MIB, BadLine, Limits
from etl_assets.sources.http.client import HttpClient
from etl_assets.sources.http.kept_pages import KeptPage, KeptPages
from etl_assets.sources.http.pages import ListChanged, Page, Received, pages
from etl_assets.spool import disk_errors

if TYPE_CHECKING:
    from pydantic import BaseModel

_BREAKS = bytes.maketrans(b"\r\n", b"  ")


@dataclass
class Landed:
    """The items of a list in `path`, a line each; blank lines stand for those in `bad`.

    `starts` has the line on which each page begins, from 1. `as_of` is when the first page was
    asked for, at the latest: nothing of the list is older. `went_on` is how many pages an earlier
    reading had left.
    """

    path: Path
    items: int = 0
    starts: list[int] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    begun_again: bool = False
    went_on: int = 0
    as_of: datetime = field(default_factory=lambda: datetime.now(UTC))

    def position(self, line: int) -> str:
        """Where the item was received: `page 2 item 7`, both from 1."""
        page = bisect_right(self.starts, line)
        return f"page {page} item {line - self.starts[page - 1] + 1}"

    def content(self) -> Iterator[bytes]:
        """The lines, in chunks."""
        with self.path.open("rb") as lines:
            while chunk := lines.read(MIB):
                yield chunk


def land(
    api: HttpApi,
    client: HttpClient,
    params: Mapping[str, str],
    path: Path,
    limits: Limits,
    kept: KeptPages | None = None,
) -> Landed:
    """Fetch the list into the file; raises what `pages` raises, and DiskFull.

    Where a cursor expired the list is read again from its first page, and what came before of it
    forgotten: it comes again. With `kept` the file is that of the kept pages: an earlier reading
    that broke off is gone on with after its last page, and what this one gets stays there until
    `forget`, unless the list itself was found wrong.
    """
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _landed(api, client, params, path, limits, kept)
        except (SourceError, ListChanged):
            if kept is not None:
                kept.forget()
            raise


def _landed(
    api: HttpApi,
    client: HttpClient,
    params: Mapping[str, str],
    path: Path,
    limits: Limits,
    kept: KeptPages | None,
) -> Landed:
    before = kept.pages() if kept else []
    landed = _left(path, before)
    resume = before[-1].cursor if before else None
    received = Received(len(before), landed.items, before[-1].total) if before else None
    with path.open("ab" if before else "wb") as lines:
        for page in pages(api, client, resume, params, received):
            if page.begins_again:
                lines.seek(0)
                lines.truncate()
                landed = Landed(path, begun_again=True)
                if kept:
                    kept.begin_again()
            first, wrong = lines.tell(), len(landed.bad)
            written = _write(landed, page, lines, api, limits)
            if kept:
                lines.flush()
                kept.add(
                    KeptPage(
                        page.cursor,
                        landed.items,
                        first + len(written),
                        hashlib.sha256(written).hexdigest(),
                        page.total,
                        (landed.as_of if page.number == 1 else datetime.now(UTC)).isoformat(),
                        landed.bad[wrong:],
                    )
                )
    return landed


def _left(path: Path, before: Sequence[KeptPage]) -> Landed:
    """What an earlier reading left."""
    if not before:
        return Landed(path)
    ends = [page.items for page in before]
    return Landed(
        path,
        items=ends[-1],
        starts=[items + 1 for items in [0, *ends[:-1]]],
        bad=[bad for page in before for bad in page.bad],
        went_on=len(before),
        as_of=datetime.fromisoformat(before[0].fetched_at),
    )


def _write(landed: Landed, page: Page, lines: BinaryIO, api: HttpApi, limits: Limits) -> bytes:
    """The lines of a page, written; whether its items are bad is noted in `landed`."""
    landed.starts.append(landed.items + 1)
    written = []
    for item in page.items:
        landed.items += 1
        bad = _wrong(api.item, item, landed.items, limits) if api.item else None
        if bad is not None:
            landed.bad.append(bad)
        # A line break is no part of any value: `answers.py` has seen to that.
        written.append((b"" if bad else item.translate(_BREAKS)) + b"\n")
    content = b"".join(written)
    lines.write(content)
    return content


def _wrong(model: "type[BaseModel]", item: bytes, line: int, limits: Limits) -> BadLine | None:
    """Why the model refuses the item, by field and kind of error, without values."""
    from pydantic import ValidationError

    try:
        model.model_validate_json(item)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        column = ".".join(map(str, first["loc"])) or None
        raw = item.decode("utf-8", "replace")[: limits.raw_characters]
        return BadLine(line, column, f"is refused by {model.__name__} ({first['type']})", raw)
    return None


def same_items(bad: BadLine) -> bytes:
    """A digest that is equal for bad items that are the same, with the same reason."""
    return hashlib.sha256(f"{bad.column}\0{bad.reason}\0{bad.raw}".encode()).digest()
