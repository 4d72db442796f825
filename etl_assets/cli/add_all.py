"""`etl-assets add-table --all`: a plan for every table of a schema, and with --yes its modules.

What is done for a single table is `cli/add_table.py`.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etl_assets.cli.output import (
    Column,
    Table,
    number,
    print_error,
    print_json,
    print_rows,
    print_warning,
    tell,
    wants_json,
)
from etl_assets.cli.visible import echo
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.pipeline.platform import Platform
    from etl_assets.scaffold.adding import Addition
    from etl_assets.scaffold.facts import Relation
    from etl_assets.scaffold.measure import Bounds
    from etl_assets.scaffold.propose import Wishes
    from etl_assets.scaffold.writing import Target

_COLUMNS = (*map(Column, ("table", "key", "day", "cursor")), number("rows"))


def add_all(
    platform: "Platform",
    target: "Target",
    relations: "Sequence[Relation]",
    wishes: "Wishes",
    bounds: "Bounds",
    *,
    yes: bool,
    dry_run: bool,
) -> None:
    """Print the plan, and with `yes` write it; leaves with exit code 1 where a table is refused."""
    from etl_assets.cli.add_table import tell_next, write_module
    from etl_assets.scaffold.adding import add_relation, names_for

    wanted, skipped = _sorted_out(platform, relations)
    taken = {*target.names(), *(path.partition("/")[2] for path in platform.catalog)}
    found = [
        add_relation(platform, target, relation, name, wishes, bounds)
        for relation, name in names_for(wanted, taken)
    ]
    good = [one for one in found if not one.refusal]
    if dry_run:
        echo("\n\n".join(one.module for one in good), nl=False)
        return
    if wants_json():
        print_json([_told(one) for one in found])
    else:
        _print_plan(target, good, skipped)
    _print_refusals(found)
    bad = len(found) - len(good)
    if not yes:
        tell(
            f"{count_of(len(good), 'table')} can be added, {bad} cannot. Nothing is written yet: "
            "the same command with --yes writes them, add-table TABLE --dry-run shows one."
        )
        return
    for one in good:
        write_module(target, one)
    tell(f"{count_of(len(good), 'table')} added to {target.package}.")
    tell_next(platform, good)
    if bad:
        print_error(f"{count_of(bad, 'table')} could not be added: see the warnings above.")
        sys.exit(1)


def _sorted_out(
    platform: "Platform", relations: "Sequence[Relation]"
) -> "tuple[list[Relation], list[str]]":
    """The relations to be added, and a sentence for each of the others."""
    from etl_assets.scaffold.adding import declared_as

    wanted: list[Relation] = []
    skipped: list[str] = []
    for relation in relations:
        known = declared_as(platform.catalog, relation)
        if known:
            skipped.append(f"{relation.shown} is {known} already.")
        elif relation.child_of:
            skipped.append(f"{relation.shown} is read with {relation.child_of}.")
        else:
            wanted.append(relation)
    return wanted, skipped


def _print_plan(target: "Target", good: "Sequence[Addition]", skipped: Sequence[str]) -> None:
    rows = list(map(_planned, good))
    print_rows(Table("tables", f"Tables for {target.package}", _COLUMNS, rows, wraps="table"))
    for line in skipped:
        echo(line)
    for one in good:
        for warning in (*(one.proposed.warnings if one.proposed else ()), *one.notes):
            echo(f"{one.place}: {warning}")


def _print_refusals(found: "Sequence[Addition]") -> None:
    """Why tables cannot be added; a reason that several share, as a missing right, once."""
    from etl_assets.pipeline.status_notes import some_named

    reasons: dict[str, list[Addition]] = {}
    for one in found:
        if one.refusal:
            reasons.setdefault(str(one.refusal).replace(one.place, ""), []).append(one)
    for first, *others in reasons.values():
        same = some_named(one.place for one in others)
        print_warning(
            f"{first.refusal} The same is true of {same}." if others else str(first.refusal)
        )


def _told(one: "Addition") -> Mapping[str, Any]:
    """A table of the plan for programs: its choices with their reasons, or why it is refused."""
    told: dict[str, Any] = {"source": one.place, "table": one.name}
    if one.proposed is None:
        return {**told, "refused": str(one.refusal)}
    for reason in one.proposed.reasons:
        told[reason.what] = {
            "chosen": reason.chosen,
            "why": reason.why,
            "is_guess": reason.is_guess,
        }
    notes = [*one.proposed.warnings, *one.notes]
    return {**told, "rows": one.proposed.rows, "warnings": notes, "refused": None}


def _planned(one: "Addition") -> dict[str, Any]:
    proposed = one.proposed
    assert proposed is not None  # noqa: S101 - what is good was proposed
    own = proposed.place.rpartition(".")[2]
    name = proposed.place if own == one.name else f"{proposed.place} as {one.name}"
    chosen = {reason.what: reason for reason in proposed.reasons}
    key = chosen["key"].chosen + (" (a guess)" if chosen["key"].is_guess else "")
    return {
        "table": name,
        "key": key,
        "day": chosen["day"].chosen,
        "cursor": chosen["cursor"].chosen,
        "rows": proposed.rows,
    }
