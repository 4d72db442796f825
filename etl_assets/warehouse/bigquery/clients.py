"""From options and settings to Google's clients: credentials, the emulator, Storage Read.

Under Dagster the client comes from dagster-gcp's `BigQueryResource` (`orchestration/`); what is
done with it stands in the other modules.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import bigquery

from etl_assets.config import Settings, has_google_account
from etl_assets.core.errors import ConfigError
from etl_assets.warehouse.bigquery.options import BigQueryOptions, parse_url

if TYPE_CHECKING:
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient

    from etl_assets.warehouse.bigquery.bucket import Bucket
    from etl_assets.warehouse.bigquery.warehouse import BigQueryWarehouse

Connect = Callable[[str | None, str | None], bigquery.Client]
"""From project and location to a client."""


@dataclass(frozen=True)
class Clients:
    """`storage` is None where only REST can be read, `bucket` where files go into the job."""

    rest: bigquery.Client
    storage: "BigQueryReadClient | None"
    bucket: "Bucket | None" = None

    def close(self) -> None:
        """Close the connections."""
        self.rest.close()  # type: ignore[no-untyped-call]
        if self.storage is not None:
            self.storage.transport.close()  # type: ignore[no-untyped-call]


def open_bigquery(
    url: str,
    settings: Settings,
    connect: Connect | None = None,
    *,
    prefix: str = "",
    read_only: bool = False,
) -> "BigQueryWarehouse":
    """The warehouse of the URL, not connected; raises ConfigError.

    `prefix` is an environment's, between the URL's own and the layer; with `read_only` it is
    production as that environment reads it. `connect` makes the client; without
    one the key in GCP_CREDENTIALS does, or Google's application default credentials.
    """
    from etl_assets.warehouse.bigquery.warehouse import BigQueryWarehouse

    options = parse_url(url)
    own = f"{options.dataset_prefix}{prefix}"
    if read_only:
        options = replace(options, staging_prefix=own)
    elif prefix:
        options = replace(options, dataset_prefix=own, environment=prefix.rstrip("_"))

    def clients() -> Clients:
        if settings.bigquery_emulator_host:
            return _emulated(options, settings)
        rest = _told(connect or _by_settings(settings), options)
        storage = _storage(rest) if options.read == "storage" else None
        return Clients(rest, storage, _bucket(options, settings) if options.bucket else None)

    return BigQueryWarehouse(
        options,
        clients,
        wait_seconds=settings.warehouse_wait_seconds,
        is_emulated=bool(settings.bigquery_emulator_host),
    )


def _told(connect: Connect, options: BigQueryOptions) -> bigquery.Client:
    try:
        return connect(options.project, options.location)
    except (DefaultCredentialsError, OSError, ValueError, KeyError):  # words may quote the key
        pass
    raise ConfigError(
        "There are no usable Google credentials here, or they name no project.",
        "Run `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS or "
        "GCP_CREDENTIALS (a service account's key, base64), and name the project in WAREHOUSE_URL.",
    )


def _by_settings(settings: Settings) -> Connect:
    """What dagster-gcp does with the settings, for commands that do not wait for Dagster."""
    key = settings.gcp_credentials

    def connect(project: str | None, location: str | None) -> bigquery.Client:
        if key is None:
            return bigquery.Client(project=project, location=location)
        if has_google_account():
            raise ConfigError(
                "GCP_CREDENTIALS and GOOGLE_APPLICATION_CREDENTIALS are both set.",
                "Unset the one that is not meant.",
            )
        account = json.loads(base64.b64decode(key, validate=True))
        project = project or account["project_id"]
        return bigquery.Client.from_service_account_info(  # type: ignore[no-untyped-call, no-any-return]
            account, project=project, location=location
        )

    return connect


def _emulated(options: BigQueryOptions, settings: Settings) -> Clients:
    rest = bigquery.Client(
        project=options.project or "emulated",
        location=options.location,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options=ClientOptions(api_endpoint=f"http://{settings.bigquery_emulator_host}"),
    )
    host = settings.bigquery_storage_emulator_host
    if host is None or options.read == "rest":
        return Clients(rest, None)
    import grpc  # type: ignore[import-untyped]
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
        BigQueryReadGrpcTransport,
    )

    channel = grpc.insecure_channel(host, [("grpc.max_receive_message_length", -1)])
    transport = BigQueryReadGrpcTransport(channel=channel)
    return Clients(rest, BigQueryReadClient(transport=transport))  # type: ignore[no-untyped-call]


def _storage(rest: bigquery.Client) -> "BigQueryReadClient":
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient

    # The credentials of the other client, as the library itself does it.
    return BigQueryReadClient(credentials=rest._credentials)  # type: ignore[no-untyped-call]


def _bucket(options: BigQueryOptions, settings: Settings) -> "Bucket":
    from obstore.store import GCSConfig, GCSStore

    from etl_assets.warehouse.bigquery.bucket import Bucket

    name, _, folder = (options.bucket or "").strip("/").partition("/")
    key = settings.gcp_credentials
    config: GCSConfig = {"service_account_key": base64.b64decode(key).decode()} if key else {}
    store = GCSStore(name, prefix=folder or None, config=config)
    return Bucket(store, f"gs://{name}/{folder}")
