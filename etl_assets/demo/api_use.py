"""When the demo's HTTP API stands in for one of the user's own, and how messages name it.

What it serves is `sales.py`, `event_payloads.py` and `contacts.py`, the server `api.py`.
"""

from typing import Final

from etl_assets.config import Settings
from etl_assets.demo.databases import own_databases
from etl_assets.demo.marker import is_for_demo

CONNECTIONS: Final = ("sales", "shop_events", "crm")
"""The connections that it stands in for."""

SHOWN: Final = "the demo's HTTP API"
"""How messages name it."""


URL_SHOWN: Final = "http://demo"
"""Its address in positions and evidence: its port is another one in each process."""


def stands_in(settings: Settings, connection: str) -> bool:
    """Whether it is read for a connection without an HTTP_API_URL: as the demo's databases are."""
    api = settings.http.apis.get(connection)
    is_own = api is not None and bool(api.url)
    return (
        connection in CONNECTIONS
        and not is_own
        and not own_databases(settings)
        and is_for_demo(settings)
    )
