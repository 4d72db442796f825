"""The files of the demo's partners in a folder, for tests that load every table of the demo."""

from pathlib import Path

from etl_assets.config import ObjectStoreSettings
from etl_assets.demo.partners import fill_partners
from etl_assets.demo.plan import ShopPlan
from etl_assets.sources.files.writable import WritableStore


def partner_files(folder: Path, *, days: int, orders_a_day: int = 400) -> str:
    """Put the files of a shop that `fill_shop` makes into `folder`; its OBJECT_STORE_URL."""
    url = folder.as_uri()
    fill_partners(
        WritableStore(ObjectStoreSettings(), url), ShopPlan(days=days, orders_a_day=orders_a_day)
    )
    return url
