"""What a change means: how bad it is, and a sentence. Data only."""

from dataclasses import dataclass
from enum import StrEnum


class Impact(StrEnum):
    """The worst that a change does, the worst of all first.

    `breaking`: readers of the table lose something, or find other rows under the same name.
    `may refuse`: rows or days that are published may be refused when they are loaded again.
    `may change values`: rows may have other values once they are loaded or made again.
    `compatible`: readers notice nothing but what was added.
    """

    BREAKING = "breaking"
    REFUSES = "may refuse"
    VALUES = "may change values"
    COMPATIBLE = "compatible"


@dataclass(frozen=True)
class Change:
    """One change of a table's declaration; `column` is None for what is about the whole table."""

    kind: str
    impact: Impact
    what: str
    column: str | None = None
