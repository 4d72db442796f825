"""What a change of a table's declaration means for those who read the table and for its rows. Pure.

What it makes the platform do is `pipeline/planned/`; here each change is one sentence and one
impact. The declaration as of the last publication is compared with the code at hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from etl_assets.core.declared.columns import column_changes
from etl_assets.core.declared.declaration import Declaration
from etl_assets.core.declared.impact import Change, Impact

__all__ = ["Change", "Impact", "changes_between"]


def changes_between(before: Declaration, now: Declaration) -> list[Change]:
    """What changed, breaking changes first."""
    found = [
        *column_changes(before.get("columns", {}), now.get("columns", {}), now.get("key", [])),
        *_identity(before, now),
        *_origin(before, now),
        *_policies(before, now),
        *_thresholds(before.get("thresholds", {}), now.get("thresholds", {})),
    ]
    return sorted(found, key=lambda change: list(Impact).index(change.impact))


def _identity(before: Declaration, now: Declaration) -> Iterator[Change]:
    if before.get("key") != now.get("key"):
        yield Change(
            "key",
            Impact.BREAKING,
            f"The key was {_list(before.get('key'))} and is {_list(now.get('key'))}: other rows "
            "count as the same row, and readers that join by the key find others.",
        )
    if before.get("day") != now.get("day"):
        yield Change(
            "partition",
            Impact.BREAKING,
            f"Rows were on the day of {before.get('day') or 'none'} and are on that of "
            f"{now.get('day') or 'none'}: every published row is on another part.",
        )
    if before.get("cursor") != now.get("cursor"):
        yield Change(
            "cursor",
            Impact.COMPATIBLE,
            f"The cursor was {before.get('cursor') or 'none'} and is "
            f"{now.get('cursor') or 'none'}: a position of the one says nothing of the other.",
        )
    checks = set(now.get("row_checks", ())) - set(before.get("row_checks", ()))
    if checks:
        yield Change(
            "rules",
            Impact.REFUSES,
            f"Rows as a whole must keep {_list(sorted(checks))} now: rows that are published may "
            "be refused when their days are loaded again.",
        )


def _origin(before: Declaration, now: Declaration) -> Iterator[Change]:
    source, new_source = before.get("source"), now.get("source")
    if source and new_source and source != new_source:
        moved = {n for n in ("kind", "connection", "place") if source[n] != new_source[n]}
        if moved:
            yield Change(
                "source",
                Impact.BREAKING,
                f"It was read from {_place(source)} and is read from {_place(new_source)}: what "
                "was published of the former stays until it is loaded again, and the position of "
                "a sync is one of the former.",
            )
        else:
            yield Change(
                "source",
                Impact.VALUES,
                "How its source is read changed: the same rows may be read with other values.",
            )
    inputs, new_inputs = before.get("inputs", {}), now.get("inputs", {})
    for name in sorted({*inputs, *new_inputs}):
        if inputs.get(name) != new_inputs.get(name):
            was, is_ = inputs.get(name), new_inputs.get(name)
            told = f"was {was} and is {is_}" if was and is_ else f"is {is_ or 'gone'}"
            yield Change(
                "input", Impact.VALUES, f"The input {name} {told}: its days are made of others."
            )
    dimension, new = before.get("dimension", {}), now.get("dimension", {})
    if dimension.get("digest") != new.get("digest") and dimension and new:
        yield Change(
            "dimension",
            Impact.VALUES,
            f"Versions are made another way (tracked: {_list(dimension.get('tracked'))}, now "
            f"{_list(new.get('tracked'))}): its next run makes all of them anew.",
        )
    code = (before.get("transform"), dimension.get("prepare"))
    new_code = (now.get("transform"), new.get("prepare"))
    if code != new_code and any(code) and any(new_code):
        yield Change(
            "transform",
            Impact.VALUES,
            "The transform changed: rows may get other values. No day is made again by that alone; "
            "etl-assets diff shows what it would change.",
        )


_POLICIES: Final[Mapping[str, tuple[Impact, str]]] = {
    "deletes": (Impact.VALUES, "what happens to rows that the source deleted"),
    "drift": (Impact.COMPATIBLE, "what a source's columns may do"),
    "ignore": (Impact.COMPATIBLE, "which columns of the source are left out on purpose"),
    "keep_before": (Impact.COMPATIBLE, "which days are closed, and neither compared nor loaded"),
    "versions": (Impact.COMPATIBLE, "whether every version of a row is kept from now on"),
}
_USUAL: Final[Mapping[str, object]] = {
    "deletes": "remove",
    "drift": "report",
    "ignore": [],
    "keep_before": None,
}


def _policies(before: Declaration, now: Declaration) -> Iterator[Change]:
    for name, (impact, about) in _POLICIES.items():
        was, is_ = before.get(name, _USUAL.get(name)), now.get(name, _USUAL.get(name))
        if was != is_:
            yield Change(
                "policy", impact, f"{name} was {_shown(was)} and is {_shown(is_)}: {about} changes."
            )


_STRICTER_BELOW: Final = ("max_bad_share", "max_change", "max_deleted_share")


def _thresholds(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*before, *now} - {"severities"}):
        was, is_ = before.get(name), now.get(name)
        if was == is_:
            continue
        less = was is not None and is_ is not None and is_ < was
        stricter = less if name in _STRICTER_BELOW else not less
        yield Change(
            "threshold",
            Impact.REFUSES if stricter else Impact.COMPATIBLE,
            f"The threshold {name} was {_shown(was)} and is {_shown(is_)}: days that are published "
            f"{'may be refused when they are loaded again' if stricter else 'stay good'}.",
        )
    severities, new = before.get("severities", {}), now.get("severities", {})
    for name in sorted({*severities, *new}):
        was, is_ = severities.get(name, "as usual"), new.get(name, "as usual")
        if was != is_:
            blocks = is_ == "error" or (was == "warn" and is_ == "as usual")
            yield Change(
                "severity",
                Impact.REFUSES if blocks else Impact.COMPATIBLE,
                f"The severity of the check {name} was {was} and is {is_}: a day that fails it "
                f"{'is refused' if blocks else 'may be published with a warning'} from now on.",
            )


def _place(source: Mapping[str, str]) -> str:
    return f"{source['place']} ({source['kind']}, connection {source['connection']})"


def _shown(value: object) -> str:
    if value in (None, [], ()):
        return "none"
    return _list(value) if isinstance(value, list) else str(value)


def _list(values: Sequence[object] | None) -> str:
    return ", ".join(map(str, values or ())) or "none"
