"""Text that may be dates, times or moments, by ISO 8601 or a format; and why it is left as text.

Which texts are values is asked of the platform's own reader.
"""

import re
from collections.abc import Sequence

import polars as pl

from etl_assets.core.file_formats import Texts, pattern_of
from etl_assets.sources.files.propose.guess import Doubt, Guess, Values

_DAYS = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
_TIMES = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
_BOTH = [f"{day}{gap}{time}" for day in (*_DAYS, "%Y-%m-%d") for gap in " T" for time in _TIMES]
_ISO_DAY, _ISO_TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}", r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_OFFSET = "(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
_NAIVE, _MOMENT = pl.Datetime("us"), pl.Datetime("us", "UTC")
NO_ZONE = (
    "Times of a clock whose zone the files do not say, kept as they are. When you know it: "
    'Annotated[pl.Datetime, "us", "UTC"] with column(source_zone="Europe/Berlin"), say; a wrong '
    "zone shifts every moment."
)
_NAMES_OF_DAYS = ("date", "day", "datum", "tag", "fecha", "jour")


def moment(values: Values) -> Guess | Doubt | None:
    """Date, Time or Datetime, or why it is none; None for texts that have nothing of them."""
    return _iso(values) or _formatted(values)


def _iso(values: Values) -> Guess | Doubt | None:
    name = values.name
    if values.all_match(_ISO_DAY):
        found = Guess(name, pl.Date()) if values.are_all(pl.Date()) else None
        return found or Doubt("dates of which some do not exist")
    if values.all_match(_ISO_TIME):
        if values.are_all(pl.Time()):
            return Guess(name, pl.Time()).noting(
                "Times of day. If they are durations, write pl.String: 24:00 goes to quarantine."
            )
        return None
    moments = f"{_ISO_DAY}[T ]{_ISO_TIME}"
    if values.all_match(moments + _OFFSET) and values.are_all(_MOMENT):
        return Guess(name, _MOMENT).noting(
            "Moments with an offset, kept in UTC: which offset they were written with is not kept."
        )
    if values.all_match(moments) and values.are_all(_NAIVE):
        return Guess(name, _NAIVE).noting(NO_ZONE)
    if values.all_match(f"{moments}{_OFFSET}?"):
        return Doubt(
            "moments of which some have no offset, or more digits than microseconds: as "
            "pl.Datetime the former need source_zone"
        )
    return None


def _formatted(values: Values) -> Guess | Doubt | None:
    if not values.texts.head(20).str.contains("[0-9]").all():
        return None
    if values.all_match(r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}(?:[ T].*)?"):
        return Doubt("dates with years of two digits: which century they mean would be a guess")
    if any(word in values.name.lower() for word in _NAMES_OF_DAYS) and values.all_match("[12].{7}"):
        options = Texts(formats=("%Y%m%d",))
        if values.are_all(pl.Date(), options):
            return Guess(values.name, pl.Date(), text=options)
    fitting = _fitting(values, pl.Date(), _DAYS)
    if fitting:
        return _one_of(values, pl.Date(), fitting)
    fitting = _fitting(values, _NAIVE, _BOTH)
    if not fitting:
        return None
    found = _one_of(values, _NAIVE, fitting)
    return found.noting(NO_ZONE) if isinstance(found, Guess) else found


def _fitting(values: Values, dtype: pl.DataType, forms: Sequence[str]) -> list[str]:
    """The formats in which every text is a value."""
    first = str(values.texts[0])
    near = [form for form in forms if re.match(pattern_of(form), first)]
    return [form for form in near if values.are_all(dtype, Texts(formats=(form,)))]


def _one_of(values: Values, dtype: pl.DataType, forms: list[str]) -> Guess | Doubt:
    """The only format that fits; a doubt where day and month may change places."""
    if len(forms) > 1:
        written = " or ".join(f'Texts(formats=("{form}",))' for form in forms[:2])
        return Doubt(
            "dates of which day and month can change places, as in 01/02/2024, and the sample does "
            f"not say which: pl.{dtype.base_type().__name__} with {written}, once you know"
        )
    (form,) = forms
    guess = Guess(values.name, dtype, text=Texts(formats=(form,)))
    swapped = {"%d/%m", "%m/%d", "%d-%m", "%m-%d"} & {form[:5]}
    if swapped:
        guess = guess.noting(
            f"The sample has days after the 12th, so that they are written {form}; the other way "
            "round would change most dates."
        )
    return guess
