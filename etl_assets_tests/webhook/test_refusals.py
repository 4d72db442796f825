"""W2: huge bodies, malformed JSON, slow senders and other calls that are not kept."""

import gzip
import socket

import pytest

from etl_assets_tests.webhook.conftest import BODY_BYTES
from etl_assets_tests.webhook.service import Service, new_id, signed

PATH = "/webhooks/shop"


def test_w2_a_body_of_the_most_bytes_is_taken_and_one_more_is_not(service: Service) -> None:
    most = b'{"a": "%b"}' % (b"x" * (BODY_BYTES - 9))
    assert service.send(most).status == 200
    answer = service.send(most + b" ")
    assert (answer.status, f"{BODY_BYTES} bytes" in answer.text) == (413, True)


def test_w2_a_huge_body_of_unknown_length_is_refused_while_it_streams(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(
            b"POST /webhooks/shop HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        for _ in range(BODY_BYTES // 4096 + 1):
            client.sendall(chunk)
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_w2_a_sender_that_asks_before_a_huge_body_never_sends_it(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(
            b"POST /webhooks/shop HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"expect: 100-continue\r\ncontent-length: 9000000000\r\n\r\n"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_w2_a_slow_sender_is_given_up(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(
            b"POST /webhooks/shop HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b'content-length: 100\r\n\r\n{"a"'
        )
        answer = client.recv(1000)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer


def test_w2_a_head_without_end_is_refused(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(b"POST /webhooks/shop HTTP/1.1\r\n")
        for _ in range(9):
            client.sendall(b"x-more: " + b"y" * 8192 + b"\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 431 ")


@pytest.mark.soak
@pytest.mark.parametrize("sent", [b"", b"POST /webhooks/shop HT"], ids=["nothing", "a bit"])
def test_w2_a_slow_head_is_given_up(service: Service, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        client.sendall(sent)
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")
        assert client.recv(100) == b""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nope",
        b'{"a": 1',
        b'{"a": 1}}',
        b'{"a": NaN}',
        b'{"a": "\xff"}',
        b'"text"',
        b"null",
        b"[1, 2]",
        b'[{"a": 1},]',
        b'{"events": [{"a": 1}, 2]}',
        b"[" * 19_000,
    ],
)
def test_w2_what_is_no_event_is_refused_and_nothing_of_it_lands(
    service: Service, body: bytes
) -> None:
    before = len(service.landed())
    headers = [*signed(body), *([] if body else [("content-length", "0")])]
    assert service.call(PATH, body, headers).status == 400
    assert len(service.landed()) == before


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ("application/JSON", 200),
        ("application/cloudevents+json", 200),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
def test_w2_the_content_type_must_be_json(service: Service, kind: str, status: int) -> None:
    body = b'{"a": 1}'
    headers = [pair for pair in signed(body) if pair[0] != "content-type"]
    assert service.call(PATH, body, [*headers, ("content-type", kind)]).status == status


def test_w2_a_compressed_body_is_refused(service: Service) -> None:
    body = gzip.compress(b'{"a": 1}')
    headers = [*signed(body), ("content-encoding", "gzip")]
    assert service.call(PATH, body, headers).status == 415


def test_w2_unknown_sources_and_other_methods_are_refused(service: Service) -> None:
    body = b'{"a": 1}'
    answer = service.call("/webhooks/nobody", body, signed(body))
    assert (answer.status, answer.json) == (404, {"error": "there is no such source"})
    assert service.get(PATH).status == 405
    assert service.get("/elsewhere").status == 404


def test_several_events_of_a_call_land_each_with_its_own_bytes(service: Service) -> None:
    call_id = new_id()
    one, two = b'{"event_id": "%b-1", "x":1.50}' % call_id.encode(), b'{ "x" : 2 }'
    assert service.send(b" [%b ,%b\n]" % (one, two), call_id).json["events"] == 2
    other = new_id()
    assert service.send(b'{"events": [%b]}' % two, other).json["events"] == 1
    rows = {row[1]: row[2] for row in service.landed()}
    assert rows[f"{call_id}-1"] == one
    assert (rows[f"{call_id}/2"], rows[f"{other}/1"]) == (two, two)
    assert service.send(b"[]").json == {"status": "landed", "events": 0}


@pytest.mark.parametrize(
    ("body", "event_id"),
    [
        (b'{"event_id": "E-%b", "id": "x"}', "E-%s"),
        (b'{"event_id": null, "id": "x-%b"}', "x-%s"),
        (b'{"event_id": "", "id": 77, "for": "%b"}', "77"),
        (b'{"id": 1.5, "for": "%b"}', "%s"),
        (b'{"id": ["a"], "for": "%b"}', "%s"),
    ],
)
def test_an_events_id_is_the_senders_or_else_the_calls(
    service: Service, body: bytes, event_id: str
) -> None:
    call_id = new_id()
    sent = body % call_id.encode()
    assert service.send(sent, call_id).status == 200
    expected = event_id % call_id if "%s" in event_id else event_id
    assert [row[1] for row in service.landed() if row[2] == sent] == [expected]


def test_w2_ids_that_no_table_can_hold_land_by_their_payload(service: Service) -> None:
    for event_id in (b"a\\u0000b", b"x" * 5000):
        body = b'{"event_id": "%b", "for": "%b"}' % (event_id, new_id().encode())
        assert service.send(body).status == 200
        (found,) = [row[1] for row in service.landed() if row[2] == body]
        assert found.startswith("sha256:")


def test_health_readiness_and_counters_are_shown(service: Service) -> None:
    assert service.get("/health").json == {"status": "ok"}
    assert service.get("/ready").json == {"status": "ok"}
    service.send(b'{"a": 1}')
    shown = service.get("/metrics")
    assert shown.headers["content-type"].startswith("text/plain")
    for counted in (
        'webhook_calls_answered_total{outcome="landed",source="shop",status="200"}',
        'webhook_calls_received_total{source="shop"}',
        "webhook_commit_seconds_count",
        "webhook_spool_bytes 0.0",
        "webhook_database_up 1.0",
    ):
        assert counted in shown.text
