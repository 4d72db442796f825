"""W1: replayed, forged and tampered calls, and secrets that rotate, over real sockets."""

import hashlib
import hmac
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from etl_assets.core.errors import ConfigError
from etl_assets.webhook.schemes import NotSigned, Standard, scheme_of
from etl_assets_tests.webhook.service import (
    OLD_SECRET,
    PLAIN_SECRET,
    SECRET,
    Headers,
    Service,
    new_id,
    signature,
    signed,
)

BODY = b'{"event_id": "e-1", "type": "view"}'
PATH = "/webhooks/shop"


def changed(headers: Headers, **values: str | None) -> Headers:
    """Headers with others in their places; None takes one out."""
    named = {name.replace("_", "-"): value for name, value in values.items()}
    kept = [(name, named.get(name, value)) for name, value in headers]
    return [(name, value) for name, value in kept if value is not None]


def test_w1_a_signed_call_lands_byte_for_byte(service: Service) -> None:
    call_id = new_id()
    body = b' {"event_id" : "%b", "price": 1.10, "n": 12345678901234567890123}\n' % call_id.encode()
    answer = service.send(body, call_id)
    assert (answer.status, answer.json) == (200, {"status": "landed", "events": 1})
    assert ("shop", call_id, body) in service.landed()


@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_"), OLD_SECRET])
def test_w1_each_secret_is_good_while_they_rotate(service: Service, secret: str) -> None:
    assert service.call(PATH, BODY, signed(BODY, secret=secret)).status == 200


def test_w1_the_librarys_own_signature_is_good(service: Service) -> None:
    call_id, now = new_id(), datetime.now(UTC).replace(microsecond=0)
    given = Webhook(SECRET).sign(call_id, now, BODY.decode())
    headers = changed(
        signed(BODY),
        webhook_id=call_id,
        webhook_timestamp=str(int(now.timestamp())),
        webhook_signature=given,
    )
    assert service.call(PATH, BODY, headers).status == 200


def test_w1_one_good_signature_among_several_in_one_header_is_enough(service: Service) -> None:
    headers = signed(BODY)
    good = dict(headers)["webhook-signature"]
    several = f"v1,AAAA v1a,{good[3:]} nonsense {good} v1,"
    assert service.call(PATH, BODY, changed(headers, webhook_signature=several)).status == 200


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("how", ["missing", "there twice"])
def test_w1_each_header_must_stand_once(service: Service, name: str, how: str) -> None:
    headers = list(signed(BODY))
    one = next(pair for pair in headers if pair[0] == name)
    headers = [pair for pair in headers if pair != one] + ([one, one] if how[0] == "t" else [])
    answer = service.call(PATH, BODY, headers)
    assert (answer.status, answer.json) == (401, {"error": f"the header {name} is {how}"})


@pytest.mark.parametrize(
    "tampered",
    [b'{"event_id": "e-2", "type": "view"}', b'{"event_id":"e-1","type":"view"}', BODY + b"\n"],
    ids=["another id", "written again", "one byte more"],
)
def test_w1_a_body_that_was_changed_is_refused(service: Service, tampered: bytes) -> None:
    assert service.call(PATH, tampered, signed(BODY)).status == 401


@pytest.mark.parametrize("name", ["webhook_id", "webhook_timestamp"])
def test_w1_what_is_signed_beside_the_body_cannot_be_changed(service: Service, name: str) -> None:
    other = str(int(time.time()) + 1) if name.endswith("timestamp") else new_id()
    assert service.call(PATH, BODY, changed(signed(BODY), **{name: other})).status == 401


def test_w1_a_forged_signature_is_refused_and_nothing_lands(service: Service) -> None:
    before = service.landed()
    secret = "whsec_" + "A" * 32
    answer = service.call(PATH, BODY, signed(BODY, secret=secret))
    assert (answer.status, answer.json) == (401, {"error": "no signature fits"})
    assert service.landed() == before


@pytest.mark.parametrize("seconds", [-301, -86_400, 302, 10**11])
def test_w1_a_moment_more_than_five_minutes_off_is_refused(service: Service, seconds: int) -> None:
    call_id, moment = new_id(), int(time.time()) + seconds
    headers = changed(
        signed(BODY),
        webhook_id=call_id,
        webhook_timestamp=str(moment),
        webhook_signature=signature(call_id, moment, BODY),
    )
    answer = service.call(PATH, BODY, headers)
    assert (answer.status, "from our clock" in answer.text) == (401, True)


@pytest.mark.parametrize("moment", ["1e9", "-5", "soon", "\u0661" * 10, "9" * 400, "1700000000.5"])
def test_w1_a_moment_that_is_no_whole_number_is_refused(moment: str) -> None:
    headers = [
        (b"webhook-id", b"m"),
        (b"webhook-timestamp", moment.encode()),
        (b"webhook-signature", b"v1,AAAA"),
    ]
    with pytest.raises(NotSigned):
        Standard([SECRET]).verify(headers, BODY, time.time())


def test_w1_a_replayed_call_is_answered_well_and_lands_once(service: Service) -> None:
    call_id = new_id()
    body = b'{"event_id": "%b"}' % call_id.encode()
    assert [service.send(body, call_id).status for _ in range(3)] == [200, 200, 200]
    assert sum(row[1] == call_id for row in service.landed()) == 1


def test_w1_an_id_that_came_before_with_another_body_is_a_conflict(service: Service) -> None:
    call_id = new_id()
    assert service.send(b'{"n": 1}', call_id).status == 200
    answer = service.send(b'{"n": 2}', call_id)
    assert (answer.status, "another body" in answer.text) == (409, True)
    assert [row[2] for row in service.landed() if row[1] == call_id] == [b'{"n": 1}']


def test_w1_a_source_takes_no_signature_of_another_source(service: Service) -> None:
    assert service.call("/webhooks/payments", BODY, signed(BODY)).status == 401


def github(body: bytes, secret: str = PLAIN_SECRET) -> Headers:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return [("content-type", "application/json"), ("X-Hub-Signature-256", f"sha256={digest}")]


def test_w1_githubs_scheme_covers_the_body_and_believes_no_delivery_id(service: Service) -> None:
    body = b'{"action": "opened", "for": "%b"}' % new_id().encode()
    answers = [
        service.call("/webhooks/code", body, [*github(body), ("X-GitHub-Delivery", delivery)])
        for delivery in ("one", "two")
    ]
    assert [answer.status for answer in answers] == [200, 200]
    digest = hashlib.sha256(body).hexdigest()
    assert [row[1] for row in service.landed() if row[2] == body] == [f"sha256:{digest}"]
    assert service.call("/webhooks/code", body, github(body + b" ")).status == 401


def stripe(body: bytes, moment: int, secret: str = PLAIN_SECRET) -> Headers:
    signed_text = f"{moment}.".encode() + body
    digest = hmac.new(secret.encode(), signed_text, hashlib.sha256).hexdigest()
    value = f"t={moment},v1={'0' * 64},v1={digest},v0=old"
    return [("content-type", "application/json"), ("Stripe-Signature", value)]


def test_w1_stripes_scheme_covers_moment_and_body(service: Service) -> None:
    event_id, now = f"evt_{new_id()}", int(time.time())
    body = b'{"id": "%b"}' % event_id.encode()
    assert service.call("/webhooks/payments", body, stripe(body, now)).status == 200
    assert ("payments", event_id, body) in service.landed()
    assert service.call("/webhooks/payments", body, stripe(body, now - 400)).status == 401
    moved = [(name, text.replace(f"t={now}", f"t={now + 1}")) for name, text in stripe(body, now)]
    assert service.call("/webhooks/payments", body, moved).status == 401


@pytest.mark.parametrize(
    ("scheme", "secret", "says"),
    [
        ("standard", "c4n4ry!", "WEBHOOK_SECRETS_SHOP has a secret that is not base64"),
        ("standard", "c4n4ry==", "WEBHOOK_SECRETS_SHOP has a secret that is too short"),
        ("c4n4ry", SECRET, "WEBHOOK_SCHEME_SHOP names no scheme"),
    ],
)
def test_w1_what_cannot_be_used_is_named_and_not_quoted(
    scheme: str, secret: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        scheme_of("shop", scheme, [secret])
    assert "c4n4ry" not in str(caught.value)
