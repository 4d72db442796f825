"""A timestamp without zone as the instant that it means in a zone of its own, in SQL.

A local time may stand twice, or never, on the night that clocks change. The source decides which:
it has one idea of zones for reading, counting and comparing. What a contract may say of such times
is `ambiguous` in `core/contracts.py`.
"""

from etl_assets.core.contracts import Ambiguous

_DAY = "interval '24 hours'"


def instant(e: str, zone: str, ambiguous: Ambiguous) -> str:
    """The instant (timestamptz) of `e`, which `is_known`; NULL for what is not, where that is asked
    for."""
    plain = f"({e} AT TIME ZONE {_literal(zone)})"  # of two the later, PostgreSQL's own choice
    if ambiguous == "null":
        return f"(CASE WHEN {is_known(e, zone, 'raise')} THEN {plain} END)"
    if ambiguous == "earliest":
        before, _ = _candidates(e, zone)
        twice = f"{_changes(e, zone)} AND {_is_at(before, e, zone)}"
        return f"(CASE WHEN {twice} THEN {before} ELSE {plain} END)"
    return plain


def is_known(e: str, zone: str, ambiguous: Ambiguous) -> str:
    """Whether the zone says which instant `e` is, a finite timestamp; NULL for NULL.

    With "raise" it must be at one instant, else at one or two.
    """
    before, after = (_is_at(candidate, e, zone) for candidate in _candidates(e, zone))
    enough = f"{before} <> {after}" if ambiguous == "raise" else f"({before} OR {after})"
    return f"(CASE WHEN {_changes(e, zone)} THEN {enough} ELSE {e} IS NOT NULL END)"


def _changes(e: str, zone: str) -> str:
    """Whether clocks change within a day of `e`: nearly never, and cheap to ask."""
    before, after = _candidates(e, zone)
    return f"{before} <> {after}"


def _candidates(e: str, zone: str) -> tuple[str, str]:
    """The instant by the clock of the day before, and by that of the day after."""
    name = _literal(zone)
    return (
        f"((({e} - {_DAY}) AT TIME ZONE {name}) + {_DAY})",
        f"((({e} + {_DAY}) AT TIME ZONE {name}) - {_DAY})",
    )


def _is_at(instant: str, e: str, zone: str) -> str:
    return f"({instant} AT TIME ZONE {_literal(zone)} = {e})"


def _literal(zone: str) -> str:
    return "'" + zone.replace("'", "''") + "'"
