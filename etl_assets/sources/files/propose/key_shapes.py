"""From keys to a pattern: where they say the day, and what of them differs from one to the next.

Pure. Objects are listed in `sample.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from etl_assets.core.key_patterns import KeyPattern

_FORMS = (
    "year=%Y/month=%m/day=%d",
    "%Y/%m/%d",
    "%Y-%m-%d",
    "%Y_%m_%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%d_%m_%Y",
    "%m-%d-%Y",
)
_PARTS = {"%Y": "(?:19|20)[0-9]{2}", "%m": "(?:0[1-9]|1[0-2])", "%d": "(?:0[1-9]|[12][0-9]|3[01])"}
_VARYING = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9]+"
)
_NOT_LITERAL = re.compile(r"[*{}]+")
_PACKED = re.compile(r"(?i)\.(?:gz|zst)\Z")
_EDGE = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True)
class Pattern:
    """A pattern of keys; `other_form` is a format of the day that fits the keys as well."""

    text: str
    form: str | None = None
    other_form: str | None = None


def shape_of(key: str) -> str:
    """The key with a * for each number and identifier in it: equal for the files of one kind."""
    return _VARYING.sub("*", key)


def pattern_of_keys(keys: Sequence[str]) -> Pattern:
    """The narrowest pattern for the keys that says their day, if all of them do."""
    forms = [form for form in _FORMS if all(_day_in(key, form) for key in keys)]
    for form in forms:
        places = [(key, *_place(key, form)) for key in keys]
        left = _merged([key[:start] for key, start, _ in places], is_name=False)
        right = _merged([key[end:] for key, _, end in places])
        text = f"{left}{{day:{form}}}{right}"
        if all(KeyPattern(text).day_of(key) is not None for key in keys):
            swapped = form.replace("%d", "?").replace("%m", "%d").replace("?", "%m")
            other = swapped if form[:2] != "%Y" and swapped in forms else None
            return Pattern(text, form, other)
    return Pattern(_merged(keys))


def _day_in(key: str, form: str) -> bool:
    return _regex(form).search(key) is not None


def _place(key: str, form: str) -> tuple[int, int]:
    found = _regex(form).search(key)
    assert found is not None  # noqa: S101 - the caller has looked
    return found.span()


def _regex(form: str) -> re.Pattern[str]:
    pattern = re.escape(form)
    for directive, digits in _PARTS.items():
        pattern = pattern.replace(re.escape(directive), digits)
    return re.compile(rf"(?<![0-9]){pattern}(?![0-9])")


def _merged(texts: Sequence[str], *, is_name: bool = True) -> str:
    """One pattern for pieces of keys: folder by folder if all have as many.

    Numbers in the name of an only file are *: the next one has others. `is_name` says that the
    pieces end with the name.
    """
    if len(texts) == 1 and is_name:
        folder, slash, name = texts[0].rpartition("/")
        return _literal(folder + slash) + _literal(shape_of(name))
    split = [text.split("/") for text in dict.fromkeys(texts)]
    if len({len(parts) for parts in split}) > 1:
        begin = _shared_begin([text[: text.rfind("/") + 1] for text in texts])
        begin = begin[: begin.rfind("/") + 1]
        ends = [text.rpartition("/")[2] for text in texts]
        return _literal(begin) + "**" + _merged_part(ends).lstrip("*")
    return "/".join(_merged_part(parts) for parts in zip(*split, strict=True))


def _merged_part(parts: Sequence[str]) -> str:
    different = list(dict.fromkeys(parts))
    if len(different) == 1:
        return _literal(different[0])
    plain = [_PACKED.sub("", part) for part in different]
    if plain != different:  # some are packed, or all of them in several ways
        return f"{_merged_part(plain).rstrip('*')}*"
    begin = _until_edge(_shared_begin(different))
    rest = [part[len(begin) :] for part in different]
    end = _until_edge(_shared_begin([part[::-1] for part in rest]))[::-1]
    return f"{_literal(begin)}*{_literal(end)}"


def _shared_begin(texts: Sequence[str]) -> str:
    """What all of the texts begin with."""
    first, last = min(texts), max(texts)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first if same is None else first[:same]


def _until_edge(text: str) -> str:
    """The text up to its last sign that is neither letter nor digit: no word is cut in two."""
    places = [found.end() for found in _EDGE.finditer(text)]
    return text[: places[-1]] if places else ""


def _literal(text: str) -> str:
    """Text of a pattern: signs that mean something in it can only be *."""
    return _NOT_LITERAL.sub("*", text)
