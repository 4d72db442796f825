"""What is wrong with the spec of a table of an HTTP API. Pure.

What is checked of every spec is `spec_checks.py`.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from etl_assets.core.faults import Fault
from etl_assets.core.http_specs import CursorPages, HttpApi, NextUrl
from etl_assets.core.policies import Deletes
from etl_assets.core.table import LayerTable


def http_faults(table: LayerTable, source: HttpApi) -> Iterator[Fault]:
    """What does not go together of the URL, the answer's paths, the days and the columns."""
    if table.cursor_column is not None:
        yield Fault(
            "cursor_column",
            "an HTTP API is read whole or day by day, so that no position is kept in it.",
            "Write cursor_column=None, and newest= in the source where items say when they "
            "changed.",
        )
    if table.deletes is Deletes.TOMBSTONE:
        yield Fault(
            "deletes",
            "TOMBSTONE keeps deleted rows by their keys, which takes a sync.",
            "Write Deletes.REMOVE or Deletes.KEEP.",
        )
    yield from _url_faults(source)
    yield from _path_faults(source)
    names = [column.name for column in table.columns]
    if source.newest is not None and source.newest not in names:
        yield Fault(
            "source",
            f"newest: {table.contract.__name__} has no column {source.newest!r}.",
            f"Write one of its columns: {', '.join(names)}.",
        )
    if source.window is not None and not table.has_days:
        yield Fault(
            "source",
            "window bounds a day, and the table has no days.",
            "Leave window out, or name a partition_column.",
        )
    if source.rate is not None and not source.rate > 0:
        yield Fault("source", "rate is requests a second.", "Write a number above 0.")


def _url_faults(source: HttpApi) -> Iterator[Fault]:
    try:
        parts = urlsplit(source.url)
    except ValueError:
        yield Fault("source", "url is none.", "Write https://host/path, or a path.")
        return
    if parts.username or parts.password:
        yield Fault(
            "source",
            "url has a user or a password in it, and a spec is no place for secrets.",
            "Write a path below the base URL of the connection, and set the rest as HTTP_API_….",
        )
    elif parts.query or parts.fragment:
        yield Fault(
            "source", "url has parameters in it.", "Write them as params={…}; no secret is one."
        )
    elif parts.scheme not in ("", "http", "https") or (parts.scheme and not parts.hostname):
        yield Fault("source", "url is none of HTTP.", "Write https://host/path, or a path.")


def _path_faults(source: HttpApi) -> Iterator[Fault]:
    told = "An answer that is a list has no other fields"
    if source.items:
        return
    if source.total is not None:
        yield Fault(
            "source", f"total is {source.total!r} and items is the answer itself.", f"{told}."
        )
    if isinstance(source.pagination, CursorPages | NextUrl):
        yield Fault(
            "source",
            f"{type(source.pagination).__name__} reads a field of the answer, and items is the "
            "answer itself.",
            f"{told}: name the path of the list as items, or paginate by LinkHeader, PageNumbers "
            "or Offsets.",
        )
