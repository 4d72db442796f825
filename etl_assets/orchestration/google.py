"""Google's clients under Dagster: dagster-gcp's resource finds the credentials.

dagster-gcp's own IO manager is not used: it deletes and then loads, by way of pandas. Dagster is
imported when a client is made, so that commands that need none do not wait for it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError

if TYPE_CHECKING:
    from google.cloud.bigquery import Client


def bigquery_client(settings: Settings) -> "Callable[[str | None, str | None], Client]":
    """What makes a client from project and location, with GCP_CREDENTIALS or Google's defaults.

    It raises ConfigError where two accounts are named, and what Google's libraries raise.
    """

    def connect(project: str | None, location: str | None) -> "Client":
        import dagster as dg
        from dagster_gcp import BigQueryResource

        resource = BigQueryResource(
            project=project, location=location, gcp_credentials=settings.gcp_credentials
        )
        try:
            with resource.get_client() as client:
                return client
        except dg.DagsterInvalidDefinitionError:
            raise ConfigError(
                "GCP_CREDENTIALS and GOOGLE_APPLICATION_CREDENTIALS are both set.",
                "Unset the one that is not meant.",
            ) from None

    return connect
