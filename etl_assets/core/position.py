"""Where a sync stands in a table's changes, and how far it may go.

How they are found is in the sources.
"""

import json
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Position:
    """A place in the order of (cursor, key): that of a row, or of the end of its moment.

    `moment` is the cursor (UTC); `key` the key columns' values as the source prints them, in the
    contract's order, None for NULL, which is after all others. An empty key is the place after all
    rows of that moment.
    """

    moment: datetime
    key: tuple[str | None, ...] = ()

    def as_text(self) -> str:
        """The key as a JSON list of texts and nulls."""
        return json.dumps(self.key, ensure_ascii=False)

    @classmethod
    def from_text(cls, moment: datetime, text: str) -> "Position":
        """The position whose key `as_text` wrote; raises ValueError for any other text."""
        key = json.loads(text)
        if not isinstance(key, list) or not all(isinstance(part, str | None) for part in key):
            raise ValueError("the key of a position is a JSON list of texts and nulls")
        return cls(moment, tuple(key))


@dataclass(frozen=True)
class Horizon:
    """How far a sync may go: changes later than `moment` may not all be there to be read (C2).

    `now` is the source's clock when it was asked; both are UTC. `held_by` names the transaction
    that keeps `moment` back, None if it is only the clock. `warnings` say, each in a sentence, what
    could not be seen or was passed over, and what that risks. `holds` is False where rows can come
    later that are stamped earlier than `moment`, as a materialised view is refreshed: then a sync
    stands at the last row that it read.
    """

    moment: datetime
    now: datetime
    held_by: str | None = None
    warnings: tuple[str, ...] = ()
    holds: bool = True
