"""Facts look a dimension up as of their own time: the version that was valid then. Pure.

How a dimension's versions are made is `core/history.py`. Which days of facts see something else
after a change of the dimension is decided in `pipeline/dimensions/marks.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from etl_assets.core.history import MOMENT, VALID_FROM, VALID_TO
from etl_assets.core.spec_classes import spec_class

UNKNOWN = 0
"""The surrogate key of the unknown member, which every dimension has: facts whose key the dimension
does not have at their time point to it, so that a join never loses a row."""

_ROW = "__row"


@spec_class
@dataclass(frozen=True)
class AsOf:
    """How facts look a dimension up.

    `sk` is the dimension's surrogate key. `key` maps the columns of its key to those of the facts,
    `at` is the facts' column of time (Datetime us UTC, or Date for its first moment). `columns` are
    the columns that the facts take of the version, beside `sk`, each by its name in the dimension
    with its name in the facts. `facts` names the input that `key` and `at` are columns of; empty
    for the one that sets the grain.
    """

    sk: str
    key: Mapping[str, str]
    at: str
    columns: Mapping[str, str] = field(default_factory=dict)
    facts: str = ""

    @property
    def fact_key(self) -> Sequence[str]:
        """The facts' columns of the key."""
        return list(self.key.values())

    def look_up(self, facts: pl.LazyFrame, dimension: pl.LazyFrame) -> pl.LazyFrame:
        """The facts, each with `sk` and the `columns` of the one version that it points to.

        A version holds from `valid_from` on and until before `valid_to`. Where the dimension has
        none at the fact's time, or the fact has no key or no time, it is the unknown member.
        """
        numbered = facts.with_row_index(_ROW)
        at, own = pl.col(self.at).cast(MOMENT).alias("__at"), self.fact_key
        asked = numbered.select(_ROW, *own, at).drop_nulls()
        versions = (
            dimension.select(
                *(pl.col(name).alias(own) for name, own in self.key.items()),
                self.sk,
                VALID_FROM,
                VALID_TO,
            )
            # Of a large dimension only the keys of these facts need to be put in order.
            .join(asked.select(own).unique(), on=own, how="semi")
            .sort(VALID_FROM)
        )
        found = (
            asked.sort("__at")
            .join_asof(
                versions,
                left_on="__at",
                right_on=VALID_FROM,
                by=own,
                strategy="backward",
                check_sortedness=False,
            )
            .filter(pl.col(VALID_TO).is_null() | (pl.col("__at") < pl.col(VALID_TO)))
            .select(_ROW, self.sk)
        )
        described = dimension.select(
            self.sk, *(pl.col(name).alias(own) for name, own in self.columns.items())
        )
        return (
            numbered.join(found, on=_ROW, how="left", maintain_order="left")
            .drop(_ROW)
            .with_columns(pl.col(self.sk).fill_null(UNKNOWN))
            .join(described, on=self.sk, how="left", maintain_order="left")
        )
