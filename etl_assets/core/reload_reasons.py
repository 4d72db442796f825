"""Why a part of a table must be loaded again: the texts of `TableState.reload_reasons`, written and
read.

A part was refused, or forgotten by hand, or both: of a table of files the sensor loads again what
is forgotten, while what is refused waits for other objects or for a person. All other texts are a
sync's own, which loads its parts whatever the text is. When a text is stored is decided in
`pipeline/`.
"""

import re

_FORGOTTEN, _REFUSED, _BOTH = "forgotten by hand", "refused", "; then "
_OBJECTS = re.compile(r" \[objects ([0-9a-f]+)\]$")
_MOST = 300


def forgotten(at: str, mark: str) -> str:
    """A part that a person wants to be loaded again; `mark` tells one time from another."""
    return f"{_FORGOTTEN} at {at} ({mark})"


def refused(why: str, made_of: str | None = None, before: str | None = None) -> str:
    """A part that was not published, because of `why`; `before` is the text until then.

    `made_of` is the digest of the objects of a part of files. What is forgotten stays so.
    """
    told = (why if len(why) <= _MOST else f"{why[: _MOST - 1]}…").rstrip(".")
    text = f"{_REFUSED} {told}" if told.startswith("by ") else f"{_REFUSED}: {told}"
    objects = f" [objects {made_of}]" if made_of else ""
    kept = forgotten_of(before) if before else None
    return f"{kept}{_BOTH}{text}{objects}" if kept else f"{text}{objects}"


def forgotten_of(text: str) -> str | None:
    """That a person has forgotten the part, None where nobody has."""
    return text.partition(_BOTH)[0] if text.startswith(_FORGOTTEN) else None


def refused_of(text: str) -> str | None:
    """Why the part is not published, for a person; None where it is only forgotten."""
    if text.startswith(_FORGOTTEN):
        text = text.partition(_BOTH)[2]
    return _OBJECTS.sub("", text) or None


def objects_of(text: str) -> str | None:
    """The digest of the objects that were refused, None where it is not known."""
    found = _OBJECTS.search(text)
    return found[1] if found else None
