"""What a command works with: the platform of the environment's settings, and its tables.

Nothing is connected here, and Dagster is not imported.
"""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from etl_assets.config import Settings
    from etl_assets.core.catalog import Catalog
    from etl_assets.pipeline.platform import Platform


def open_platform(settings: "Settings | None" = None, **more: Any) -> "Platform":
    """The platform of these settings, by default of the environment's; `more` are its fields.

    Its connections are closed when the command ends, however it ends.
    """
    from etl_assets.config import read_settings
    from etl_assets.orchestration.platform import open_platform as opened

    platform = opened(settings or read_settings(), **more)
    if command := click.get_current_context(silent=True):
        command.call_on_close(platform.close)
    return platform


def catalog_of(platform: "Platform") -> "Catalog":
    """The platform's tables; what is wrong with those that are left out is printed to stderr."""
    from etl_assets.cli.output import print_error

    for message in platform.catalog.errors:
        print_error(message)
    return platform.catalog
