"""What an answer must be before anything of it counts: JSON, no error, with the items in it.

An error is never an empty success. Which page comes next is `paging.py`, what is done about an
answer that is refused is decided in `client.py` and `pages.py`. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

_NAMES_SHOWN = 8
_WORDS = ("error", "fail", "failed", "failure")
_BOM = b"\xef\xbb\xbf"


class WrongAnswer(Exception):
    """An answer that cannot be used; the message ends a sentence that begins with "The answer", and
    quotes no value. `may_pass` says whether the same request may be answered better.
    """

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


@dataclass(frozen=True)
class Answer:
    """What was received: the body as it came, the headers by lower-case name."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def items_of(body: bytes, path: str) -> list[bytes]:
    """The items at the path, each as it was received; raises WrongAnswer.

    Line breaks between the parts of an item, where they mean nothing, stay what they are.
    """
    found = _at(_checked(body, path), path)
    if found is None:
        raise WrongAnswer(f"has no {_shown(path)}{_told(body)}")
    if not found.lstrip().startswith(b"["):
        raise WrongAnswer(f"has no list at {_shown(path)}{_told(body)}")
    try:
        raws = msgspec.json.decode(found, type=list[msgspec.Raw])
        items = [bytes(raw).strip() for raw in raws]
        for item in items:
            if b"\n" in item or b"\r" in item:
                msgspec.json.decode(item)  # a line break within a text is no JSON
    except (msgspec.DecodeError, RecursionError):
        raise WrongAnswer("is no JSON", may_pass=True) from None
    return items


def value_at(body: bytes, path: str) -> Any:
    """The value at the path; None where there is none, or null. Raises WrongAnswer."""
    found = _at(body.removeprefix(_BOM), path)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found)
    except (msgspec.DecodeError, RecursionError):
        raise WrongAnswer("is no JSON", may_pass=True) from None


def count_at(body: bytes, path: str) -> int:
    """The count of all items that the answer tells; raises WrongAnswer where it tells none."""
    count = value_at(body, path)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise WrongAnswer(f"has no count at {_shown(path)}{_told(body)}")
    return count


def _checked(body: bytes, path: str) -> bytes:
    """The body without a byte order mark, if it is JSON and does not say that it is an error."""
    body = body.removeprefix(_BOM)
    try:
        body.decode()
    except UnicodeDecodeError:
        raise WrongAnswer("is not in UTF-8, and so no JSON", may_pass=True) from None
    if not body.strip():
        raise WrongAnswer("is empty", may_pass=True)
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        raise WrongAnswer("is no JSON", may_pass=True) from None
    if body.lstrip().startswith(b"{"):
        fields = _object(body)
        first = path.partition(".")[0]
        if said := [name for name in fields if name != first and _is_error(name, fields[name])]:
            raise WrongAnswer(f"says that it is an error, by its field {said[0]!r}", may_pass=True)
    return body


def _is_error(name: str, raw: bytes) -> bool:
    if name in ("error", "errors"):
        return raw.strip() not in (b"null", b"false", b"[]", b"{}", b'""', b"0")
    if name in ("success", "ok"):
        return raw.strip() == b"false"
    return name == "status" and raw.strip().lower() in [f'"{word}"'.encode() for word in _WORDS]


def _at(body: bytes, path: str) -> bytes | None:
    """The text of the value at the path, None where there is none."""
    for key in path.split(".") if path else ():
        if not body.lstrip().startswith(b"{"):
            return None
        inner = _object(body).get(key)
        if inner is None:
            return None
        body = inner
    return body


def _object(body: bytes) -> dict[str, bytes]:
    try:
        raws = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        raise WrongAnswer("is no JSON", may_pass=True) from None
    return {key: bytes(raw) for key, raw in raws.items()}


def _shown(path: str) -> str:
    return f"{path!r}" if path else "its top"


def _told(body: bytes) -> str:
    """Which fields it has, by their names."""
    body = body.removeprefix(_BOM)
    if not body.lstrip().startswith(b"{"):
        return ""
    names = list(_object(body))
    more = " …" if len(names) > _NAMES_SHOWN else ""
    return f" (it has the fields {', '.join(names[:_NAMES_SHOWN])}{more})" if names else ""
