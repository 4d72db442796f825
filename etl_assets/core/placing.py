"""Which declared tables fit together, in which order, and why others are left out. No I/O.

What can be asked of the tables that are left is `catalog.py`.
"""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Final

from etl_assets.core.dimension import DELETIONS, HISTORY, DimensionSpec
from etl_assets.core.policies import Deletes
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Layer, LayerTable, file_of

Spec = TableSpec | EnrichedSpec | DimensionSpec

READS: Final[Mapping[Layer, tuple[Layer, ...]]] = {
    Layer.RAW: (),
    Layer.STAGED: (Layer.RAW,),
    Layer.ENRICHED: (Layer.STAGED, Layer.ENRICHED),
}
"""The layers that a table of each layer may read; raw ones are read from sources alone."""


@dataclass(frozen=True)
class Declared:
    """A spec, and the Python module that declares it; None where it was made in code.

    Of a spec that YAML declares `module` is the package, and `file` the path of the file in it.
    """

    spec: Spec
    module: str | None = None
    file: str | None = None

    def layer_tables(self) -> tuple[LayerTable, ...]:
        """The spec's tables, which know where they are declared."""
        return tuple(
            replace(
                table,
                module=self.module,
                file=self.file,
                versions=table.versions
                and replace(table.versions, module=self.module, file=self.file),
            )
            for table in self.spec.layer_tables()
        )

    @property
    def place(self) -> str:
        """The file, or the spec's name."""
        return file_of(self.module, self.file) if self.module else f"the spec {self.spec.name}"


@dataclass(frozen=True)
class Broken:
    """Why tables are left out: a sentence or two that say what to change, and their paths."""

    message: str
    paths: frozenset[str]


def versions_of(tables: Mapping[str, LayerTable]) -> dict[str, str]:
    """The tables that keep versions, by the path of these."""
    return {table.versions.path: path for path, table in tables.items() if table.versions}


def without_doubled(declared: Iterable[Declared]) -> tuple[list[LayerTable], list[Broken]]:
    """The tables whose path nobody else has, and the others: which one is meant is not known.

    Not every warehouse tells names apart by case.
    """
    by_path: dict[str, list[tuple[str, Declared]]] = defaultdict(list)
    made = [(one, one.layer_tables()) for one in declared]
    for one, tables in made:
        for table in tables:
            for path in [table.path, *([table.versions.path] if table.versions else [])]:
                by_path[path.lower()].append((path, one))
    broken = [
        Broken(
            f"{' and '.join(dict.fromkeys(one.place for _, one in owners))}: name: both declare "
            f"{' and '.join(dict.fromkeys(path for path, _ in owners))}, so neither is used. "
            "Give one of them another name, by more than its case.",
            frozenset(table.path for _, one in owners for table in one.layer_tables()),
        )
        for owners in by_path.values()
        if len(owners) > 1
    ]
    left_out = {path for one in broken for path in one.paths}
    return [t for _, tables in made for t in tables if t.path not in left_out], broken


def placed(
    tables: Iterable[LayerTable], broken: Iterable[Broken]
) -> tuple[dict[str, LayerTable], list[Broken]]:
    """The tables upstream first, without those that have an input that is left out."""
    layers = list(Layer)
    known = {t.path: t for t in sorted(tables, key=lambda t: (layers.index(t.layer), t.name))}
    found = [*broken, *(_misplaced(t, asset, known) for t in known.values() for asset in _wrong(t))]
    for path in {path for one in found for path in one.paths}:
        known.pop(path, None)
    while True:
        versions = versions_of(known)
        readable = {**known, **{path: known[owner] for path, owner in versions.items()}}
        left_out = {path for one in found for path in one.paths}
        unreadable = [
            _unreadable(table, given.asset, given.asset in left_out, known)
            for table in known.values()
            for given in table.inputs.values()
            if given.asset not in readable
        ]
        unreadable = unreadable or [
            _without_days(table)
            for table in known.values()
            if table.inputs and table.has_days
            if not any(readable[given.asset].has_days for given in table.inputs.values())
        ]
        unreadable = unreadable or [
            _without_tombstones(table, readable[given.asset])
            for table in known.values()
            if table.dimension is not None and (given := table.inputs.get(DELETIONS)) is not None
            if readable[given.asset].deletes is not Deletes.TOMBSTONE
        ]
        unreadable = unreadable or [
            broken
            for table in known.values()
            if table.dimension is not None
            for broken in _without_entity(table, readable[table.inputs[HISTORY].asset])
        ]
        if unreadable:
            found += unreadable
            for one in unreadable:
                for path in one.paths:
                    known.pop(path, None)
            continue
        graph = {
            path: {versions.get(given.asset, given.asset) for given in table.inputs.values()}
            for path, table in known.items()
        }
        try:
            return {path: known[path] for path in TopologicalSorter(graph).static_order()}, found
        except CycleError as error:
            cycle: list[str] = error.args[1]
            found.append(_cyclic([known[path] for path in cycle[::-1]]))
            for path in cycle[1:]:
                known.pop(path)


def _unreadable(
    table: LayerTable, asset: str, is_broken: bool, known: Mapping[str, LayerTable]
) -> Broken:
    near = difflib.get_close_matches(asset, known, n=1)
    hint = f"Write {near[0]}, if that is meant." if near else "Write the path of a table."
    why = (
        f"{asset} is broken, so {table.path} is left out as well. Mend {asset} first."
        if is_broken
        else f"{table.path} reads {asset}, which no module declares. {hint}"
    )
    return Broken(f"{table.declared_in}: inputs: {why}", frozenset([table.path]))


def _wrong(table: LayerTable) -> list[str]:
    """Inputs of layers that the table may not read; what is of no layer nobody declares.

    A dimension may read raw ones: versions and tombstones are kept there, and its own `prepare` and
    contract are what a staged table is to others.
    """
    allowed = {str(layer) for layer in READS[table.layer]}
    if table.dimension is not None:
        allowed.add(str(Layer.RAW))
    layers = [(given.asset.partition("/")[0], given.asset) for given in table.inputs.values()]
    return [asset for layer, asset in layers if layer in set(Layer) - allowed]


def _misplaced(table: LayerTable, asset: str, known: Mapping[str, LayerTable]) -> Broken:
    allowed = READS[table.layer]
    if not allowed:
        rule, write = f"{table.layer} tables have no inputs", "Take it out."
    else:
        rule = f"{table.layer} tables read {' and '.join(allowed)} ones only"
        name = asset.partition("/")[2]
        same = [f"{layer}/{name}" for layer in allowed if f"{layer}/{name}" in known]
        write = f"Write {(same or [f'the path of a table in {allowed[0]}'])[0]}."
    return Broken(
        f"{table.declared_in}: inputs: {table.path} reads {asset}, and {rule}. {write}",
        frozenset([table.path]),
    )


def _without_days(table: LayerTable) -> Broken:
    return Broken(
        f"{table.declared_in}: partition_column: {table.path} has days, and none of its inputs has "
        "any, so nothing says which days there are. Write None.",
        frozenset([table.path]),
    )


def _without_entity(table: LayerTable, above: LayerTable) -> Iterator[Broken]:
    """A dimension whose input lacks the columns that it is read by."""
    dimension, path = table.dimension, table.inputs[HISTORY].asset
    assert dimension is not None  # noqa: S101 - asked of dimensions only
    there = [column.name for column in above.columns]
    if missing := [name for name in dimension.entity.values() if name not in there]:
        yield Broken(
            f"{table.declared_in}: entity: {path} has no column {', '.join(missing)}, by which "
            f"{table.path} reads it. Say in `entity` what the columns of the key are called there, "
            f"some of {', '.join(there)}.",
            frozenset([table.path]),
        )


def _without_tombstones(table: LayerTable, deleting: LayerTable) -> Broken:
    return Broken(
        f"{table.declared_in}: deletions: {deleting.path} keeps no tombstones of what its source "
        f"deleted. Write deletes=Deletes.TOMBSTONE in {deleting.declared_in}.",
        frozenset([table.path]),
    )


def _cyclic(cycle: list[LayerTable]) -> Broken:
    told = " reads ".join(table.path for table in cycle)
    return Broken(
        f"{cycle[0].declared_in}: inputs: {told}, which is a circle. Take one of these inputs out.",
        frozenset(table.path for table in cycle),
    )
