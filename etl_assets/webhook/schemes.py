"""How calls are signed: Standard Webhooks, and GitHub's and Stripe's headers as other examples.

A scheme says whether a body is the sender's, by the bytes as they came. It answers nothing and
reads no settings. A new scheme is a class with `verify`, and its entry in `SCHEMES`.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from etl_assets.core.errors import ConfigError
from etl_assets.core.wording import count_of

TOLERANCE_SECONDS: Final = 300
"""How far the moment of a signature may be from our clock, before or after."""

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case and values, as they came: a name may stand more than once."""

_SHORTEST_KEY: Final = 16
_LONGEST_ID: Final = 256
_MOMENT: Final = re.compile(r"[0-9]{1,12}")


class NotSigned(Exception):
    """The call is not shown to be the sender's; the text says why, and holds no secret."""


class Scheme(Protocol):
    """How the calls of one source are checked."""

    def verify(self, headers: Headers, body: bytes, now: float) -> str | None:
        """The id of the call, None where there is none that the signature covers.

        `now` is Unix time in seconds. Raises NotSigned.
        """


class Standard:
    """Standard Webhooks: HMAC-SHA-256 of `id.timestamp.body`, in base64.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        """Secrets are base64, with `whsec_` before it or not; raises ValueError for others."""
        self._keys = [_key_of(secret) for secret in secrets]

    def verify(self, headers: Headers, body: bytes, now: float) -> str | None:
        """The id of `webhook-id`."""
        call_id = _single(headers, "webhook-id")
        if len(call_id) > _LONGEST_ID:
            raise NotSigned(f"webhook-id is longer than {_LONGEST_ID} characters")
        moment = _single(headers, "webhook-timestamp")
        given = _single(headers, "webhook-signature").split(" ")
        _check_moment(moment, now)
        signed = b".".join([call_id.encode("latin-1"), moment.encode(), body])
        digests = [one.removeprefix("v1,") for one in given if one.startswith("v1,")]
        _check(self._keys, signed, [_from_base64(one) for one in digests])
        return call_id


class GitHub:
    """GitHub: HMAC-SHA-256 of the body, in hex. No moment, and no id, is covered by it.

    https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [secret.encode() for secret in secrets]

    def verify(self, headers: Headers, body: bytes, now: float) -> str | None:  # noqa: ARG002
        """None: whoever repeats a call can give `x-github-delivery` any value."""
        given = _single(headers, "x-hub-signature-256")
        _check(self._keys, body, [_from_hex(given.removeprefix("sha256="))])
        return None


class Stripe:
    """Stripe: HMAC-SHA-256 of `timestamp.body`, in hex, in one header with the timestamp.

    https://docs.stripe.com/webhooks/signature
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [secret.encode() for secret in secrets]

    def verify(self, headers: Headers, body: bytes, now: float) -> str | None:
        """None: the id of an event stands in its payload."""
        parts = [
            part.strip().partition("=") for part in _single(headers, "stripe-signature").split(",")
        ]
        moments = [value for name, _, value in parts if name == "t"]
        if len(moments) != 1:
            raise NotSigned("stripe-signature has no moment t, or several")
        _check_moment(moments[0], now)
        given = [_from_hex(value) for name, _, value in parts if name == "v1"]
        _check(self._keys, moments[0].encode() + b"." + body, given)
        return None


SCHEMES: Final[Mapping[str, Callable[[Sequence[str]], Scheme]]] = {
    "standard": Standard,
    "github": GitHub,
    "stripe": Stripe,
}
"""What WEBHOOK_SCHEME_<SOURCE> may be."""


def scheme_of(source: str, name: str, secrets: Sequence[str]) -> Scheme:
    """The scheme of a source; raises ConfigError, which names the variable and no secret."""
    if name not in SCHEMES:
        raise ConfigError(
            f"WEBHOOK_SCHEME_{source.upper()} names no scheme.",
            f"Set it to one of {', '.join(SCHEMES)}, or unset it for standard.",
        )
    try:
        return SCHEMES[name](secrets)
    except ValueError as error:
        what = str(error)
    raise ConfigError(
        f"WEBHOOK_SECRETS_{source.upper()} has a secret that {what}.",
        "Write each as base64 of at least 16 random bytes, with whsec_ before it or not; "
        "`openssl rand -base64 32` makes one.",
    )


def _key_of(secret: str) -> bytes:
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("is not base64") from None
    if len(key) < _SHORTEST_KEY:
        raise ValueError("is too short")
    return key


def _single(headers: Headers, name: str) -> str:
    """The value of a header that must stand once: of several, each reader may take another."""
    wanted = name.encode()
    values = [value for key, value in headers if key == wanted]
    if len(values) != 1 or not values[0]:
        raise NotSigned(f"the header {name} is {'there twice' if len(values) > 1 else 'missing'}")
    return values[0].decode("latin-1")


def _check_moment(text: str, now: float) -> None:
    if not _MOMENT.fullmatch(text):
        raise NotSigned("the timestamp is not a number of seconds")
    if abs(now - int(text)) > TOLERANCE_SECONDS:
        raise NotSigned(
            f"the timestamp is more than {count_of(TOLERANCE_SECONDS, 'second')} from our clock"
        )


def _check(keys: Sequence[bytes], signed: bytes, given: Sequence[bytes]) -> None:
    """All pairs are compared, whichever fits: the time taken says nothing of the keys."""
    fits = False
    for key in keys:
        expected = hmac.digest(key, signed, hashlib.sha256)
        for one in given:
            fits |= hmac.compare_digest(expected, one)
    if not fits:
        raise NotSigned("no signature fits")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
