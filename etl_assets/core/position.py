"""Where a sync stands in a table's changes, and how far it may go.

How they are found is in the sources; how far a position may move is `core/settling.py`.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etl_assets.core.cursor import LEAST


@dataclass(frozen=True)
class Seen:
    """The greatest version that was in the source at a moment of its own clock (UTC).

    All versions up to it are there to be read when every transaction has ended that was open then.
    """

    number: int
    at: datetime


@dataclass(frozen=True)
class Position:
    """A place in the order of (cursor, key): that of a row, or of the end of its moment.

    `moment` is the cursor (UTC); `key` the key columns' values as the source prints them, in the
    contract's order, None for NULL, which is after all others. An empty key is the place after all
    rows of that moment. Where the cursor is a version, `number` is its place, and `moment` only the
    moment up to which every change was read; `seen` is where the position may move later.
    """

    moment: datetime
    key: tuple[str | None, ...] = ()
    number: int | None = None
    seen: Seen | None = None

    @property
    def place(self) -> Any:
        """What positions of one table are compared by: the number, else the moment."""
        return self.moment if self.number is None else self.number

    @property
    def shown(self) -> str:
        """As messages name it."""
        if self.number is None:
            return f"{self.moment:%Y-%m-%d %H:%M:%S} UTC"
        return "before every version" if self.number == LEAST else f"version {self.number}"

    def as_text(self, cursor: str | None = None) -> str:
        """The key as a JSON list of texts and nulls, or an object that names the cursor too."""
        if cursor is None:
            return json.dumps(self.key, ensure_ascii=False)
        told: dict[str, object] = {"cursor": cursor, "key": self.key}
        if self.number is not None:
            told["version"] = self.number
        if self.seen is not None:
            told["seen"] = {"version": self.seen.number, "at": self.seen.at.isoformat()}
        return json.dumps(told, ensure_ascii=False)

    @classmethod
    def from_text(cls, moment: datetime, text: str) -> "Position":
        """The position that `as_text` wrote; raises ValueError for any other text."""
        told = json.loads(text)
        if not isinstance(told, dict):
            return cls(moment, _key(told))
        number, seen = told.get("version"), told.get("seen")
        if not isinstance(number, int | None):
            raise ValueError("the version of a position is a whole number")
        return cls(moment, _key(told.get("key")), number, _seen(seen) if seen else None)


def cursor_in(text: str | None) -> str | None:
    """The cursor that a stored position names, None where it names none; raises ValueError."""
    told = json.loads(text) if text else None
    return told.get("cursor") if isinstance(told, dict) else None


def _seen(told: Any) -> Seen:
    try:
        return Seen(int(told["version"]), datetime.fromisoformat(told["at"]))
    except (TypeError, KeyError) as error:
        raise ValueError("what a position has seen is a version and a moment") from error


def _key(told: object) -> tuple[str | None, ...]:
    if not isinstance(told, list) or not all(isinstance(part, str | None) for part in told):
        raise ValueError("the key of a position is a JSON list of texts and nulls")
    return tuple(told)


@dataclass(frozen=True)
class Horizon:
    """How far a sync may go: changes later than `moment` may not all be there to be read (C2).

    `now` is the source's clock when it was asked; both are UTC. `held_by` names the transaction
    that keeps `moment` back, None if it is only the clock. `warnings` say, each in a sentence, what
    could not be seen or was passed over, and what that risks. `holds` is False where rows can come
    later that are stamped earlier than `moment`, as a materialised view is refreshed: then a sync
    stands at the last row that it read. `seen` is the greatest version
    before the horizon was asked for, None where the cursor is no version or there is none.
    """

    moment: datetime
    now: datetime
    held_by: str | None = None
    warnings: tuple[str, ...] = ()
    holds: bool = True
    seen: Seen | None = None
