"""The folder that stands in for the object store of the demo's partners, and when it may be read.

Which files are put there is decided in `partners.py`.
"""

from pathlib import Path

from etl_assets.config import Settings
from etl_assets.demo.databases import own_databases
from etl_assets.demo.marker import is_for_demo

SHOWN = "the folder of the demo's partners"
"""How messages name it."""


def partners_folder(settings: Settings) -> Path:
    """Where it is, whether or not it is there."""
    return settings.home / "partners"


def stands_in(settings: Settings) -> bool:
    """Whether it may be read where OBJECT_STORE_URL is not set: as the demo's databases may."""
    return not own_databases(settings) and is_for_demo(settings)


def is_watched(settings: Settings) -> bool:
    """Whether it is what the sensors of tables of files look at."""
    return (
        not settings.object_store.url and partners_folder(settings).is_dir() and stands_in(settings)
    )
