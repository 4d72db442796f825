"""BigQuery under Dagster: credentials by dagster-gcp's resource, costs in the materialisations."""

import base64
import json
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud import bigquery

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError
from etl_assets.orchestration.platform import open_platform
from etl_assets.pipeline.platform import Platform
from etl_assets.warehouse.bigquery import BigQueryWarehouse
from etl_assets_tests.bigquery_server import EmulatedBigQuery
from etl_assets_tests.orchestration.shop import DAYS, metadata_of, open_shop

ACCOUNT = "loader@my-project.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def key() -> str:
    """A service account's key as Google hands it out, of an account that nobody has."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key": pem.decode(),
        "client_email": ACCOUNT,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return base64.b64encode(json.dumps(account).encode()).decode()


def clients_of(warehouse: object) -> bigquery.Client:
    return cast("BigQueryWarehouse", warehouse)._clients.rest


@pytest.mark.parametrize("opened", [open_platform, Platform])
def test_credentials_project_and_location_come_from_the_settings(
    opened: Callable[[Settings], Platform],
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    url = "bigquery://other-project?location=EU"
    platform = opened(Settings(home=tmp_path, warehouse_url=url, gcp_credentials=key))
    with closing(platform.warehouse) as warehouse:
        client = clients_of(warehouse)
        assert client._credentials.service_account_email == ACCOUNT
        assert (client.project, client.location) == ("other-project", "EU")
    assert key not in repr(platform)


@pytest.mark.parametrize("opened", [open_platform, Platform])
def test_two_accounts_at_once_are_refused(
    opened: Callable[[Settings], Platform],
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    settings = Settings(home=tmp_path, warehouse_url="bigquery://p", gcp_credentials=key)
    with pytest.raises(ConfigError, match="both set"):
        opened(settings).warehouse.state()


@pytest.mark.parametrize("opened", [open_platform, Platform])
@pytest.mark.parametrize("wrong", ["not base64 at all", base64.b64encode(b"{}").decode()])
def test_a_key_that_is_none_is_refused_and_never_shown(
    opened: Callable[[Settings], Platform],
    wrong: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    settings = Settings(home=tmp_path, warehouse_url="bigquery://p", gcp_credentials=wrong)
    with pytest.raises(ConfigError, match="no usable Google credentials") as caught:
        opened(settings).warehouse.state()
    assert wrong not in str(caught.value)


@pytest.mark.thorough
def test_a_materialisation_shows_what_it_has_cost(
    database_url: str, tmp_path: Path, bigquery_server: EmulatedBigQuery
) -> None:
    prefix = f"cost_{uuid.uuid4().hex[:8]}_"
    with open_shop(
        database_url,
        tmp_path,
        warehouse_url=f"bigquery://proj?dataset_prefix={prefix}",
        bigquery_emulator_host=bigquery_server.rest_host,
        bigquery_storage_emulator_host=bigquery_server.grpc_host,
    ) as shop:
        result = shop.load("raw/orders", "staged/orders")
        assert result.success
        for path in ("raw/orders", "staged/orders"):
            found = metadata_of(result, path)
            assert set(found) == {day.isoformat() for day in DAYS}
            for metadata in found.values():
                kinds = [record.data["kind"] for record in metadata["jobs"].records]
                assert kinds in (["load", "query"], ["load", "load", "query"])
                assert metadata["bytes_processed"] > 0  # what was loaded
                assert {"bytes_billed", "slot_seconds"} <= set(metadata)
        states = shop.state("staged/orders").values()
        # Days made of others carry the moment at which they were read, on the service's clock.
        assert all(abs(datetime.now(UTC) - s.as_of) < timedelta(minutes=5) for s in states)
    with closing(bigquery_server.client()) as client:
        for dataset in list(client.list_datasets()):
            if dataset.dataset_id.startswith(prefix):
                client.delete_dataset(dataset.reference, delete_contents=True)
