"""From the first answers of an HTTP API to a table of the platform: what its items hold, and how
its spec is written. Where items are and how pages follow each other is `http_pages.py`.

How an API is asked is `sources/http/`; what JSON values are is guessed in `sources/files/propose/`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from etl_assets.config import HttpSettings
from etl_assets.core.errors import SourceError
from etl_assets.core.http_specs import (
    HttpApi,
    Pagination,
)
from etl_assets.core.wording import count_of
from etl_assets.scaffold.guessed import guessed_column
from etl_assets.scaffold.http_pages import answer_of, items_path, pages_of, total_path
from etl_assets.scaffold.key_search import LIKE_A_KEY
from etl_assets.scaffold.names import named_columns, shown, table_name
from etl_assets.scaffold.proposal import ProposedColumn, ProposedTable, Reason
from etl_assets.scaffold.python_text import Call, Expression, text, value
from etl_assets.sources.files.propose.columns import columns_of_json
from etl_assets.sources.files.propose.guess import Guess
from etl_assets.sources.files.propose.sample import Begin
from etl_assets.sources.http.answers import items_of
from etl_assets.sources.http.client import HttpClient

_PATIENCE = 10.0


def client_for(settings: HttpSettings, connection: str) -> HttpClient:
    """A client that soon gives up: an API that does not know a parameter may answer with errors."""
    patience = min(settings.patience, _PATIENCE)
    return HttpClient(settings.model_copy(update={"patience": patience}), connection)


def propose_api(client: HttpClient, url: str, connection: str, name: str | None) -> ProposedTable:
    """The table of the list at a URL, or at a path below the connection's own.

    Raises ConfigError where no setting says where the API is, SourceError for an answer without a
    list of objects, SourceUnavailable where it gives none.
    """
    bare, params = _taken_apart(url)
    api = HttpApi(bare, params=params, connection=connection)
    first = answer_of(client, api, None)
    path = items_path(first.body, api)
    api = replace(api, items=path)
    items = items_of(first.body, path)
    if not items:
        raise SourceError(
            f"The list of {api.place} is empty, so nothing is known of its items.",
            "Ask for one that has some, or write the module by hand: docs/http.md.",
        )
    pagination, why, more = pages_of(client, api, first, items)
    total = total_path(first.body, path)
    return _table(replace(api, pagination=pagination, total=total), [*items, *more], why, name)


def _taken_apart(url: str) -> tuple[str, dict[str, str | int]]:
    """The URL without its parameters, and these."""
    parts = urlsplit(url)
    return url.partition("?")[0].partition("#")[0], dict(parse_qsl(parts.query))


def _table(api: HttpApi, items: Sequence[bytes], why: str, name: str | None) -> ProposedTable:
    lines = b"\n".join(item.replace(b"\n", b" ").replace(b"\r", b" ") for item in items)
    sampled = columns_of_json([Begin(api.place, lines, is_whole=True)])
    names = named_columns(guess.name for guess in sampled.columns)
    unread = [guess.name for guess in sampled.columns if names[guess.name].why]
    key = _key(sampled.columns, unread)
    columns = [
        _column(guess, names[guess.name].attribute, is_key=guess.name in key)
        for guess in sampled.columns
        if guess.name not in unread
    ]
    if not key:
        raise SourceError(
            f"The items of {api.place} have no field that tells them apart.",
            "Write the module by hand, with the fields of a key: docs/http.md.",
        )
    days = _day(sampled.columns)
    changed = next((g.name for g in sampled.columns if _is_moment(g) and _is_change(g.name)), None)
    table = name or table_name(urlsplit(api.url).path.rstrip("/").rpartition("/")[2] or "items")
    personal = [column.name for column in columns if column.options.get("personal")]
    return ProposedTable(
        table,
        api.place,
        f"An item of {api.place}",
        f"The items of {api.place}.",
        columns,
        key,
        _source(replace(api, newest=changed)),
        {
            "etl_assets.core.http_specs": ["HttpApi", type(api.pagination).__name__],
            **({"etl_assets.core.file_formats": ["Texts"]} if _has_texts(columns) else {}),
        },
        None,
        "None",
        {},
        [
            Reason("key", ", ".join(key), f"it came once each in {count_of(len(items), 'item')}"),
            Reason(
                "day",
                "none",
                "the list is read whole. "
                + (
                    f"If it can be asked for one day, write window=DayWindow(…) and "
                    f"partition_column={days!r}: docs/http.md"
                    if days
                    else "No field says a day"
                ),
            ),
            Reason("pages", type(api.pagination).__name__, why),
        ],
        [f"Personal columns, by their names: {shown(personal, 8)}."] if personal else [],
        f"an API: {count_of(len(items), 'item')} read",
        domain=api.connection,
    )


def _column(guess: Guess, attribute: str, *, is_key: bool) -> ProposedColumn:
    dtype = guess.dtype
    if isinstance(dtype, pl.Decimal) and dtype.scale:  # other items may have more decimals
        dtype = pl.Decimal(38, max(dtype.scale, 9))
    # A field that every item of two pages had may be missing in others.
    guess = replace(guess, dtype=dtype, nullable=not is_key)
    return guessed_column(guess, attribute, f"{guess.name}, as the API has it.")


def _key(columns: Sequence[Guess], unread: Sequence[str]) -> list[str]:
    unique = [
        guess.name
        for guess in columns
        if guess.is_unique and isinstance(guess.dtype, pl.Int64 | pl.String) and not guess.logical
    ]
    possible = [one for one in unique if one not in unread]
    called = [one for one in possible if LIKE_A_KEY.search(one)]
    exact = [one for one in called if one.lower() in ("id", "uuid", "guid")]
    return (exact or called or possible)[:1]


def _is_moment(guess: Guess) -> bool:
    return isinstance(guess.dtype, pl.Datetime | pl.Date)


def _is_change(name: str) -> bool:
    return bool(re.search(r"(?i)updated|modified|changed", name))


def _day(columns: Sequence[Guess]) -> str | None:
    moments = [guess.name for guess in columns if _is_moment(guess)]
    made = [one for one in moments if re.search(r"(?i)created|inserted|date|time|_at$", one)]
    return next((one for one in made if not _is_change(one)), None)


def _source(api: HttpApi) -> Expression:
    arguments: list[tuple[str, Expression]] = [("", text(api.url))]
    if api.params:
        arguments.append(("params", value(dict(api.params))))
    if api.items:
        arguments.append(("items", text(api.items)))
    arguments.append(("pagination", _pagination(api.pagination)))
    if api.total:
        arguments.append(("total", text(api.total)))
    if api.newest:
        arguments.append(("newest", text(api.newest)))
    arguments.append(("connection", text(api.connection)))
    return Call("HttpApi", arguments)


def _pagination(given: Pagination) -> Expression:
    plain: Mapping[str, object] = {f.name: f.default for f in fields(given)}
    changed = [
        (f.name, value(getattr(given, f.name)))
        for f in fields(given)
        if getattr(given, f.name) != plain[f.name]
    ]
    return Call(type(given).__name__, changed)


def _has_texts(columns: Sequence[ProposedColumn]) -> bool:
    return any("text" in column.options for column in columns)
