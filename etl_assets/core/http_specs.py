"""HTTP APIs as sources, as a table's spec declares them. Data only.

How an API is asked is decided in `sources/http/`; where it is and what it asks to be shown (tokens,
passwords) are settings, never part of a spec (`core/http_connections.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from etl_assets.core.source_specs import SourceSpec
from etl_assets.core.spec_classes import spec_class

if TYPE_CHECKING:
    from pydantic import BaseModel


@spec_class
@dataclass(frozen=True)
class NoPages:
    """One answer has all items."""


@spec_class
@dataclass(frozen=True)
class CursorPages:
    """Each answer has the cursor of the next page at the path `next`; none, null or "" ends it.

    `param` is the parameter that takes it. A request with a cursor that is answered by one of the
    statuses in `expired` is begun again from the first page, once.
    """

    param: str = "cursor"
    next: str = "next_cursor"
    expired: tuple[int, ...] = (410,)


@spec_class
@dataclass(frozen=True)
class PageNumbers:
    """Pages are counted from `first`, until one is empty.

    It does not end with a page that is short: an API may give fewer items than it is asked for.
    """

    param: str = "page"
    first: int = 1


@spec_class
@dataclass(frozen=True)
class Offsets:
    """Each page begins after as many items as were received, until one is empty."""

    param: str = "offset"


@spec_class
@dataclass(frozen=True)
class LinkHeader:
    """The header `Link` has the URL of the next page, with `rel="next"`; none ends it."""

    rel: str = "next"


@spec_class
@dataclass(frozen=True)
class NextUrl:
    """Each answer has the URL of the next page at the path `next`; none, null or "" ends it."""

    next: str = "next"


Pagination = NoPages | CursorPages | PageNumbers | Offsets | LinkHeader | NextUrl
"""How the pages of a list follow each other."""


@spec_class
@dataclass(frozen=True)
class DayWindow:
    """The parameters that bound a day, so that the API is asked for this day alone.

    `since` and `until` are their names, `format` what they are written in (`strftime`, UTC).
    `until` is the midnight after the day, with `inclusive` the day itself. `overlap` asks for so
    much more on both sides; then items of other days are expected and left out, as their own day
    has them.
    """

    since: str = "since"
    until: str = "until"
    format: str = "%Y-%m-%dT%H:%M:%SZ"
    inclusive: bool = False
    overlap: timedelta = timedelta(0)


@spec_class
@dataclass(frozen=True)
class HttpApi(SourceSpec):
    """A list of JSON objects that an HTTP API serves; a row an object, its columns by their names.

    `url` is below the base URL of HTTP_API_URL_<CONNECTION>, or a whole one. `params` go with each
    request. `items` is where an answer has the list: keys with dots between them, "" for an answer
    that is the list. `item` is a pydantic model that each object must satisfy besides the contract;
    one that does not is set aside. `total` is the path of the number of all items, which must add
    up. With a `window` each day is asked for by itself; without one the whole list is read once and
    divided into days. `newest` is the column by which one of several objects with the same key is
    chosen, the greatest; without it they are all set aside, unless they are equal. `rate` is how
    many requests a second are sent at most.
    """

    KIND: ClassVar[str] = "http"
    COMPARABLE: ClassVar[bool] = False
    HAS_CURSOR: ClassVar[bool] = False
    POLLED: ClassVar[bool] = True
    HAS_COLUMNS: ClassVar[bool] = False
    url: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    items: str = ""
    pagination: Pagination = field(default_factory=NoPages)
    item: "type[BaseModel] | None" = None
    total: str | None = None
    window: DayWindow | None = None
    newest: str | None = None
    rate: float | None = None
    connection: str = "api"

    @property
    def place(self) -> str:
        """The URL, or the path below that of the connection."""
        return self.url.partition("?")[0]

    @property
    def system(self) -> str:
        """The API, by the name of its connection."""
        return f"the HTTP API {self.connection}"
