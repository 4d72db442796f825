"""Pages to the disk as they are fetched: one item a line, and where each of them was received.

So a list is never in memory as a whole. What becomes rows of the lines is `items.py`.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from etl_assets.core.http_specs import HttpApi
from etl_assets.sources.files.reading.results import MIB, BadLine, Limits
from etl_assets.sources.http.client import HttpClient
from etl_assets.sources.http.pages import pages
from etl_assets.spool import disk_errors

if TYPE_CHECKING:
    from pydantic import BaseModel

_BREAKS = bytes.maketrans(b"\r\n", b"  ")


@dataclass
class Landed:
    """The items of a list in `path`, a line each; blank lines stand for those in `bad`.

    `starts` has the line on which each page begins, from 1.
    """

    path: Path
    items: int = 0
    starts: list[int] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    begun_again: bool = False

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
    api: HttpApi, client: HttpClient, params: Mapping[str, str], path: Path, limits: Limits
) -> Landed:
    """Fetch the list into the file; raises what `pages` raises, and DiskFull.

    Where a cursor expired the list is read again from its first page, and what came before of it
    forgotten: it comes again.
    """
    landed = Landed(path)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as lines:
            for page in pages(api, client, params=params):
                if page.begins_again:
                    lines.seek(0)
                    lines.truncate()
                    landed = Landed(path, begun_again=True)
                landed.starts.append(landed.items + 1)
                for item in page.items:
                    landed.items += 1
                    bad = _wrong(api.item, item, landed.items, limits) if api.item else None
                    if bad is not None:
                        landed.bad.append(bad)
                    # A line break is no part of any value: `answers.py` has seen to that.
                    lines.write((b"" if bad else item.translate(_BREAKS)) + b"\n")
    return landed


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
