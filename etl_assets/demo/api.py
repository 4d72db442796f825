"""The demo's HTTP API: sales, events and contacts, from a server in this process, with faults.

Each process that reads it has its own, on a free port of 127.0.0.1: what it has is the same in all.
What they are is `sales.py`, `event_payloads.py` and `contacts.py`.
"""

import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from etl_assets.core.errors import ConfigError
from etl_assets.demo.contacts import contacts
from etl_assets.demo.event_payloads import api_items
from etl_assets.demo.plan import ShopPlan
from etl_assets.demo.sales import sales_of

_FAULTS = {1: 429, 3: 503}
"""By the number of the request to a list: what it is answered with instead."""

_MOST_A_PAGE, _EVENTS_A_PAGE = 1000, 500
_START_SECONDS = 30.0
_LOOK_SECONDS = 0.005


def demo_api() -> str:
    """The URL of this process's server, which is started once and ends with the process."""
    return _started(os.getpid())  # a forked child has no thread of its parent's


@cache
def _started(_process: int) -> str:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application(), http="h11", ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, args=([listening],), name="demo-api", daemon=True).start()
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if time.monotonic() > deadline:
            raise ConfigError("The demo's HTTP API did not start.", "Run it again.")
        time.sleep(_LOOK_SECONDS)
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def application() -> Starlette:
    """`GET /sales?from=…&until=…&limit=…&cursor=…`: sales of [from, until) by pages.

    `GET /events?cursor=…`: all events by pages. `GET /contacts?limit=…&after=…`: all contacts by
    pages, and `GET /contacts/C-000123` one of them.
    """
    return Starlette(
        routes=[
            Route("/sales", _with_faults(_sales)),
            Route("/events", _with_faults(_events)),
            Route("/contacts", _with_faults(_contacts)),
            Route("/contacts/{id}", _contact),
        ]
    )


def _with_faults(answer: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    count = 0

    async def endpoint(request: Request) -> Response:
        nonlocal count
        count += 1
        if count in _FAULTS:
            headers = {"Retry-After": "0"} if _FAULTS[count] == 429 else {}
            return JSONResponse({"error": "busy"}, _FAULTS[count], headers)
        return answer(request)

    return endpoint


def _events(request: Request) -> Response:
    try:
        start = int(request.query_params.get("cursor", 0))
    except ValueError:
        return JSONResponse({"error": "cursor is none of ours"}, 410)
    return _page("events", api_items(ShopPlan()), start, _EVENTS_A_PAGE)


def _sales(request: Request) -> Response:
    asked = request.query_params
    try:
        begin, end = (_moment(asked[name]) for name in ("from", "until"))
        limit, start = int(asked.get("limit", _MOST_A_PAGE)), int(asked.get("cursor", 0))
    except (KeyError, ValueError):
        return JSONResponse({"error": "from and until are moments, limit a number"}, 400)
    found = [
        sale
        for day in _days(begin.date(), end.date())
        for sale in sales_of(day)
        if begin <= _moment(sale["sold_at"]) < end
    ]
    return _page("sales", found, start, max(1, min(limit, _MOST_A_PAGE)))


def _contacts(request: Request) -> Response:
    asked, found = request.query_params, contacts(ShopPlan())
    try:
        limit, start = int(asked.get("limit", _MOST_A_PAGE)), int(asked.get("after", 0))
    except ValueError:
        return JSONResponse({"error": "limit is a number, after is one of ours"}, 400)
    end = start + max(1, min(limit, _MOST_A_PAGE))
    paging = {"next": str(end) if end < len(found) else None, "total": len(found)}
    return JSONResponse({"contacts": found[start:end], "paging": paging})


def _contact(request: Request) -> Response:
    wanted = request.path_params["id"]
    for one in contacts(ShopPlan()):
        if one["id"] == wanted:
            return JSONResponse(one)
    return JSONResponse({"error": "there is no such contact"}, 404)


def _page(name: str, items: Sequence[Mapping[str, Any]], start: int, limit: int) -> Response:
    following = str(start + limit) if start + limit < len(items) else None
    return JSONResponse({name: items[start : start + limit], "next_cursor": following})


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range(min((last - first).days, 366) + 1)]
