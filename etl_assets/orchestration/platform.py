"""The platform with Google's clients as dagster-gcp makes them; it imports Dagster when asked."""

from typing import Any

from etl_assets.config import Settings
from etl_assets.orchestration.google import bigquery_client
from etl_assets.pipeline.platform import Platform


def open_platform(settings: Settings, **more: Any) -> Platform:
    """A platform on the settings; `more` are fields of `Platform`. Nothing is connected."""
    return Platform(settings, google=bigquery_client(settings), **more)
