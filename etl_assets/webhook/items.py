"""A body as its events, each with the bytes that it stood in, and the sender's id of each.

What a payload means belongs to the mappers of the sources.
"""

import re
from typing import Final, TypeVar

import msgspec

from etl_assets.events.sent_ids import sent_id


class Malformed(Exception):
    """The body is no event and no list of events; the text says why and quotes no value."""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_SPACE: Final = b" \t\r\n"


def split(body: bytes, call_id: str | None) -> list[tuple[str | None, bytes]]:
    """(event id, bytes) of each event of a body, in its order.

    A list, and an object whose only member is a list `events`, are several events: each is the
    bytes of its object. Any other object is one event: the whole body. An event's id is its
    `event_id` or else its `id`, where that is text or a whole number. Without one it is the call's
    id, of several events with `/` and the event's place, from 1. Raises Malformed.
    """
    _check_utf8(body)
    body_of_json = body.strip(_SPACE)
    if body_of_json[:1] == b"[":
        items = _decoded(_LIST, body)
    elif (envelope := _envelope(body)) is not None:
        items = envelope
    else:
        return [(_id_of(body_of_json) or call_id, body)]
    return [
        (_id_of(raw) or (call_id and f"{call_id}/{place}"), raw)
        for place, raw in enumerate(map(bytes, items), start=1)
    ]


def _envelope(body: bytes) -> list[msgspec.Raw] | None:
    try:
        return _ENVELOPE.decode(body).events
    except msgspec.ValidationError:  # another object, or no object at all
        return None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(error) from None


def _id_of(event: bytes) -> str | None:
    if event[:1] != b"{":
        raise Malformed("an event is a JSON object")
    try:
        return sent_id(event)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(error) from None


_T = TypeVar("_T")


def _decoded(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(error) from None


def _check_utf8(body: bytes) -> None:
    # msgspec does not look at the bytes of what it passes on as it is.
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 (byte {error.start})") from None


def _malformed(error: Exception) -> Malformed:
    place = re.search(r"byte ([0-9]+)", str(error))
    return Malformed(f"the body is not JSON{f' (byte {place[1]})' if place else ''}")
