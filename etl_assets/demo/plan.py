"""What the demo shop will hold: its size, and which of its rows and files are bad on purpose.

Pure arithmetic on the parameters; the rows themselves are made in `generate.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

from etl_assets.demo.chance import seeded

# Item ids are order_id * 10 + line, so that they are known without making the rows.
ITEM_ID_FACTOR: Final = 10
# The line of a bad item; good orders have at most five lines.
BAD_ITEM_LINE: Final = 9
# A day's orders against the average, Monday to Sunday.
_WEEKDAY_SHARE: Final = (0.95, 0.93, 0.95, 1.0, 1.12, 1.15, 0.90)
_GROWTH_A_DAY: Final = 0.01

BadKind = Literal[
    "negative_total",
    "unknown_status",
    "infinite_updated_at",
    "email_without_at",
    "country_of_three_letters",
    "zero_quantity",
]
# (day counted from the first, kind): spread thinly, as checks tolerate one per cent of a day.
_BAD_ORDERS: Final[tuple[tuple[int, BadKind], ...]] = (
    (3, "negative_total"),
    (7, "unknown_status"),
    (11, "infinite_updated_at"),
    (16, "negative_total"),
    (16, "unknown_status"),
    (20, "infinite_updated_at"),
    (26, "negative_total"),
    (26, "unknown_status"),
)
_BAD_ITEM_DAYS: Final = (5, 14, 23)
_BAD_CUSTOMERS: Final[tuple[BadKind, ...]] = (
    "email_without_at",
    "country_of_three_letters",
    "email_without_at",
    "country_of_three_letters",
)
_ROWS_FOR_ONE_BAD: Final = 101

BadLineKind = Literal["freight_in_words", "no_order", "missing_field"]
_BAD_LINES: Final[tuple[tuple[int, str, BadLineKind], ...]] = (
    (4, "norda", "freight_in_words"),
    (12, "blitzbote", "no_order"),
    (21, "norda", "missing_field"),
)
_BAD_PRICES: Final = ((9, "hanseatic"), (17, "meridian"))
# Of a smaller shop too few parcels are shipped a day for one bad line.
_LARGE: Final = 300


@dataclass(frozen=True)
class ShopPlan:
    """The parameters of a shop; days are UTC, `orders_a_day` is the average over them.

    Raises ValueError if there is not at least one day and one order a day.
    """

    first_day: date = date(2024, 1, 1)
    days: int = 30
    orders_a_day: int = 400
    seed: int = 20240101
    order_counts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.days < 1 or self.orders_a_day < 1:
            raise ValueError(f"a shop needs a day and an order a day, not {self}")
        # A frozen dataclass sets its derived fields this way.
        object.__setattr__(
            self, "order_counts", tuple(self._count(day) for day in range(self.days))
        )

    def parameters(self) -> dict[str, str | int]:
        """What it was made of, for JSON."""
        return {
            "first_day": self.first_day.isoformat(),
            "days": self.days,
            "orders_a_day": self.orders_a_day,
            "seed": self.seed,
        }

    def day(self, index: int) -> date:
        """Return the date of day `index`, counted from 0."""
        return self.first_day + timedelta(days=index)

    def new_customers(self, index: int) -> int:
        """Return how many customers day `index` brings; the first is the import of the old shop."""
        return self.orders_a_day * 2 if index == 0 else max(1, round(self.orders_a_day * 0.15))

    def first_order_id(self, index: int) -> int:
        """Return the id of the first order of day `index`."""
        return 1 + sum(self.order_counts[:index])

    def _count(self, index: int) -> int:
        noise = seeded(self.seed, "orders", index).uniform(0.96, 1.04)
        growth: float = (1 + _GROWTH_A_DAY) ** (index - (self.days - 1) / 2)
        share = _WEEKDAY_SHARE[self.day(index).weekday()]
        return max(1, round(self.orders_a_day * share * growth * noise))


@dataclass(frozen=True, order=True)
class BadRow:
    """A row that the shop holds and a warehouse must not take: where it is and what is wrong."""

    table: Literal["customers", "orders", "order_items"]
    id: int
    kind: BadKind


def bad_rows(plan: ShopPlan) -> tuple[BadRow, ...]:
    """Return the bad rows of a shop, sorted.

    They stay below one per cent of their table's day: a small shop has fewer of them, and one of
    less than a hundred orders a day none.
    """
    return tuple(sorted([*_bad_customers(plan), *_bad_orders(plan), *_bad_items(plan)]))


def _bad_customers(plan: ShopPlan) -> Iterator[BadRow]:
    # All on the first day, because later ones are too small for even a single one.
    rows = plan.new_customers(0)
    for number, kind in enumerate(_BAD_CUSTOMERS[: rows // _ROWS_FOR_ONE_BAD], start=1):
        yield BadRow("customers", rows * number // (len(_BAD_CUSTOMERS) + 1), kind)


def _bad_orders(plan: ShopPlan) -> Iterator[BadRow]:
    seen: dict[int, int] = {}
    for day, kind in _BAD_ORDERS:
        seen[day] = number = seen.get(day, 0) + 1
        if day < plan.days and plan.order_counts[day] >= number * _ROWS_FOR_ONE_BAD:
            position = plan.order_counts[day] * number // 3
            yield BadRow("orders", plan.first_order_id(day) + position, kind)


def _bad_items(plan: ShopPlan) -> Iterator[BadRow]:
    for day in _BAD_ITEM_DAYS:
        if day < plan.days and plan.order_counts[day] >= _ROWS_FOR_ONE_BAD:
            order_id = plan.first_order_id(day) + plan.order_counts[day] // 2
            item_id = order_id * ITEM_ID_FACTOR + BAD_ITEM_LINE
            yield BadRow("order_items", item_id, "zero_quantity")


class BadLine(NamedTuple):
    """A file of a carrier with a line that does not fit, and what is wrong with that."""

    day: date
    carrier: str
    kind: BadLineKind


def is_large(plan: ShopPlan) -> bool:
    """Whether the shop's partners send bad lines and files: of a small one all of them are good."""
    return plan.orders_a_day >= _LARGE


def bad_lines(plan: ShopPlan) -> tuple[BadLine, ...]:
    """Return the files of carriers that have a bad line, one each."""
    return tuple(
        BadLine(plan.day(day), carrier, kind)
        for day, carrier, kind in _BAD_LINES
        if day < plan.days and is_large(plan)
    )


def bad_prices(plan: ShopPlan) -> tuple[tuple[date, str], ...]:
    """Return day and supplier of the price lists that have a price in words, one each."""
    return tuple(
        (plan.day(day), name) for day, name in _BAD_PRICES if day < plan.days and is_large(plan)
    )


BAD_ROWS: Final = bad_rows(ShopPlan())
"""The bad rows of the shop with the default parameters."""

BAD_LINES: Final = len(bad_lines(ShopPlan())) + len(bad_prices(ShopPlan()))
"""How many lines of its partners' files are bad."""
