"""The examples of docs/http.md do what the page says."""

import re
from contextlib import closing
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.config import HttpSettings, Settings
from etl_assets.core import http_specs
from etl_assets.core.catalog import Catalog
from etl_assets.core.http_connections import HttpConnection, variable
from etl_assets.core.http_specs import HttpApi, Pagination
from etl_assets.pipeline.platform import Platform
from etl_assets.sources.http.client import HttpClient
from etl_assets.sources.http.pages import pages
from etl_assets_tests.http_api.server import Asked, Reply, said, serve
from etl_assets_tests.http_api.things import DAY

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
SPEC, LANDING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OPENED = {"opened_at": f"{DAY}T10:00:00Z", "customer": {"id": 12345678901234567890123}}
TICKETS = [
    {"ticket_id": 7, "changed_at": f"{DAY}T11:00:00Z", "paid": 1.1, **OPENED},
    {"ticket_id": 8, "changed_at": f"{DAY}T11:00:00Z", "paid": None, **OPENED},
    {"ticket_id": 7, "changed_at": f"{DAY}T12:00:00Z", "paid": 2.2, **OPENED},
]


def answer(asked: Asked) -> Reply:
    assert asked.path == "/api/v2/tickets"
    start = 2 if asked.params.get("after") == "p2" else 0
    page = {"next": None if start else "p2", "total": 3}
    return said({"data": {"tickets": TICKETS[start : start + 2]}, "page": page})


def test_the_spec_of_the_page_reads_an_api(tmp_path: Path) -> None:
    module: dict[str, Any] = {"__name__": "example"}
    exec(compile(SPEC, "docs/http.md", "exec"), module)
    with serve(answer) as api:
        http = HttpSettings(apis={"desk": HttpConnection(url=f"{api.url}/api/")})
        settings = Settings(home=tmp_path, http=http)
        catalog = Catalog.of([module["TABLE"]])
        with closing(Platform(settings, given_catalog=catalog)) as platform:
            source = platform.unseen_source(platform.catalog["raw/tickets"])
            with source.open() as snapshot:
                read = snapshot.day(DAY)
                evidence = read.evidence()
                frames = [piece for piece in read.batches() if isinstance(piece, pl.DataFrame)]
    rows = pl.concat(frames).sort("ticket_id").to_dicts()
    assert [(row["ticket_id"], row["paid"]) for row in rows] == [(7, Decimal("2.20")), (8, None)]
    assert rows[0]["opened_at"] == datetime(2024, 5, 17, 10, tzinfo=UTC)
    assert rows[0]["customer"] == '{"id": 12345678901234567890123}'
    assert evidence.query.endswith("2 pages, 3 items, 1 older versions of a key left out")
    assert dict(api.asked[0].params) == {
        "limit": "200",
        "opened_from": "2024-05-17T00:00:00Z",
        "opened_until": "2024-05-18T00:00:00Z",
    }


def test_the_paginations_of_the_page_are_all_there_are_with_their_defaults() -> None:
    written = [
        eval(text, vars(http_specs)) for text in re.findall(r"^\| `(\w+\(.*?\))` \|", PAGE, re.M)
    ]
    assert {type(one) for one in written} == set(Pagination.__args__)
    assert all(one == type(one)() for one in written)


def test_the_settings_of_the_page_are_those_that_are_read() -> None:
    names = set(re.findall(r"`(HTTP_API_[A-Z_]+_)<NAME>`", PAGE))
    assert names == {variable(one.name, "") for one in fields(HttpConnection) if one.name != "url"}


def test_pages_are_landed_as_the_page_shows_it() -> None:
    module: dict[str, Any] = {"pages": pages}
    exec(compile(LANDING, "docs/http.md", "exec"), module)
    landed: list[bytes] = []
    cursors: list[str | None] = [None]

    def save(items: list[bytes], cursor: str | None) -> None:
        landed.extend(items)
        cursors.append(cursor)

    api = HttpApi("/api/v2/tickets", items="data.tickets", connection="desk")
    paged = http_specs.CursorPages(param="after", next="page.next")
    with serve(answer) as server, closing(HttpClient(HttpSettings(), "desk", url=server.url)) as c:
        module["land"](
            HttpApi(api.url, items=api.items, pagination=paged), c, lambda: cursors[-1], save
        )
    assert len(landed) == 3
    assert cursors[1:] == ['{"cursor": "p2"}', None]
