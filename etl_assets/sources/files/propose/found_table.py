"""What a sample of files says, as the table that it may be: place, names, key, columns.

How it is written as a module is `scaffold/`. No value of the files is in it: names of columns,
words for null and counts only.
"""

from dataclasses import dataclass

from etl_assets.core.wording import count_of
from etl_assets.sources.files.propose.contract_names import Names, key_of, named
from etl_assets.sources.files.propose.proposal import Proposal, nothing_in


@dataclass(frozen=True)
class FoundTable:
    """A proposed table: its name, where its keys begin ("" for OBJECT_STORE_URL), its source."""

    name: str
    location: str
    pattern: str
    proposal: Proposal
    names: Names

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that a row is known by."""
        return key_of(self.proposal, self.names)

    @property
    def read(self) -> str:
        """What was read of the files, in words."""
        objects, rows = len(self.proposal.read), self.proposal.sampled.rows
        were = "was" if objects == 1 else "were"
        return (
            f"{count_of(objects, 'object')} with {count_of(rows, 'row')} {were} read, the "
            "pattern is "
            f"made of {count_of(self.proposal.keys, 'key')}"
        )


def table_of(proposal: Proposal, name: str, location: str, below: str = "") -> FoundTable:
    """The table of a proposal; `below` is where its keys begin, seen from the location.

    Raises SourceError where no column of the files can be declared.
    """
    names = named(proposal)
    nothing_in(list(names.columns), location or "OBJECT_STORE_URL")
    pattern = f"{below}/{proposal.pattern.text}" if below else proposal.pattern.text
    return FoundTable(name, location, pattern, proposal, names)
