"""Seeded chance in the shapes of a real shop: skewed popularity, daily rhythm, late changes."""

from bisect import bisect, bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from random import Random
from typing import Final, Generic, TypeVar

from etl_assets.demo.vocabulary import HOURS

T = TypeVar("T")

_HOURS_CUMULATED: Final = tuple(accumulate(HOURS))


class Pool(Generic[T]):
    """Things to draw from with weights, added in the order in which they come into being."""

    def __init__(self) -> None:
        self._things: list[T] = []
        self._since: list[datetime] = []
        self._cumulated: list[float] = []

    def add(self, thing: T, weight: float, since: datetime) -> None:
        """Add `thing`, which exists from `since` (no earlier than the one before)."""
        self._things.append(thing)
        self._since.append(since)
        self._cumulated.append(weight + (self._cumulated[-1] if self._cumulated else 0.0))

    def draw(self, rng: Random, at: datetime) -> T:
        """Return one of the things that exist at `at`; IndexError if there is none yet."""
        last = bisect_right(self._since, at) - 1
        point = rng.random() * self._cumulated[last]
        return self._things[bisect(self._cumulated, point, 0, last)]


def seeded(*parts: object) -> Random:
    """Return a generator whose numbers depend on `parts` alone."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - for a demo, to be repeated


def pick(rng: Random, shares: Mapping[str, float]) -> str:
    """Return one of the keys, as likely as its share."""
    return rng.choices(tuple(shares), weights=tuple(shares.values()))[0]


def maybe(rng: Random, share: float, values: Sequence[T]) -> T | None:
    """Return one of `values` in `share` of the cases, otherwise None."""
    return rng.choice(values) if rng.random() < share else None


def midnight(day: date) -> datetime:
    """Return the first moment of `day` in UTC."""
    return datetime.combine(day, time(), UTC)


def times_of(rng: Random, day: date, count: int, earliest: timedelta) -> list[datetime]:
    """Return `count` ascending moments of `day`, none before `earliest` after its midnight."""
    start = midnight(day)
    hours = rng.choices(range(24), cum_weights=_HOURS_CUMULATED, k=count)
    offsets = (timedelta(hours=hour, microseconds=int(rng.random() * 3.6e9)) for hour in hours)
    return sorted(start + max(earliest, offset) for offset in offsets)


def later(rng: Random, moment: datetime, hours: tuple[float, float]) -> datetime:
    """Return a moment between so many hours after `moment`."""
    return moment + timedelta(microseconds=int(rng.uniform(*hours) * 3.6e9))


def nightly(rng: Random, moment: datetime, days: tuple[int, int]) -> datetime:
    """Return 02:00 UTC some days after `moment`: a batch job gives many rows the same time."""
    return midnight(moment.date()) + timedelta(days=rng.randint(*days), hours=2)
