"""Whether each row of facts points to exactly one version of each dimension that it looks up.

The proof that a join to the dimension neither loses nor doubles a row: it is made from the rows
that a transform returned and the versions as they are published, apart from the look-up itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from etl_assets.core.as_of import AsOf
from etl_assets.core.history import MOMENT, VALID_FROM, VALID_TO
from etl_assets.core.table import LayerTable

_SAMPLES = 5


@dataclass
class LookUps:
    """What was found so far: `rows` looked at, and by surrogate key how many of them are wrong.

    `samples` are some of the numbers that point to no version, to several, or to one that did not
    hold at the row's time.
    """

    table: LayerTable
    dimensions: Mapping[str, pl.LazyFrame]
    rows: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[int]] = field(default_factory=dict)

    @property
    def is_needed(self) -> bool:
        """Whether the table has a surrogate key of a dimension at all."""
        return any(self._looked_up())

    def see(self, piece: pl.DataFrame) -> None:
        """Take rows of the table into account."""
        self.rows += piece.height
        for name, look in self._looked_up():
            if look.sk not in piece.columns:
                continue
            wrong = _wrong(piece, look, self.dimensions[name])
            if wrong.height:
                self.broken[look.sk] = self.broken.get(look.sk, 0) + wrong.height
                known = self.samples.setdefault(look.sk, [])
                known.extend(wrong[look.sk].unique().sort().head(_SAMPLES - len(known)))

    def _looked_up(self) -> list[tuple[str, AsOf]]:
        names = {column.name for column in self.table.columns}
        return [
            (name, given.as_of)
            for name, given in self.table.inputs.items()
            if given.as_of is not None and given.as_of.sk in names
        ]


def _wrong(piece: pl.DataFrame, look: AsOf, dimension: pl.LazyFrame) -> pl.DataFrame:
    """The rows that a join to the dimension loses or doubles, or takes out of their time."""
    numbered = piece.lazy().with_row_index("__row")
    joined = numbered.join(dimension.select(look.sk, VALID_FROM, VALID_TO), on=look.sk, how="inner")
    if look.at in piece.columns:
        at = pl.col(look.at).cast(MOMENT)
        held = (pl.col(VALID_FROM) <= at) & (pl.col(VALID_TO).is_null() | (at < pl.col(VALID_TO)))
        joined = joined.filter(at.is_null() | held)
    once = joined.group_by("__row").len().filter(pl.col("len") == 1)
    return numbered.join(once, on="__row", how="anti").collect()
