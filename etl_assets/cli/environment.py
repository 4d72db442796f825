"""The option `--env`, and which warehouse a command is about in an environment."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from etl_assets.cli.output import tell
from etl_assets.core.errors import ConfigError

if TYPE_CHECKING:
    from etl_assets.config import Settings
    from etl_assets.pipeline.platform import Platform
    from etl_assets.warehouse.base import Warehouse

F = TypeVar("F", bound=Callable[..., Any])


def env_option(command: F) -> F:
    """`--env`, which takes the place of ETL_ENV for one command."""
    option = click.option("--env", "env", help="The environment, instead of ETL_ENV.")
    return option(command)


def settings_of(env: str | None) -> "Settings":
    """The settings, in this environment if one is given. Raises ConfigError for a bad name."""
    from etl_assets.config import read_settings
    from etl_assets.config.environment import child_environment

    return read_settings() if env is None else read_settings(child_environment(ETL_ENV=env))


def tell_environment(platform: "Platform") -> None:
    """Say in which environment this is, if it is one, and what else is shown in it."""
    if name := platform.settings.environment:
        tell(f"Environment {name}: production is read where {name} has published nothing.")


def against(platform: "Platform", which: str | None) -> "Warehouse | None":
    """Production, if `which` asks for it; None for the environment itself.

    Raises ConfigError where the command is in no environment.
    """
    if which is None:
        return None
    production = platform.warehouse.production
    if production is None:
        raise ConfigError(
            "--against prod compares an environment with production, and none is named.",
            "Name one: --env dev, or ETL_ENV=dev.",
        )
    return production
