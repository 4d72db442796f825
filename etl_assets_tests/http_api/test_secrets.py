"""What a request shows to an API, what settings cannot be, and that no secret is ever shown."""

import base64
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from etl_assets.config import Settings, read_settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import ConfigError, SourceError
from etl_assets.core.http_connections import HttpConnection
from etl_assets.core.http_specs import NextUrl
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.http_api.server import Asked, Reply, by_cursor, said, serve
from etl_assets_tests.http_api.things import SOURCE, SPEC, open_things, row, thing

CANARY = "c4n4ry"
ITEMS = [thing(1), thing(2), thing(3)]
BASIC = base64.b64encode(f"reader:{CANARY}".encode()).decode()

SHOWN: dict[str, tuple[HttpConnection, str, str]] = {
    "bearer": (HttpConnection(token=CANARY), "authorization", f"Bearer {CANARY}"),
    "basic": (HttpConnection(user="reader", password=CANARY), "authorization", f"Basic {BASIC}"),
    "header": (HttpConnection(header=f"X-Api-Key: {CANARY}"), "x-api-key", CANARY),
}
NAMED = {
    "bearer": "HTTP_API_TOKEN_SHOP",
    "basic": "HTTP_API_USER_SHOP and HTTP_API_PASSWORD_SHOP",
    "header": "HTTP_API_HEADER_SHOP",
}


@pytest.mark.parametrize("kind", SHOWN)
def test_a_request_shows_what_the_settings_say(tmp_path: Path, kind: str) -> None:
    connection, name, value = SHOWN[kind]
    with (
        serve(by_cursor(ITEMS, 2)) as api,
        open_things(api, tmp_path, connection=connection) as things,
    ):
        assert things.read() == [row(item) for item in ITEMS]
    assert [asked.headers[name] for asked in api.asked] == [value, value]


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_setting_and_not_its_value(
    tmp_path: Path, kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        serve(lambda _: said({"token": CANARY}, status)) as api,
        open_things(api, tmp_path, connection=SHOWN[kind][0]) as things,
        pytest.raises(SourceError, match=NAMED[kind]) as told,
    ):
        things.read()
    assert CANARY not in f"{told.value}{told.value!r}{caplog.text}{things.platform.settings!r}"


OAUTH = HttpConnection(oauth_id="us", oauth_secret=CANARY, oauth_scope="read")


class Tokens:
    """An API whose tokens are good for so many requests, with a place where they are given."""

    def __init__(self, lasts: int, **more: Any) -> None:
        self.lasts, self.more, self.given, self.left = lasts, more, 0, 0

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            self.given, self.left = self.given + 1, self.lasts
            return said({"access_token": f"t{self.given}", "token_type": "bearer", **self.more})
        self.left -= 1
        if asked.headers.get("authorization") != f"Bearer t{self.given}" or self.left < 0:
            return said({}, 401)
        return by_cursor(ITEMS, 1)(asked)


def test_a_token_is_asked_for_by_client_credentials_and_kept(tmp_path: Path) -> None:
    tokens = Tokens(9, expires_in=3600)
    with serve(tokens) as api:
        connection = replace(OAUTH, oauth_url=f"{api.url}/token")
        with open_things(api, tmp_path, connection=connection) as things:
            assert things.read() == [row(item) for item in ITEMS]
    asked = api.asked[0]
    basic = base64.b64encode(f"us:{CANARY}".encode()).decode()
    assert asked.headers["authorization"] == f"Basic {basic}"
    assert parse_qs(asked.body) == {"grant_type": ["client_credentials"], "scope": ["read"]}
    assert tokens.given == 1


@pytest.mark.parametrize("more", [{"expires_in": 1}, {"expires_in": 3600}])
def test_a_token_that_ended_is_renewed_in_the_middle(tmp_path: Path, more: Any) -> None:
    tokens = Tokens(1, **more)
    with serve(tokens) as api:
        connection = replace(OAUTH, oauth_url=f"{api.url}/token")
        with open_things(api, tmp_path, connection=connection) as things:
            assert things.read() == [row(item) for item in ITEMS]
    assert tokens.given == 3


NO_TOKEN: dict[str, tuple[Reply, str]] = {
    "refused": (said({"error": CANARY}, 400), "gave no token .status 400.*HTTP_API_OAUTH_ID_SHOP"),
    "another answer": (said([CANARY]), "answered without a token.*HTTP_API_OAUTH_URL_SHOP"),
    "no JSON": (Reply(CANARY.encode()), "answered without a token"),
    "empty": (said({"access_token": ""}), "answered without a token"),
}


@pytest.mark.parametrize("what", NO_TOKEN)
def test_a_token_that_is_none_is_said_without_a_secret(tmp_path: Path, what: str) -> None:
    with serve(lambda _: NO_TOKEN[what][0]) as api:
        connection = replace(OAUTH, oauth_url=f"{api.url}/token")
        with (
            open_things(api, tmp_path, connection=connection) as things,
            pytest.raises(SourceError, match=NO_TOKEN[what][1]) as told,
        ):
            things.read()
    assert CANARY not in f"{told.value}{told.value.__context__!r}"


def test_no_secret_is_in_what_is_kept_of_a_load(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A next URL may be signed, and its parameters are shown nowhere."""
    caplog.set_level(logging.DEBUG)

    def answer(asked: Asked) -> Reply:
        if "signature" in asked.params:
            return said({"items": [thing(2), thing(3, amount="x")]})
        return said({"items": [thing(1)], "next": f"/things?signature={CANARY}"})

    source = replace(SOURCE, pagination=NextUrl(), params={"region": "eu"})
    connection = HttpConnection(token=CANARY)
    with (
        serve(answer) as api,
        open_things(api, tmp_path, source=source, connection=connection) as things,
    ):
        loaded = things.one()
        kept = f"{loaded.query}{loaded.source}{things.quarantined()}{things.states()}{caplog.text}"
        assert CANARY not in kept
        assert loaded.query.startswith(f"GET {api.url}/things?region=eu: 2 pages, 3 items")
        assert loaded.source == f"http:{api.url}/things"


WRONG = {
    "no URL": ({"URL": "shop"}, "HTTP_API_URL_SHOP is no URL"),
    "another scheme": ({"URL": "ftp://shop/x"}, "HTTP_API_URL_SHOP is no URL"),
    "a password in the URL": ({"URL": f"https://u:{CANARY}@shop/x"}, "HTTP_API_PASSWORD_SHOP"),
    "a key in the URL": ({"URL": f"https://shop/x?key={CANARY}"}, "has parameters in it"),
    "two ways": (
        {"TOKEN": CANARY, "HEADER": f"K: {CANARY}"},
        "HTTP_API_TOKEN_SHOP and HTTP_API_HEADER_SHOP are both set",
    ),
    "a user alone": ({"USER": CANARY}, "HTTP_API_USER_SHOP is set and HTTP_API_PASSWORD_SHOP"),
    "no secret": (
        {"OAUTH_URL": "https://shop/t", "OAUTH_ID": CANARY},
        "HTTP_API_OAUTH_SECRET_SHOP is not",
    ),
    "a header without a value": ({"HEADER": CANARY}, "HTTP_API_HEADER_SHOP is no header"),
    "a line break": ({"TOKEN": f"{CANARY}\nX: y"}, "HTTP_API_TOKEN_SHOP has a line break"),
    "an OAuth URL that is none": (
        {"OAUTH_URL": CANARY, "OAUTH_ID": "a", "OAUTH_SECRET": "b"},
        "HTTP_API_OAUTH_URL_SHOP is no URL",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_setting_that_cannot_be_is_named_and_not_quoted(what: str) -> None:
    given, reason = WRONG[what]
    with pytest.raises(ConfigError, match=reason) as told:
        read_settings({f"HTTP_API_{name}_SHOP": text for name, text in given.items()})
    assert CANARY not in str(told.value)


def test_connections_are_known_by_their_names() -> None:
    settings = read_settings(
        {
            "HTTP_API_URL_SHOP": "https://shop/api",
            "HTTP_API_OAUTH_URL_MY_PARTNER": "https://partner/token",
            "HTTP_API_OAUTH_ID_MY_PARTNER": "us",
            "HTTP_API_OAUTH_SECRET_MY_PARTNER": CANARY,
            "HTTP_API_PATIENCE_SECONDS": "7",
        }
    )
    assert set(settings.http.apis) == {"shop", "my_partner"}
    assert settings.http.apis["my_partner"].oauth_id == "us"
    assert settings.http.patience == 7
    assert (settings.has_source, settings.last_day) == (True, None)
    assert CANARY not in repr(settings)
    with pytest.raises(ConfigError, match="HTTP_API_IDLE_SECONDS"):
        read_settings({"HTTP_API_IDLE_SECONDS": CANARY})


def test_a_connection_without_a_url_is_said_with_its_variable(tmp_path: Path) -> None:
    platform = Platform(Settings(home=tmp_path), given_catalog=Catalog.of([SPEC]))
    with pytest.raises(ConfigError, match=r"HTTP_API_URL_SHOP is not set.*https://host/path"):
        platform.unseen_source(platform.catalog["raw/things"])
