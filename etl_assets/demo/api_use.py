"""When the demo's HTTP API stands in for one of the user's own, and how messages name it.

What it serves is `sales.py`, the server `api.py`.
"""

from typing import Final

from etl_assets.config import Settings
from etl_assets.demo.databases import own_databases
from etl_assets.demo.marker import is_for_demo

CONNECTION: Final = "sales"
"""The connection that it stands in for."""

SHOWN: Final = "the demo's HTTP API"
"""How messages name it."""


URL_SHOWN: Final = "http://demo"
"""Its address in positions and evidence: its port is another one in each process."""


def stands_in(settings: Settings) -> bool:
    """Whether it may be read where HTTP_API_URL_SALES is not set: as the demo's databases may."""
    api = settings.http.apis.get(CONNECTION)
    is_own = api is not None and bool(api.url)
    return not is_own and not own_databases(settings) and is_for_demo(settings)
