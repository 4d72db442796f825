"""What becomes of a file, as the oracle and the reader say it: loaded line by line, or refused.

The words for reasons are the oracle's own; which sentences of the reader they stand for is in
`comparing.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = object


class Unfit(Exception):
    """A value or a record that does not fit; `why` is one of the oracle's words."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Refusal(Exception):
    """The whole file is refused, for one of these reasons: it can be wrong in several ways."""

    def __init__(self, *whys: str) -> None:
        super().__init__(*whys)
        self.whys = frozenset(whys)


@dataclass(frozen=True)
class Row:
    """A record that is loaded: its first line, its values in the contract's order."""

    line: int
    values: tuple[Value, ...]
    overflow: Mapping[str, Value] | None = None


@dataclass(frozen=True)
class Bad:
    """A record in quarantine; `columns` are all that are at fault, none for the whole record."""

    line: int
    why: str
    columns: tuple[str, ...]
    raw: str
    lines: int = 1


@dataclass
class Loaded:
    """A file that is not refused: `lines` counts its physical lines."""

    rows: list[Row] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    lines: int = 0
    extra: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
