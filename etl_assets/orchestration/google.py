"""Google's clients under Dagster: dagster-gcp's resource finds the credentials.

dagster-gcp's own IO manager is not used: it deletes and then loads, by way of pandas.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from etl_assets.config import Settings

if TYPE_CHECKING:
    from google.cloud.bigquery import Client


def bigquery_client(settings: Settings) -> "Callable[[str | None, str | None], Client]":
    """What makes a client from project and location, with GCP_CREDENTIALS or Google's defaults."""

    def connect(project: str | None, location: str | None) -> "Client":
        from dagster_gcp import BigQueryResource

        resource = BigQueryResource(
            project=project, location=location, gcp_credentials=settings.gcp_credentials
        )
        with resource.get_client() as client:
            return client

    return connect
