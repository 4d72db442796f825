"""The id that a sender gave an event, read from the payload's own bytes.

How ids of several senders become one is `ids.py`.
"""

import re
from typing import Final

import msgspec

_WHOLE_NUMBER: Final = re.compile(rb"-?[0-9]{1,100}")


class _Ids(msgspec.Struct):
    event_id: msgspec.Raw = msgspec.Raw(b"")
    id: msgspec.Raw = msgspec.Raw(b"")


_IDS: Final = msgspec.json.Decoder(_Ids)
_TEXT: Final = msgspec.json.Decoder(str)


def sent_id(event: bytes) -> str | None:
    """`event_id`, or else `id`, where that is text or a whole number; None where there is none.

    Raises msgspec.DecodeError and RecursionError for what is no JSON object.
    """
    found = _IDS.decode(event)
    for raw in (bytes(found.event_id), bytes(found.id)):
        if raw[:1] == b'"':
            if text := _TEXT.decode(raw):
                return text
        elif _WHOLE_NUMBER.fullmatch(raw):
            return raw.decode()
    return None


def sent_id_of_any(payload: bytes) -> str | None:
    """The id of a payload that may be no JSON object: None for one that is not.

    Such a payload lands as it came, and is set aside when it is loaded.
    """
    try:
        return sent_id(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
