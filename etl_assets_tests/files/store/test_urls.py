"""A store is opened by its URL and settings, whose secrets are never shown."""

import pytest

from etl_assets.config import ObjectStoreSettings, read_settings
from etl_assets.core.errors import (
    ConfigError,
)
from etl_assets.sources.files.store import open_store
from etl_assets_tests.files.store.objects import SECRET, keys
from etl_assets_tests.s3_server import S3Server


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket", "RemoteStore(s3://bucket)"),
        ("s3://bucket/", "RemoteStore(s3://bucket)"),
        ("s3://bucket/a/b%20c/", "RemoteStore(s3://bucket/a/b%20c)"),
        ("gs://bucket/prefix", "RemoteStore(gs://bucket/prefix)"),
        ("az://container/prefix", "RemoteStore(az://container/prefix)"),
        ("file:///data/in%20box/", "LocalFolder(file:///data/in box)"),
        ("file:///", "LocalFolder(file:///)"),
    ],
)
def test_a_store_is_opened_by_its_url(url: str, shown: str) -> None:
    credentials = {"AZURE_STORAGE_ACCOUNT_NAME": "account", "GOOGLE_SKIP_SIGNATURE": "true"}
    settings = ObjectStoreSettings(url=url, credentials=credentials)
    assert repr(open_store(settings)) == shown


@pytest.mark.parametrize(
    "url",
    [
        *("bucket", "/folder", "http://host/x", "s3://", "s3:///x", f"s3://key:{SECRET}@bucket/x"),
        *("s3://bucket/a?region=x", "s3://bucket/a#b", "s3://bucket/a/../b", "s3://bucket/a//b"),
        *("file://host/folder", "file:folder", "file:///a?b", "az://"),
    ],
)
def test_a_url_that_is_none_is_named_by_its_setting(url: str) -> None:
    with pytest.raises(ConfigError, match="OBJECT_STORE_URL") as caught:
        open_store(ObjectStoreSettings(url=url))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "given", "says"),
    [
        ("s3://b", {"AWS_ACCESS_KEY_ID": SECRET}, "AWS_"),
        ("gs://b", {"GOOGLE_APPLICATION_CREDENTIALS": f"/no/{SECRET}"}, "GOOGLE_"),
        ("gs://b", {"GCP_CREDENTIALS": SECRET}, "GCP_CREDENTIALS"),
        ("az://c", {"AZURE_STORAGE_ACCOUNT_KEY": SECRET}, "AZURE_"),
    ],
)
def test_credentials_that_cannot_be_used_are_named_and_not_quoted(
    url: str, given: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        open_store(ObjectStoreSettings(url=url, credentials=given))
    assert SECRET not in str(caught.value)
    assert not caught.value.__context__


def test_no_store_and_no_endpoint_are_told() -> None:
    with pytest.raises(ConfigError, match="Set OBJECT_STORE_URL"):
        open_store(ObjectStoreSettings())
    with pytest.raises(ConfigError, match="OBJECT_STORE_ENDPOINT is not a URL"):
        open_store(ObjectStoreSettings(url="s3://b", endpoint=f"minio:{SECRET}"))


def test_settings_come_from_the_environment_and_show_no_secret(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "a", b"x")
    settings = read_settings(
        {
            "OBJECT_STORE_URL": f"s3://{bucket}",
            "OBJECT_STORE_ENDPOINT": f"http://{s3.host}",
            "OBJECT_STORE_PATIENCE_SECONDS": "7",
            "AWS_ACCESS_KEY_ID": "reader",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_PROFILE": "is no matter of ours",
        }
    )
    assert settings.object_store.patience == 7
    assert keys(open_store(settings.object_store)) == ["a"]
    assert SECRET not in repr(settings)
