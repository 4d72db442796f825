"""Sends the demo's webhooks as a partner does: signed, some twice; and as a forger does.

The scheme is that of Standard Webhooks. Where the service runs is decided elsewhere.
"""

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final
from urllib.parse import urlsplit

from etl_assets.core.errors import SourceUnavailable
from etl_assets.demo.event_payloads import WEBHOOK, webhook_body
from etl_assets.demo.plan import ShopPlan
from etl_assets.demo.visits import Action, actions_of

_MOST_A_CALL: Final = 5
_TWICE: Final = 0.1
_FORGED: Final = 3
_OLD_SECONDS: Final = 3600
_TIMEOUT: Final = 30.0


@dataclass
class Sent:
    """What was sent, and how it was answered: calls by status, of each kind of call.

    `events` are those of `good` calls, each counted once; the calls in `twice` repeat one of
    them, `forged` have a signature of another secret, `old` one of an hour ago.
    """

    events: int = 0
    good: Counter[int] = field(default_factory=Counter)
    twice: Counter[int] = field(default_factory=Counter)
    forged: Counter[int] = field(default_factory=Counter)
    old: Counter[int] = field(default_factory=Counter)


def new_secret() -> str:
    """A secret that nobody else has."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def send(base: str, secret: str, count: int) -> Sent:
    """Send `count` new events of the demo's newest day to the service at `base`.

    Raises SourceUnavailable where nothing answers, ValueError for a URL or a secret that is none.
    """
    url = urlsplit(base)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=_TIMEOUT)
    path, key = f"{url.path.rstrip('/')}/webhooks/{WEBHOOK}", _key_of(secret)
    rng, sent = Random(), Sent()  # noqa: S311 - for a demo
    try:
        for body, events in _bodies(count):
            call_id, now = f"msg_{uuid.uuid4().hex}", int(time.time())
            headers = _headers(call_id, now, body, key)
            sent.good[_status(connection, path, body, headers)] += 1
            sent.events += events
            if not sent.twice or rng.random() < _TWICE:
                sent.twice[_status(connection, path, body, headers)] += 1
        body, _ = next(_bodies(1))
        for _ in range(_FORGED):
            headers = _headers(f"msg_{uuid.uuid4().hex}", int(time.time()), body, b"of another one")
            sent.forged[_status(connection, path, body, headers)] += 1
        headers = _headers(f"msg_{uuid.uuid4().hex}", int(time.time()) - _OLD_SECONDS, body, key)
        sent.old[_status(connection, path, body, headers)] += 1
    except (OSError, http.client.HTTPException) as error:
        raise SourceUnavailable(
            f"The webhook service at {url.hostname}:{url.port} did not answer "
            f"({type(error).__name__}).",
            "Start it with etl-assets webhook serve, or leave --to away.",
        ) from None
    finally:
        connection.close()
    return sent


def _bodies(count: int) -> Iterator[tuple[bytes, int]]:
    """Bodies of one to five events, `count` in all, with how many there are in each."""
    actions, rng = _actions(), Random()  # noqa: S311 - for a demo
    left = count
    while left:
        size = min(left, rng.randint(1, _MOST_A_CALL))
        events = [webhook_body(next(actions), f"live-{uuid.uuid4().hex}") for _ in range(size)]
        yield json.dumps(events if size > 1 else events[0]).encode(), size
        left -= size


def _actions() -> Iterator[Action]:
    """What visitors do on the newest day, without an end, and another time each time."""
    plan = ShopPlan()
    while True:
        actions = actions_of(plan, plan.day(plan.days - 1), salt=uuid.uuid4().hex)
        yield from (action._replace(channel="web") for action in actions)


def _headers(call_id: str, moment: int, body: bytes, key: bytes) -> Mapping[str, str]:
    signed = f"{call_id}.{moment}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": call_id,
        "webhook-timestamp": str(moment),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def _status(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]
) -> int:
    connection.request("POST", path, body, dict(headers))
    answer = connection.getresponse()
    answer.read()
    return answer.status
