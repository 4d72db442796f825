"""The catalog: every layer table by its path, upstream before downstream, and what is left out.

Made of specs and handed down to whatever works with tables; nothing is global. No I/O: modules are
looked up and imported in `table_modules.py`. Which tables fit together is `placing.py`.
"""

from collections.abc import Iterable, Iterator, Mapping

from etl_assets.core.errors import SpecError, UnknownTable
from etl_assets.core.near_names import near
from etl_assets.core.placing import Broken, Declared, Spec, placed, versions_of, without_doubled
from etl_assets.core.table import LayerTable


class Catalog(Mapping[str, LayerTable]):
    """Layer tables by path (`raw/orders`), upstream first; equal only to itself.

    `errors` says, a message each, what is wrong with the tables that were left out.
    """

    def __init__(self, tables: Mapping[str, LayerTable], broken: Iterable[Broken] = ()) -> None:
        self._tables = dict(tables)
        self._broken = tuple(broken)
        self._versions = versions_of(self._tables)
        self._depths: dict[str, int] = {}
        for path, table in self._tables.items():
            above = [
                self._depths[self.publisher_of(given.asset)] for given in table.inputs.values()
            ]
            self._depths[path] = 1 + max(above, default=0)

    @classmethod
    def of(cls, specs: Iterable[Spec | Declared], broken: Iterable[Broken] = ()) -> "Catalog":
        """The catalog of these specs; tables that do not fit together are left out and named.

        `broken` are those that could not even be made into specs. Raises nothing.
        """
        declared = [one if isinstance(one, Declared) else Declared(one) for one in specs]
        unique, doubled = without_doubled(declared)
        tables, unplaced = placed(unique, [*broken, *doubled])
        return cls(tables, unplaced)

    def without(self, broken: Iterable[Broken]) -> "Catalog":
        """The same without these tables, and without what is made of them."""
        tables, unplaced = placed(self._tables.values(), [*self._broken, *broken])
        return Catalog(tables, unplaced)

    @property
    def errors(self) -> tuple[str, ...]:
        """What is wrong with the tables that are left out."""
        return tuple(dict.fromkeys(broken.message for broken in self._broken))

    def table(self, path: str) -> LayerTable:
        """The table of that path.

        Raises SpecError for one that was left out, UnknownTable for any other, with near names.
        """
        if path in self._tables:
            return self._tables[path]
        for broken in self._broken:
            if path in broken.paths:
                raise SpecError(broken.message, f"{path} was left out.")
        near = self.near(path)
        raise UnknownTable(
            f"There is no table {path}.",
            f"Did you mean {' or '.join(near)}?"
            if near
            else "`etl-assets dictionary` describes all of them.",
        )

    def near(self, name: str) -> list[str]:
        """At most three paths that may be meant by a name, the most alike first."""
        return near(name, list(self._tables))

    def depth(self, path: str) -> int:
        """How far the table is from a source, 1 for a raw table; one depth can share a run."""
        return self._depths[path]

    def downstream_of(self, paths: Iterable[str]) -> list[str]:
        """What is made of these tables, directly or not, upstream first."""
        found = set(paths)
        below = []
        for path, table in self._tables.items():
            if any(self.publisher_of(given.asset) in found for given in table.inputs.values()):
                found.add(path)
                below.append(path)
        return below

    def inputs_of(self, table: LayerTable) -> dict[str, LayerTable]:
        """The tables that it is made of, by the names that its transform knows them by."""
        return {name: self.published(given.asset) for name, given in table.inputs.items()}

    def published(self, path: str) -> LayerTable:
        """The table of that path, or the versions that a table keeps; KeyError if there is none."""
        kept = self._tables[self._versions[path]].versions if path in self._versions else None
        return kept or self._tables[path]

    def readers_of(self, path: str) -> Mapping[str, LayerTable]:
        """The tables that read this one, by path and in the catalog's order."""
        return {
            reader: table
            for reader, table in self._tables.items()
            if any(given.asset == path for given in table.inputs.values())
        }

    def publisher_of(self, path: str) -> str:
        """The table that publishes what is at a path: versions are published with theirs."""
        return self._versions.get(path, path)

    def __getitem__(self, path: str) -> LayerTable:
        return self._tables[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    __hash__ = object.__hash__
    __eq__ = object.__eq__
