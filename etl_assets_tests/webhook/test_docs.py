"""docs/webhooks.md names every setting, every status and every path of the service."""

import re
from pathlib import Path

from etl_assets.config import WebhookSettings
from etl_assets.webhook.openapi import document
from etl_assets.webhook.schemes import SCHEMES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "webhooks.md").read_text()


def test_every_setting_of_the_service_is_in_its_table() -> None:
    fields = WebhookSettings.model_fields
    variables = {str(fields[name].validation_alias) for name in fields if name != "sources"}
    assert set(re.findall(r"`(WEBHOOK_[A-Z_]+)`", PAGE.partition("## What a call")[0])) == variables
    assert "`WEBHOOK_SECRETS_<SOURCE>`" in PAGE
    assert "webhooks.md" in (DOCS / "operating.md").read_text()


def test_defaults_are_those_of_the_settings() -> None:
    settings = WebhookSettings()
    for value in (settings.body_bytes, settings.read, settings.rate, settings.commit):
        assert f"| {value:g} |" in PAGE or f"| {value} |" in PAGE
    assert f"| {settings.spool_bytes} |" in PAGE


def test_every_status_path_and_scheme_is_named() -> None:
    paths = document(WebhookSettings())["paths"]
    statuses = set(paths["/webhooks/{source}"]["post"]["responses"])
    assert set(re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)) == statuses
    assert all(f"`GET {path}`" in PAGE for path in paths if path != "/webhooks/{source}")
    assert all(f"| `{scheme}` |" in PAGE for scheme in SCHEMES)
