"""What a bigquery:// URL may say, and what is said of one that is wrong."""

import pytest

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError
from etl_assets.warehouse.bigquery import open_bigquery
from etl_assets.warehouse.bigquery.options import BigQueryOptions, parse_url


def test_everything_in_the_url_has_a_default() -> None:
    assert parse_url("bigquery://my-project") == BigQueryOptions(project="my-project")
    assert parse_url("bigquery://").project is None


def test_all_parameters_are_read() -> None:
    url = (
        "bigquery://example.com:my-project/?dataset_prefix=an_&location=EU"
        "&require_partition_filter=true&maximum_bytes_billed=1000&job_timeout_seconds=60"
        "&bucket=b/f&read=rest"
    )
    assert parse_url(url) == BigQueryOptions(
        project="example.com:my-project",
        dataset_prefix="an_",
        location="EU",
        require_partition_filter=True,
        maximum_bytes_billed=1000,
        job_timeout_seconds=60,
        bucket="b/f",
        read="rest",
    )


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("bigquery://project/dataset", "names no project"),
        ("bigquery://user:secret@project", "names no project"),
        ("bigquery://project?dataset=x", "a parameter 'dataset'; there are dataset_prefix"),
        ("bigquery://project?dataset_prefix=a-b", "a dataset_prefix that cannot be"),
        ("bigquery://project?maximum_bytes_billed=0", "a maximum_bytes_billed that cannot be"),
        ("bigquery://project?require_partition_filter=yes", "require_partition_filter"),
        ("bigquery://project?read=fast", "a read that cannot be"),
        ("bigquery://project?location=", "a location that cannot be"),
    ],
)
def test_a_url_that_cannot_be_is_refused_by_parameter(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_without_credentials_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key-of-somebody.json")
    home = tmp_path_factory.mktemp("home")
    warehouse = open_bigquery("bigquery://project", Settings(home=home))
    with pytest.raises(ConfigError, match="gcloud auth application-default login") as caught:
        warehouse.state()
    assert "key-of-somebody" not in str(caught.value)
