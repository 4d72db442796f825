"""Ids of jobs: what is there already is taken, what failed has spent its id (L1)."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from etl_assets.core.errors import WarehouseError
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.options import BigQueryOptions
from etl_assets_tests.bigquery_server import EmulatedBigQuery


@pytest.fixture
def client(bigquery_server: EmulatedBigQuery) -> Iterator[bigquery.Client]:
    with closing(bigquery_server.client()) as client:
        yield client


@pytest.fixture
def job_id(client: bigquery.Client) -> str:
    """An id of which the first attempt has failed, in another process."""
    found = f"etl_test_{uuid.uuid4().hex}"
    with pytest.raises(GoogleAPICallError, match="boo"):
        client.query("SELECT ERROR('boo')", job_id=f"{found}_0", job_retry=None).result()
    return found


def test_l1_a_failed_job_gets_the_next_id_and_whoever_asks_again_takes_that_one(
    client: bigquery.Client, job_id: str
) -> None:
    for _ in range(3):  # each as a process of its own would: it starts from the first id
        jobs = Jobs(client, BigQueryOptions(), wait_seconds=20)
        assert jobs.query("SELECT 1", job_id).job_id == f"{job_id}_1"


def test_l1_a_job_that_does_something_else_is_never_taken(
    client: bigquery.Client, job_id: str
) -> None:
    jobs = Jobs(client, BigQueryOptions(), wait_seconds=20)
    jobs.query("SELECT 1", job_id)
    with pytest.raises(WarehouseError, match="belongs to a job that does something else"):
        jobs.query("SELECT 2", job_id)
