"""A table that is to be added: proposed, written as text, and tried before it is kept.

What is proposed is decided in `propose.py`, `files.py` and `http.py`; where it is written is
`writing.py`. A module is tried as the platform reads it: imported, and compared with its source.
"""

import importlib.util
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import EtlError, SourceError
from etl_assets.core.placing import Declared
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.core.wording import count_of
from etl_assets.pipeline.diagnose import Diagnosis, diagnose
from etl_assets.pipeline.platform import Platform
from etl_assets.scaffold.facts import Relation
from etl_assets.scaffold.measure import Bounds
from etl_assets.scaffold.module_text import module_text
from etl_assets.scaffold.names import table_name
from etl_assets.scaffold.proposal import ProposedTable
from etl_assets.scaffold.propose import Wishes, propose
from etl_assets.scaffold.reflect import reflect
from etl_assets.scaffold.trial_text import trial_text
from etl_assets.scaffold.writing import Target
from etl_assets.warehouse.names import fitting

if TYPE_CHECKING:
    from etl_assets.core.table import LayerTable


@dataclass(frozen=True)
class Addition:
    """A table that was proposed: its module and its test as text, and what was found on trying.

    `refusal` says why there is none; then the texts are empty. `notes` are what `doctor` would say.
    """

    name: str
    place: str
    proposed: ProposedTable | None = None
    module: str = ""
    test: str = ""
    refusal: EtlError | None = None
    notes: Sequence[str] = field(default_factory=tuple)


def add_relation(
    platform: Platform,
    target: Target,
    relation: Relation,
    name: str,
    wishes: Wishes | None = None,
    bounds: Bounds | None = None,
) -> Addition:
    """A table of a database; what cannot be one has a refusal. Raises ConfigError where no setting
    names the database."""
    wishes = wishes or Wishes()
    engine = platform.sources.engine(relation.connection)
    try:
        facts = reflect(
            engine,
            relation,
            bounds,
            wishes.key,
            zone=wishes.zone,
            accepts_hidden=wishes.row_security,
        )
        proposed = propose(facts, name, wishes)
    except EtlError as error:
        return Addition(name, relation.shown, refusal=error)
    return tried(platform, target, proposed)


def tried(platform: Platform, target: Target, proposed: ProposedTable) -> Addition:
    """The texts of a proposed table, whose module was imported and compared with its source."""
    is_first = target.is_first_party
    module = module_text(proposed, is_first_party=is_first)
    test = trial_text(proposed, target.dotted(proposed.name), is_first_party=is_first)
    try:
        spec = imported(module)
    except EtlError as error:
        return Addition(proposed.name, proposed.place, refusal=error)
    catalog = Catalog.of([Declared(spec)])
    fit = fitting(catalog, platform.settings)
    if fit.errors:
        why = SourceError(" ".join(fit.errors), "")
        return Addition(proposed.name, proposed.place, refusal=why)
    (found,) = diagnose(_raw_of(fit), platform.unseen_source)
    if found.error:
        return Addition(proposed.name, proposed.place, refusal=found.error)
    return Addition(
        proposed.name, proposed.place, proposed, module, test, notes=tuple(_told(found))
    )


def imported(module: str) -> TableSpec:
    """The spec that a module declares; raises SpecError for one that is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "proposed.py"
        path.write_text(module, encoding="utf-8")
        found = importlib.util.spec_from_file_location("proposed_by_add_table", path)
        assert found is not None  # noqa: S101 - a file of Python has a loader
        assert found.loader is not None  # noqa: S101
        loaded: Any = importlib.util.module_from_spec(found)
        found.loader.exec_module(loaded)
    spec: TableSpec = loaded.TABLE
    return spec


def names_for(relations: Iterable[Relation], taken: Collection[str]) -> list[tuple[Relation, str]]:
    """A name for each relation, none twice and none that is taken."""
    listed, used = list(relations), set(taken)
    names: dict[Relation, str] = {}
    # A table that has a usable name keeps it, whatever others become.
    for relation in sorted(listed, key=lambda one: one.table != table_name(one.table)):
        names[relation] = table_name(relation.table, used, relation.schema)
        used.add(names[relation])
    return [(relation, names[relation]) for relation in listed]


def declared_as(catalog: Catalog, relation: Relation) -> str | None:
    """The raw table that reads this relation already, None where there is none."""
    for path, table in catalog.items():
        source = table.source
        if isinstance(source, PostgresTable) and (
            source.connection,
            source.schema,
            source.table,
        ) == (relation.connection, relation.schema, relation.table):
            return path
    return None


def _raw_of(catalog: Catalog) -> "list[LayerTable]":
    return [table for table in catalog.values() if table.source is not None]


def _told(found: Diagnosis) -> Iterable[str]:
    cost = found.sync_cost
    if cost is not None and cost.index:
        yield f"No index serves its sync. In its database run: {cost.index};"
    if cost is not None:
        yield from cost.notes
    yield from found.hidden
    yield from found.limits
    yield from found.day_costs
    if found.rows_without_day:
        rows = found.rows_without_day
        yield f"{count_of(rows, 'row without a day is', 'rows without a day are')} not loaded."
