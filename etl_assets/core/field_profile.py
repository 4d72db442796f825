"""Which fields the objects of a JSON column have, counted by type; pure.

A field is what stands at the top of an object: an object or a list in it is one value of it.
Where the counts are kept is `core/field_register.py`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from etl_assets.core.json_objects import INVALID, TYPES, Fields, shown, value_of

REPEATED = "repeated names"
"""Objects in which a name stands twice are counted as this, beside as objects."""

_Shape = tuple[tuple[str, str], ...]


@dataclass
class FieldCounts:
    """What was seen of one field, or of the column itself; moments are UTC.

    `rows` have the field, with whatever value; `types` counts them by type, `null` among these. Of
    the column `rows` are all rows, and `types` counts objects, other JSON, NULL as `null` and text
    that is no JSON.
    """

    rows: int = 0
    types: Counter[str] = field(default_factory=Counter)
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    def see(self, type_: str, rows: int, first: datetime | None, last: datetime | None) -> None:
        """Count rows whose value is of the type, seen from `first` to `last`."""
        self.rows += rows
        self.types[type_] += rows
        self.span(first, last)

    def span(self, first: datetime | None, last: datetime | None) -> None:
        """Take in that it was seen from `first` to `last`; None where nobody knows."""
        moments = (self.first_seen, self.last_seen, first, last)
        known = [moment for moment in moments if moment is not None]
        self.first_seen, self.last_seen = min(known, default=None), max(known, default=None)


class FieldProfile:
    """Feeds on batches of a JSON column's texts; `counts` are by field, None is the column."""

    def __init__(self) -> None:
        self.counts: dict[str | None, FieldCounts] = {None: FieldCounts()}

    def add(self, texts: pl.Series, moments: pl.Series | datetime | None = None) -> None:
        """Count rows: the column's texts, and the moment that each was so in the source.

        Equal texts are read once, and fields are counted once for each shape of objects.
        """
        moment = moments if isinstance(moments, pl.Series) else pl.lit(moments)
        rows = (
            pl.DataFrame({"text": texts})
            .with_columns(moment.cast(pl.Datetime("us", "UTC")).alias("at"))
            .group_by("text")
            .agg(pl.len(), pl.col("at").min().alias("first"), pl.col("at").max().alias("last"))
        )
        numbers: dict[_Shape | str, int] = {"null": 0}
        shapes = [
            0 if text is None else numbers.setdefault(_shape(text), len(numbers))
            for text in rows["text"]
        ]
        by_shape = (
            rows.with_columns(pl.Series("shape", shapes, pl.Int64))
            .group_by("shape")
            .agg(pl.col("len").sum(), pl.col("first").min(), pl.col("last").max())
        )
        seen = {shape: more for shape, *more in by_shape.iter_rows()}
        for shape, number in numbers.items():
            if number in seen:
                self._count(shape, *seen[number])

    def _count(
        self, shape: "_Shape | str", rows: int, first: datetime | None, last: datetime | None
    ) -> None:
        own = self.counts[None]
        own.see(shape if isinstance(shape, str) else "object", rows, first, last)
        if isinstance(shape, str):
            return
        fields = {shown(name): type_ for name, type_ in shape}
        if len(fields) < len(shape):
            own.types[REPEATED] += rows
        for name, type_ in fields.items():
            self.counts.setdefault(name, FieldCounts()).see(type_, rows, first, last)


def profile(
    texts: pl.Series, moments: pl.Series | datetime | None = None
) -> Mapping[str | None, FieldCounts]:
    """The counts of one batch; see `FieldProfile`."""
    found = FieldProfile()
    found.add(texts, moments)
    return found.counts


def _shape(text: str) -> "_Shape | str":
    """The names of an object with the types of their values; for other JSON what it is."""
    try:
        value = value_of(text)
    except ValueError:
        return INVALID
    if type(value) is Fields:
        return tuple([(name, TYPES[type(field)]) for name, field in value])
    # A JSON null in the column is told apart from no value at all.
    return "JSON null" if value is None else TYPES[type(value)]
