"""A1: what a request is answered with, and what becomes of it, over real sockets."""

import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from etl_assets.config import HttpSettings
from etl_assets.core.errors import SourceError, SourceUnavailable
from etl_assets.core.http_connections import HttpConnection
from etl_assets.sources.http import client
from etl_assets.sources.http.client import HttpClient
from etl_assets.sources.http.paging import Request
from etl_assets.sources.http.retrying import asked_to_wait, pause
from etl_assets_tests.http_api.server import Asked, Reply, by_cursor, first, said, serve
from etl_assets_tests.http_api.things import DAY, open_things, row, thing

ITEMS = [thing(number) for number in range(1, 8)]
ROWS = [row(item) for item in ITEMS]
LATE = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)
GOOD = by_cursor(ITEMS, 3)(Asked("/things", {"cursor": "c3"}, {}))

PASSING: dict[str, Reply] = {
    "429 with Retry-After 0": said({}, 429, Retry_After="0"),
    "429 with Retry-After as seconds": said({}, 429, Retry_After="1"),
    "429 with Retry-After as a date that is over": said({}, 429, Retry_After=LATE),
    "429 with Retry-After that is nonsense": said({}, 429, Retry_After="soon"),
    "429 with a negative Retry-After": said({}, 429, Retry_After="-5"),
    "429 without Retry-After": said({}, 429),
    "500": said({}, 500),
    "502 with a page of HTML": Reply(b"<html>", 502),
    "503": said({}, 503),
    "504": said({}, 504),
    "408": said({}, 408),
    "no answer": Reply(hangs=True),
    "a closed connection": Reply(drops=True),
    "a body that is cut": Reply(GOOD.body, cut=20),
    "a body that is cut between chunks": Reply(GOOD.body, cut=20, chunked=True),
    "a body that is packed wrong": Reply(b"no gzip", headers={"Content-Encoding": "gzip"}),
    "half of the JSON": Reply(GOOD.body[:20]),
    "a page of HTML with 200": Reply(b"<html>we are busy</html>"),
    "nothing with 200": Reply(b""),
    "an error with 200": said({"error": "busy"}),
}


def is_second_page(asked: Asked) -> bool:
    return asked.params.get("cursor") == "c3"


@pytest.mark.parametrize("what", PASSING)
def test_a1_a_page_that_fails_is_asked_for_again_by_itself(tmp_path: Path, what: str) -> None:
    answers = first([PASSING[what]], by_cursor(ITEMS, 3), is_second_page)
    with serve(answers) as api, open_things(api, tmp_path, idle=0.3) as things:
        assert things.read() == ROWS
    assert [asked.params.get("cursor") for asked in api.asked] == [None, "c3", "c3", "c6"]


def test_a1_a_date_in_retry_after_is_on_the_clock_of_the_answer(tmp_path: Path) -> None:
    ahead = datetime(2031, 1, 1, tzinfo=UTC)
    until = format_datetime(ahead + timedelta(seconds=1), usegmt=True)
    headers = {"retry-after": until, "date": format_datetime(ahead, usegmt=True)}
    assert asked_to_wait(headers) == 1
    assert asked_to_wait({"retry-after": until}, ahead) == 1
    assert asked_to_wait({"retry-after": "7"}) == 7
    assert [asked_to_wait({"retry-after": text}) for text in ("", "soon", "-1", "1e9")] == [
        None,
        None,
        None,
        None,
    ]


def test_a1_waits_have_jitter_and_grow_and_are_never_shorter_than_asked() -> None:
    assert len({pause(3, None) for _ in range(20)}) > 10
    assert all(2 <= pause(tries, 2) <= 2.5 for tries in range(1, 30))
    assert all(pause(1, 0) < 0.1 for _ in range(20))
    assert all(pause(9, after) > 5 for after in (0, None) for _ in range(20))
    assert all(pause(1000, None) <= 22.5 for _ in range(20))


def test_a1_an_api_that_never_gets_well_is_given_up_in_time(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        serve(lambda _: said({}, 503)) as api,
        open_things(api, tmp_path, patience=0.3) as things,
        pytest.raises(SourceUnavailable, match=r"answered with status 503, asked \d times") as told,
    ):
        things.read()
    assert "HTTP_API_PATIENCE_SECONDS" in str(told.value)
    assert time.monotonic() - began < 60
    assert len(api.asked) < 30


def test_a1_a_wait_that_is_longer_than_our_patience_is_not_waited_for(tmp_path: Path) -> None:
    with (
        serve(lambda _: said({}, 429, Retry_After="86400")) as api,
        open_things(api, tmp_path, patience=5) as things,
        pytest.raises(SourceUnavailable, match="asks to wait for 86,400 seconds"),
    ):
        things.read()
    assert len(api.asked) == 1


PERMANENT = {
    400: "Compare the spec",
    401: "Set HTTP_API_TOKEN_SHOP",
    403: "Set HTTP_API_TOKEN_SHOP",
    404: "HTTP_API_URL_SHOP",
    409: "Compare the spec",
    422: "Compare the spec",
    301: "Redirects are not followed",
    501: "Compare the spec",
}


@pytest.mark.parametrize("status", PERMANENT)
def test_a1_what_no_retry_changes_is_said_at_once_with_what_to_do(
    tmp_path: Path, status: int
) -> None:
    with (
        serve(lambda _: said({"secret": "c4n4ry"}, status, Location="/x")) as api,
        open_things(api, tmp_path) as things,
        pytest.raises(SourceError, match=PERMANENT[status]) as told,
    ):
        things.read()
    assert f"answered with status {status}" in str(told.value)
    assert "c4n4ry" not in str(told.value)
    assert len(api.asked) == 1


def test_a1_an_api_that_is_not_there_says_which_url(tmp_path: Path) -> None:
    with serve(lambda _: said({})) as api:
        pass
    with (
        open_things(api.url, tmp_path, patience=0) as things,
        pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1.* could not be reached"),
    ):
        things.read()


def test_a1_a_failure_in_the_middle_leaves_what_was_published(tmp_path: Path) -> None:
    with serve(by_cursor(ITEMS, 3)) as api, open_things(api, tmp_path) as things:
        things.one()
        api.answers = first([said({}, 400)], by_cursor(ITEMS[:4], 3), is_second_page)
        with pytest.raises(SourceError):
            things.load(DAY)
        api.answers = lambda _: said({"error": "busy", "items": []})
        with pytest.raises(SourceError, match="says that it is an error"):
            things.load(DAY)
        assert things.published() == ROWS
        api.answers = by_cursor(ITEMS[:4], 3)
        things.one()
        assert things.published() == ROWS[:4]
    assert not list((tmp_path / "spool").glob("*"))


def test_a1_an_answer_that_drips_is_given_up_in_time(tmp_path: Path) -> None:
    began = time.monotonic()
    with serve(lambda _: Reply(GOOD.body * 500, drips=True)) as api:
        http = HttpClient(HttpSettings(answer=0.2, patience=0), "shop", url=api.url)
        with pytest.raises(SourceUnavailable, match="did not get done with its answer in time"):
            http.get(Request(api.url, {}), lambda answer: answer)
        http.close()
    assert time.monotonic() - began < 60


def test_an_answer_without_an_end_is_cut_off(tmp_path: Path) -> None:
    with serve(lambda _: Reply(b"[" + b" " * 5000 + b"]")) as api:
        http = HttpClient(HttpSettings(), "shop", url=api.url, most_bytes=1000)
        with pytest.raises(SourceError, match="more than 1,000 bytes"):
            http.get(Request(api.url, {}), lambda answer: answer)
        http.close()


@pytest.fixture
def tls_contexts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ssl.SSLContext]]:
    """The contexts that authorities are read into, which takes its time, as they are made."""
    made: list[ssl.SSLContext] = []

    def make() -> ssl.SSLContext:
        made.append(ssl.create_default_context())
        return made[-1]

    client._trusted.cache_clear()
    monkeypatch.setattr(client.httpx2, "create_ssl_context", make)
    yield made
    client._trusted.cache_clear()


def refused(http: HttpClient, url: str) -> None:
    with pytest.raises((SourceError, SourceUnavailable)):
        http.get(Request(url, {}), lambda answer: answer)


def test_authorities_are_read_for_the_first_request_with_tls_and_not_before(
    tls_contexts: list[ssl.SSLContext],
) -> None:
    with serve(lambda _: GOOD) as api:
        http = HttpClient(HttpSettings(patience=0), "shop", url=api.url)
        assert http.get(Request(api.url, {}), lambda answer: answer.body) == GOOD.body
        assert not tls_contexts
        refused(http, f"https://127.0.0.1:{urlsplit(api.url).port}/")  # it does not speak TLS
        assert len(tls_contexts) == 1
        refused(http, f"https://127.0.0.1:{urlsplit(api.url).port}/")
        assert len(tls_contexts) == 1
        http.close()


def test_authorities_are_read_where_the_token_is_given_with_tls(
    tls_contexts: list[ssl.SSLContext],
) -> None:
    with serve(lambda _: GOOD) as api:
        token = f"https://127.0.0.1:{urlsplit(api.url).port}/token"
        asked = HttpConnection(api.url, oauth_url=token, oauth_id="i", oauth_secret="s")
        http = HttpClient(HttpSettings(patience=0, apis={"shop": asked}), "shop")
        refused(http, api.url)
        assert len(tls_contexts) == 1
        http.close()


def test_without_tls_no_certificate_is_trusted() -> None:
    context = client._nobody_trusted()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert not context.get_ca_certs()
