"""What a source may be able to do besides reading days, and the error for what it cannot."""

from collections.abc import Mapping
from enum import StrEnum

from etl_assets.core.errors import SourceError
from etl_assets.core.table import LayerTable


class Ability(StrEnum):
    """What a source may be able to do besides reading days, with the methods that need it.

    `changes`: `Source.horizon`, `Snapshot.changes`, `beyond` and `without_cursor`.
    `keys`: `Snapshot.by_keys` and `repeated_keys`.
    `digests`: `Snapshot.digests`, `row_digests` and `unreadable`.
    """

    CHANGES = "changes"
    KEYS = "keys"
    DIGESTS = "digests"

    @property
    def doing(self) -> str:
        """What a table without it cannot, as a person reads it after "cannot"."""
        return {
            Ability.CHANGES: "be synced by its changes",
            Ability.KEYS: "be asked for rows by their keys",
            Ability.DIGESTS: "be compared with the warehouse",
        }[self]


def unable(table: LayerTable, ability: Ability, cannot: Mapping[Ability, str]) -> SourceError:
    """The error for what a source cannot do."""
    reason = cannot.get(ability, "Its kind of source does not offer that.")
    return SourceError(
        f"{table.path} cannot {ability.doing}. {reason}",
        f"Load it instead: etl-assets backfill {table.path}.",
    )
