"""Which objects are a table's files, and the day that a key says: the pattern of a file source.

Pure. Objects are listed in `sources/files/`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import product

from etl_assets.core.file_formats import pattern_of

_PART = re.compile(
    r"\{day:(?P<form>[^}]*)\}|(?P<any>\*\*)|(?P<some>\*)|(?P<text>[^*{}]+)|(?P<wrong>.)"
)
_OF_DAY = re.compile("%[Ymdj]|[^%]")


@dataclass(frozen=True)
class KeyPattern:
    """`shipments/{day:%Y/%m/%d}/*.csv.gz`: the keys of a table's objects.

    `*` stands for any characters but a slash, `**` for any at all, and `{day:…}` for the UTC day of
    the object's rows, in a format as for `strptime` that has year, month and day. All else stands
    for itself. Raises ValueError, which says what to write, for a pattern that cannot be.
    """

    text: str

    def __post_init__(self) -> None:
        forms = [part["form"] for part in self._parts if part["form"] is not None]
        wrong = [part["wrong"] for part in self._parts if part["wrong"]]
        if wrong:
            raise ValueError(
                f"The pattern {self.text!r} has a {wrong[0]!r} that is part of no {{day:…}}. "
                "Write {day:%Y-%m-%d} where the key has the day."
            )
        if len(forms) > 1:
            raise ValueError(f"The pattern {self.text!r} has {{day:…}} twice. Write it once.")
        if not self.text or self.text.startswith("/"):
            raise ValueError(
                f"The pattern {self.text!r} begins with no name: keys have no slash in front."
            )
        for form in forms:
            if "%Y" not in form and "%j" not in form:
                raise ValueError(f"The day {form!r} of a pattern needs year, month and day.")
            pattern_of(form)

    @cached_property
    def form(self) -> str | None:
        """The format of the day in keys: `%Y/%m/%d`; None where they say none."""
        return next((part["form"] for part in self._parts if part["form"] is not None), None)

    @property
    def has_day(self) -> bool:
        """Whether keys say the day of their rows."""
        return self.form is not None

    @property
    def prefix(self) -> str:
        """What all keys begin with, up to a slash: only objects below it are listed."""
        first = self._parts[0]["text"] or ""
        return first[: first.rfind("/") + 1]

    @property
    def day_folder(self) -> str | None:
        """The pattern up to the slash of the day's own folder: `shipments/{day:%Y/%m/%d}/`.

        None where the keys of a day are not in folders that hold nothing else of the table.
        """
        at = next((n for n, part in enumerate(self._parts) if part["form"] is not None), None)
        if at is None or at > 1 or at + 1 == len(self._parts):
            return None
        before, behind = self._parts[:at], self._parts[at + 1]["text"] or ""
        is_plain = "".join(_OF_DAY.findall(self.form or "")) == self.form
        if not is_plain or not behind.startswith("/") or any(not part["text"] for part in before):
            return None
        return self.text[: self._parts[at].end() + 1]

    def folders_of(self, day: date) -> Sequence[str]:
        """The folders below one of which each key of the day is; none where days have no folders.

        There are up to four of them: a month or day below ten may be written with its zero or
        without.
        """
        if self.day_folder is None:
            return ()
        texts = {
            "%Y": {f"{day.year:04}"},
            "%m": {f"{day.month:02}", f"{day.month}"},
            "%d": {f"{day.day:02}", f"{day.day}"},
            "%j": {f"{day:%j}"},
        }
        begins = self.text[: self.text.index("{")]
        parts = [sorted(texts.get(part, {part})) for part in _OF_DAY.findall(self.form or "")]
        return tuple(f"{begins}{''.join(chosen)}/" for chosen in product(*parts))

    def matches(self, key: str) -> bool:
        """Whether the key is one of the table's, whatever its day is."""
        return self._regex.fullmatch(key) is not None

    def day_of(self, key: str) -> date | None:
        """The day that a key of the table says; None for one that is no date, as 2024-02-30."""
        found = self._regex.fullmatch(key)
        if found is None or self.form is None:
            return None
        return _date_of(found["day"], self.form)

    @cached_property
    def _parts(self) -> list[re.Match[str]]:
        return list(_PART.finditer(self.text))

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        texts = []
        for part in self._parts:
            if part["form"] is not None:
                texts.append(f"(?P<day>{pattern_of(part['form'])[1:-1]})")
            elif part["text"]:
                texts.append(re.escape(part["text"]))
            else:
                texts.append(".*" if part["any"] else "[^/]*")
        return re.compile("".join(texts), re.DOTALL)


@lru_cache(4096)  # the keys of a day come one after the other
def _date_of(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        return None
