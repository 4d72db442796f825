"""Parts that were not published: why, in words, and how they are remembered until they are.

They are kept in the table's row, beside what a sync must load again. Which parts a run publishes is
decided in `run_days.py`; how the run fails is Dagster's matter.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, cast

from etl_assets.core import checks
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.http_specs import HttpApi
from etl_assets.core.reload_reasons import refused
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of, is_or_are
from etl_assets.pipeline.days import FailedDay, LoadedDay
from etl_assets.pipeline.reloads import put_reloads
from etl_assets.pipeline.turns import in_turn
from etl_assets.warehouse.base import Warehouse


def broken(loaded: LoadedDay) -> str:
    """The checks that refused the day; of bad rows the commonest rule, its rows and some keys.

    Objects that could not be read come first, even where that alone refuses no day: rows that are
    missing are missing because of them.
    """
    told = []
    unread = [one for one in loaded.results if one.check == checks.FILES_READ and not one.passed]
    others = [one for one in loaded.results if one.blocks and one not in unread]
    for result in (*unread, *others):
        rules = cast("list[dict[str, Any]]", result.evidence.get("broken_rules", []))
        first = [
            f"{r['rule']}: {count_of(r['rows'], 'row')}, {r['sample_keys']}" for r in rules[:1]
        ]
        bound = _BOUNDS.get(result.check.name)
        details = [*first, *([bound(result.evidence)] if bound else [])]
        if any(rule["rule"] == checks.UNIQUE_KEY.name for rule in rules):
            details += _on_versions(loaded.table.source)
        told.append(f"{result.check.name} ({'; '.join(details)})" if details else result.check.name)
    return ", ".join(told)


def _on_versions(source: object) -> list[str]:
    """What the spec of a list of an API can say of keys that come again: copies count once there,
    so that they are versions of an item."""
    if not isinstance(source, HttpApi):
        return []
    if source.newest is None:
        return [
            "the API gives several versions of an item: newest= of the spec's HttpApi names the "
            "column whose greatest value says which one stays"
        ]
    return [
        f"several versions of an item have the same {source.newest}, which newest= of the spec's "
        "HttpApi names: name a column that tells them apart"
    ]


def remember(
    warehouse: Warehouse, table: LayerTable, days: Sequence[LoadedDay | FailedDay], run_id: str
) -> None:
    """Put the parts on record that a check or the contract refused, until they are published.

    Parts that only wait for others (a marker, an upstream day) are none, nor those of which
    somebody has published a newer snapshot meanwhile. Raises what the warehouse raises.
    """
    found = [day for day in days if isinstance(day, LoadedDay) or _is_refusal(day)]
    if found:
        in_turn(lambda: _remember(warehouse, table, found, run_id))


def _remember(
    warehouse: Warehouse, table: LayerTable, days: Sequence[LoadedDay | FailedDay], run_id: str
) -> None:
    known = warehouse.table_state(table)  # first: who publishes after it takes the turn
    before = known.reload_reasons if known else {}
    newest = {state.partition_key: state.as_of for state in warehouse.state(table)}
    reasons: dict[date, str] = {}
    for day in days:
        if isinstance(day, FailedDay):
            reasons[day.day] = refused(day.error.what, before=before.get(day.day))
        elif newest.get(day.day, day.as_of) <= day.as_of:
            made_of = day.made_of if table.is_of_files else None
            reasons[day.day] = refused(f"by {broken(day)}", made_of, before.get(day.day))
    if reasons:
        put_reloads(warehouse, table, known, {**before, **reasons}, run_id)


def _is_refusal(day: FailedDay) -> bool:
    return isinstance(day.error, ContractMismatch)


_BOUNDS: "Final[Mapping[str, Callable[[Mapping[str, Any]], str]]]" = {
    checks.VALUE_RULES.name: lambda of: (
        f"{of['bad_rows']:,} of {count_of(of['rows'], 'row')} {is_or_are(of['bad_rows'])} bad, "
        "and max_bad_share allows "
        f"{of['tolerated_share']:.4g}"
    ),
    checks.SHRINKAGE.name: lambda of: (
        f"{count_of(of['rows'], 'row')}, {of['published_rows']:,} "
        f"{is_or_are(of['published_rows'])} published, and min_share_of_last is "
        f"{of['least_share']:.4g}"
    ),
    checks.HISTORY_COUNT.name: lambda of: (
        f"{count_of(of['rows'], 'row')}, earlier days have {of['median_of_earlier_days']:,}, and "
        "max_change "
        f"is {of['allowed_factor']:.4g}"
    ),
    checks.FILES_READ.name: lambda of: (
        f"{of['refused']:,} of {count_of(of['objects'], 'object')} cannot be trusted: "
        + "; ".join(f"{key}: {why}" for key, why in list(of["why"].items())[:1])
    ),
}
"""What was found, and the threshold of the spec that it was held against."""
