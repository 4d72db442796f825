"""Why a part of a table must be loaded again: the texts of `TableState.reload_reasons`, written and
read.

A part was refused, forgotten by hand, lacks values of a column that its contract gained, or it was
refused after one of the other two: of a table of files the sensor loads again what is forgotten or
lacks values, while what is refused waits for other objects or for a person. All other texts are a
sync's own, which loads its parts whatever the text is. When a text is stored is decided in
`pipeline/`.
"""

import json
import re
from collections.abc import Sequence

_FORGOTTEN, _REFUSED, _BOTH = "forgotten by hand", "refused", "; then "
_LACKS = "lacks values of "
_OBJECTS = re.compile(r" \[objects ([0-9a-f]+)\]$")
_MOST = 300


def forgotten(at: str, mark: str) -> str:
    """A part that a person wants to be loaded again; `mark` tells one time from another."""
    return f"{_FORGOTTEN} at {at} ({mark})"


def refused(why: str, made_of: str | None = None, before: str | None = None) -> str:
    """A part that was not published, because of `why`; `before` is the text until then.

    `made_of` is the digest of the objects of a part of files. What is forgotten or lacks values
    stays so.
    """
    told = (why if len(why) <= _MOST else f"{why[: _MOST - 1]}…").rstrip(".")
    text = f"{_REFUSED} {told}" if told.startswith("by ") else f"{_REFUSED}: {told}"
    objects = f" [objects {made_of}]" if made_of else ""
    kept = asked_again(before) if before else None
    return f"{kept}{_BOTH}{text}{objects}" if kept else f"{text}{objects}"


def lacks(columns: Sequence[str], mark: str) -> str:
    """A part that has no values of these columns yet; `mark` tells one time from another."""
    # No name of a column may look like what separates two reasons.
    names = json.dumps(list(columns), ensure_ascii=False).replace(";", "\\u003b")
    return f"{_LACKS}{names} ({mark})"


def with_lacks(before: str | None, text: str) -> str:
    """What a part's reason is once it lacks values as well; `text` is of `lacks`.

    It takes the place of an older text of its kind, and of one that the part is forgotten: with any
    of them the part is loaded again, and this one keeps others from being made of it.
    """
    refusal = (before or "").partition(_BOTH)[2] if asked_again(before or "") else before
    return f"{text}{_BOTH}{refusal}" if refusal else text


def then(before: str | None, text: str) -> str:
    """A reason of a sync's own, of a part that had the reason `before`."""
    kept = asked_again(before) if before else None
    return f"{kept}{_BOTH}{text}" if kept else text


def lacks_of(text: str) -> list[str]:
    """The columns that the part has no values of, as far as the reason says."""
    if not text.startswith(_LACKS):
        return []
    names, _end = json.JSONDecoder().raw_decode(text, len(_LACKS))
    return [str(name) for name in names]


def only_lacks(text: str) -> bool:
    """Whether nothing else is wrong with the part but that it lacks values of columns."""
    return text.startswith(_LACKS) and refused_of(text) is None


def asked_again(text: str) -> str | None:
    """That a part is forgotten or lacks values, without what happened to it then; None for neither:
    it is loaded again whether its source changed or not."""
    return text.partition(_BOTH)[0] if text.startswith((_FORGOTTEN, _LACKS)) else None


def forgotten_of(text: str) -> str | None:
    """That a person has forgotten the part, None where nobody has."""
    return text.partition(_BOTH)[0] if text.startswith(_FORGOTTEN) else None


def refused_of(text: str) -> str | None:
    """Why the part is not published, for a person; None where it is only to be loaded again."""
    if asked_again(text):
        text = text.partition(_BOTH)[2]
    return _OBJECTS.sub("", text) or None


def shown_reason(text: str) -> str:
    """All that the reason says, for a person."""
    return _OBJECTS.sub("", text)


def objects_of(text: str) -> str | None:
    """The digest of the objects that were refused, None where it is not known."""
    found = _OBJECTS.search(text)
    return found[1] if found else None
