"""The suite on BigQuery: the emulator of the session, datasets of the test's own."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from etl_assets.core.table import LayerTable
from etl_assets.warehouse.limits import Limit
from etl_assets_tests.bigquery_server import EmulatedBigQuery
from etl_assets_tests.contract.backends import Backend, Rows, settings_of


def _settings(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    server: EmulatedBigQuery = request.getfixturevalue("bigquery_server")
    prefix = f"t{uuid.uuid4().hex[:10]}_"
    return {
        "warehouse_url": f"bigquery://proj?dataset_prefix={prefix}",
        "bigquery_emulator_host": server.rest_host,
        "bigquery_storage_emulator_host": server.grpc_host,
        "warehouse_wait_seconds": 30,
    }


@contextmanager
def _client(folder: Path) -> Iterator[bigquery.Client]:
    client = bigquery.Client(
        project="proj",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"http://{settings_of(folder).bigquery_emulator_host}"},
    )
    with closing(client):
        yield client


def _query(folder: Path, sql: str) -> Rows:
    with _client(folder) as client:
        return [tuple(row.values()) for row in client.query(sql).result(retry=None)]


def _prefix(folder: Path) -> str:
    return (settings_of(folder).warehouse_url or "").split("dataset_prefix=")[1]


def _rows(folder: Path, dataset: str, table: str, columns: Sequence[str]) -> Rows:
    names = ", ".join(f"`{name}`" for name in columns)
    return _query(
        folder, f"SELECT {names} FROM `{_prefix(folder)}{dataset}`.`{table}` ORDER BY {names}"
    )


def _descriptions(folder: Path, table: LayerTable) -> dict[str, str]:
    with _client(folder) as client:
        found = client.get_table(f"proj.{_prefix(folder)}{table.layer}.{table.name}")
    return {"": found.description, **{field.name: field.description for field in found.schema}}


def _run(folder: Path, statement: str) -> None:
    _query(folder, statement)


def _clean(folder: Path) -> None:
    # The emulator's every request takes longer with every table that there is.
    with _client(folder) as client:
        for dataset in list(client.list_datasets()):
            if dataset.dataset_id.startswith(_prefix(folder)):
                client.delete_dataset(dataset.reference, delete_contents=True)


REFUSED = "test_any_other_change_of_a_contract_is_refused_with_what_to_run"

BIGQUERY = Backend(
    "bigquery",
    _settings,
    _rows,
    _descriptions,
    _run,
    _clean,
    {
        **{
            f"test_odd_names_of_tables_and_columns_are_quoted[{name}]": Limit.NAMES
            for name in ('say "hi"', "semi;colon", "it's", "per%cent")
        },
        **{
            f"test_c16_m12_every_dtype_comes_back_exactly[list of {kind}]": Limit.NULL_LISTS
            for kind in ("int64", "text", "decimal", "moments")
        },
        "test_c16_m12_every_dtype_comes_back_exactly[list of lists]": Limit.NESTED_LISTS,
        "test_the_digest_of_a_list_tells_null_from_empty_and_from_text": Limit.NULL_LISTS,
        "test_c16_numbers_in_json_keep_all_digits": Limit.JSON_NUMBERS,
        f"{REFUSED}[narrowed]": Limit.INTEGER_WIDTHS,
        "test_the_statement_of_the_message_migrates_the_table[now required]": Limit.NOW_REQUIRED,
        "test_the_ends_of_the_calendar_are_days_like_any_other": Limit.CALENDAR,
    },
    # Its BIGNUMERIC has 20 digits before the point and 18 behind it; the service has 38 of each,
    # as the tests of `bigquery_real` show.
    beyond_the_emulator=frozenset(
        f"test_c16_m12_every_dtype_comes_back_exactly[decimal(38,{scale})]" for scale in (0, 38)
    ),
)
