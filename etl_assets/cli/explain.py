"""`etl-assets explain`: a row, layer by layer up to its sources.

The search is `pipeline/explain.py`.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import json_option, print_json, tell, wants_json
from etl_assets.cli.tables import chosen
from etl_assets.cli.visible import styled, visible_value
from etl_assets.core.errors import UnknownRow
from etl_assets.core.partitions import WHOLE
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.explain import InputTrace, RowTrace

_WIDEST_VALUE, _MOST_PARTS = 60, 3


@click.command()
@click.argument("table")
@click.argument("key", nargs=-1, required=True)
@click.option("--personal", is_flag=True, help="Show personal columns, and quarantined payloads.")
@click.option("--most", default=3, show_default=True, help="How many rows of each input.")
@json_option
def explain(table: str, key: tuple[str, ...], personal: bool, most: int) -> None:
    """Print how the row of TABLE with the key KEY came to be, up to its sources.

    A key of several columns is several values, in the order of the contract's key, or one JSON
    object: '{"file": "a.csv", "line": 7}'. A key that begins with a minus goes behind --. Personal
    columns are shown as a digest.
    """
    from etl_assets.pipeline.explain import Explainer

    with closing(open_platform()) as platform:
        (found,) = chosen(catalog_of(platform), (table,))
        values = key_values(found, key)
        with platform.spool(uuid.uuid4().hex, "explain") as folder:
            trace = Explainer(platform, folder, most).explain(found, values)
    if wants_json():
        print_json(_told(trace, personal=personal))
    else:
        for line in _lines(trace, personal=personal):
            tell(line)
    if trace.row is None:
        raise UnknownRow(*_not_found(trace))


def key_values(table: "LayerTable", given: Sequence[str]) -> dict[str, Any]:
    """The key's values by column, as they were typed. Raises click's usage error."""
    from etl_assets.pipeline.row_search import as_key

    names = list(table.key)
    values: dict[str, Any] = dict(zip(names, given, strict=False))
    if len(given) == 1 and given[0].lstrip()[:1] in ("{", "["):
        try:
            typed = json.loads(given[0])
        except ValueError as error:
            raise click.UsageError(f"The key is no JSON: {error}.") from None
        values = typed if isinstance(typed, dict) else dict(zip(names, typed, strict=False))
        given = list(values)
    if set(values) != set(names) or len(given) != len(names):
        raise click.UsageError(
            f"The key of {table.path} is {', '.join(names)}: give as many values."
        )
    try:
        return {name: as_key(table.column(name), values[name]) for name in names}
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None


def _lines(trace: "RowTrace", *, personal: bool, depth: int = 0) -> Iterator[str]:
    """What a person reads, a layer below the other."""
    indent = "    " * depth
    yield f"{indent}{styled(trace.table.path, bold=True)}  {visible_value(trace.key)}"
    for name, text in _facts(trace, personal=personal):
        yield f"{indent}  {name:<11}{text}"
    for given in trace.inputs:
        if trace.row is None and not given.by:
            continue
        yield f"{indent}  {'made of':<11}{_input_told(given)}"
        for row in given.rows:
            yield from _lines(row, personal=personal, depth=depth + 1)


def _facts(trace: "RowTrace", *, personal: bool) -> Iterator[tuple[str, str]]:
    """The facts of one row, a line each."""
    if trace.row is None:
        yield "row", "not published"
    else:
        shown = _shown_row(trace, personal=personal)
        yield "row", ", ".join(f"{n} {_short(v)}" for n, v in shown.items())
        audit = trace.audit
        at, run, source = audit["_ingested_at"], audit["_run_id"], audit["_source"]
        yield "published", f"{_moment(at)} by run {run}, from {source}"
        current = "as it is now" if trace.contract_is_current else "an earlier one than now"
        yield "contract", f"{trace.table.declared_in}, {audit['_schema_version']} ({current})"
    if trace.state is not None and trace.day is not None:
        state = trace.state
        late = {True: "; late: its inputs were published again", False: "", None: ""}[trace.is_late]
        rows, run = count_of(state.row_count, "row"), state.run_id
        moments = (
            f"published {_moment(state.updated_at)} by run {run}, as of {_moment(state.as_of)}"
        )
        yield "part", f"{_day(trace.day)}: {rows}, {moments}{late}"
        failed = f", warned: {state.failed_checks}" if state.failed_checks else ""
        if state.checks_passed or state.checks_failed:
            yield "checks", f"{state.checks_passed} passed{failed}"
        if state.verified_through:
            yield "checked", f"equal to the source at {_moment(state.verified_through)}"
    for line in trace.origin:
        yield "source", line
    for moment in trace.gone_at:
        back = "" if trace.row is None else "; it is there again"
        yield "deleted", f"its absence at the source was found at {_moment(moment)}{back}"
    yield from (("quarantine", line) for line in _quarantine_told(trace, personal=personal))


def _quarantine_told(trace: "RowTrace", *, personal: bool) -> Iterator[str]:
    own = [one for one in trace.quarantine if one.is_own]
    for one in own:
        payload = f": {visible_value(one.payload)}" if personal else ""
        what = "a line with its values" if one.is_line else "this key"
        yield f"{what}, {_day(one.day)}, {one.rule} ({one.position}){payload}"
    others = Counter(one.rule for one in trace.quarantine if not one.is_own)
    if others:
        rules = ", ".join(f"{rule} {rows:,}" for rule, rows in others.most_common())
        yield f"{count_of(others.total(), 'other row')} of this part: {rules}"


def _input_told(given: "InputTrace") -> str:
    if not given.by:
        return f"{given.table.path}: {_parts(given.parts)} (no column tells which rows)"
    by = ", ".join(own if own == there else f"{own} as {there}" for there, own in given.by.items())
    more = given.total - sum(row.row is not None for row in given.rows)
    rest = f", {more:,} more than shown" if more > 0 else ""
    among = "" if given.is_exact else f"; in {_parts(given.parts)}, maybe not all of them"
    return f"{given.table.path}: {count_of(given.total, 'row')} with its {by}{among}{rest}"


def _parts(parts: Sequence[date]) -> str:
    if not parts:
        return "no part that is published"
    if list(parts) == [WHOLE]:
        return "all of it"
    shown = (
        ", ".join(map(str, parts)) if len(parts) <= _MOST_PARTS else f"{parts[0]} to {parts[-1]}"
    )
    return f"{count_of(len(parts), 'day')} ({shown})"


def _not_found(trace: "RowTrace") -> tuple[str, str]:
    """That there is no such row, and what is known of the key all the same."""
    every = list(trace.walk())
    searched = [one.table.path for one in every]
    searched += [given.table.path for one in every for given in one.inputs if given.by]
    there = dict.fromkeys(one.table.path for one in every if one.row is not None)
    aside: dict[bool, dict[str, None]] = {False: {}, True: {}}
    for one in every:
        for found in one.quarantine:
            if found.is_own:
                aside[found.is_line][f"{one.table.path} ({found.rule})"] = None
    gone = [at for one in every for at in one.gone_at]
    known = [
        f"Its absence at the source was found at {_moment(max(gone))}." if gone else "",
        f"It is published in {', '.join(there)}." if there else "",
        f"It is in quarantine of {', '.join(aside[False])}." if aside[False] else "",
        f"A line with its values is in quarantine of {', '.join(aside[True])}: etl-assets "
        "quarantine show shows it."
        if aside[True]
        else "",
        "" if aside[False] or aside[True] else "It is not in quarantine.",
    ]
    told = f"No row of {trace.table.path} has the key {trace.key}; searched: "
    return f"{told}{', '.join(dict.fromkeys(searched))}.", " ".join(filter(None, known))


def _shown_row(trace: "RowTrace", *, personal: bool) -> dict[str, Any]:
    import polars as pl

    from etl_assets.core.personal import digests_of

    shown: dict[str, Any] = {}
    for name, value in (trace.row or {}).items():
        if value is not None and trace.table.column(name).personal and not personal:
            value = f"#{digests_of(pl.Series([str(value)]))[0]}"
        shown[name] = value.hex() if isinstance(value, bytes) else value
    return shown


def _told(trace: "RowTrace", *, personal: bool) -> dict[str, Any]:
    """The same for machines."""
    state, audit = trace.state, trace.audit
    return {
        "table": trace.table.path,
        "key": trace.key,
        "row": _shown_row(trace, personal=personal) if trace.row is not None else None,
        "ingested_at": audit.get("_ingested_at"),
        "run_id": audit.get("_run_id"),
        "source": audit.get("_source"),
        "schema_version": audit.get("_schema_version"),
        "contract_is_current": trace.contract_is_current,
        "module": trace.table.declared_in,
        "part": None if trace.day in (None, WHOLE) else trace.day,
        "part_run_id": state.run_id if state else None,
        "checks_passed": state.checks_passed if state else None,
        "failed_checks": state.failed_checks if state else None,
        "is_late": trace.is_late,
        "origin": list(trace.origin),
        "gone_at": list(trace.gone_at),
        "quarantine": [
            {
                "part": None if one.day == WHOLE else one.day,
                "rule": one.rule,
                "position": one.position,
                "is_this_key": one.is_own,
                **({"payload": one.payload} if personal else {}),
            }
            for one in trace.quarantine
        ],
        "inputs": [_input_json(given, personal=personal) for given in trace.inputs],
    }


def _input_json(given: "InputTrace", *, personal: bool) -> Mapping[str, Any]:
    return {
        "table": given.table.path,
        "by": dict(given.by),
        "parts": [day for day in given.parts if day != WHOLE],
        "rows": given.total,
        "is_exact": given.is_exact,
        "first_rows": [_told(row, personal=personal) for row in given.rows],
    }


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _day(day: date) -> str:
    return "the whole table" if day == WHOLE else str(day)


def _short(value: Any) -> str:
    text = "NULL" if value is None else str(value)
    return visible_value(text if len(text) <= _WIDEST_VALUE else f"{text[: _WIDEST_VALUE - 1]}…")
