"""What a reading of any source found: rows in the contract's dtypes, rows that no dtype holds, and
keys of rows that are gone.

What is done about them is decided in `pipeline/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.frames import DAY, PAYLOAD, POSITION, RULE
from etl_assets.core.table import LayerTable


@dataclass(frozen=True)
class Rejected:
    """Rows that the source cannot hand over, as it prints them: no dtype holds them, for one.

    `rules` say why (`core/set_aside.py`: column and rule), `keys` (`id=7`, safe to show) and
    `positions` which row it is, `payloads` hold the row as JSON text.
    """

    rules: Sequence[str] = ()
    keys: Sequence[str] = ()
    positions: Sequence[str] = ()
    payloads: Sequence[str] = ()


@dataclass(frozen=True)
class RejectedLines:
    """Records of a file that are not loaded, for quarantine.

    `rules` say what is wrong with each (`price: not a number`), `positions` which it is (file and
    line), `payloads` hold its text, cut at a bound. The three are of one length.
    """

    rules: Sequence[str]
    positions: Sequence[str]
    payloads: Sequence[str]


@dataclass(frozen=True)
class ObjectBegins:
    """What follows, until ObjectEnds, are the rows of this object and of no other.

    `key` is below the table's location, `identity` tells one content from another, `size` is in
    bytes, `modified` UTC.
    """

    key: str
    identity: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class ObjectEnds:
    """The object was read: `records` are all that it has, good and bad.

    `error` is why it cannot be trusted: then none of the rows that came counts.
    """

    records: int
    error: str | None = None


DayPiece = pl.DataFrame | RejectedLines | ObjectBegins | ObjectEnds
"""What a day is read as: rows in the contract's columns and dtypes, and for files what they are of.
"""


@dataclass(frozen=True)
class RejectedChanges:
    """Rejected rows of any day: `days` has the UTC day of each, None for a row that has none.

    `keys` are their keys in the contract's dtypes, null where a key cannot be represented itself.
    """

    keys: pl.DataFrame
    rows: Rejected = field(default_factory=Rejected)
    days: Sequence[date | None] = ()


UNREADABLE_COLUMNS = pl.Schema(
    {DAY: pl.Date(), RULE: pl.String(), POSITION: pl.String(), PAYLOAD: pl.String()}
)


def unreadable_schema(table: LayerTable) -> pl.Schema:
    """The key's columns and UNREADABLE_COLUMNS; see `Found.unreadable`."""
    key = {name: table.column(name).dtype for name in table.key}
    return pl.Schema({**key, **UNREADABLE_COLUMNS})


@dataclass(frozen=True)
class Found:
    """What was found to differ at some moment of the source.

    `rows`: rows as the source has them, in the contract's columns, of any day. `unreadable`: rows
    that cannot be handed over, in `unreadable_schema`: the key, the day, the rule, the source
    position and the row as JSON. `gone`: the keys of rows that the source no longer has.
    """

    rows: pl.DataFrame
    unreadable: pl.DataFrame
    gone: pl.DataFrame

    @classmethod
    def nothing(cls, table: LayerTable) -> "Found":
        """No row at all."""
        rows = pl.DataFrame(schema=polars_schema(table.columns))
        return cls(rows, pl.DataFrame(schema=unreadable_schema(table)), rows.select(table.key))

    def keys(self, table: LayerTable) -> pl.DataFrame:
        """The key of every row that is concerned, once."""
        frames = [frame.select(table.key) for frame in (self.rows, self.unreadable, self.gone)]
        return pl.concat(frames).unique()
