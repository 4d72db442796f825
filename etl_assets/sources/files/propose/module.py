"""A proposal as a Python module: a contract and a spec, with what was guessed in its comments.

No value of the files is in it: names of columns, words for null and counts only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from etl_assets.core.wording import count_of
from etl_assets.sources.files.propose.contract_names import Names, key_of, named, on_the_key
from etl_assets.sources.files.propose.proposal import Proposal, nothing_in
from etl_assets.sources.files.propose.written import (
    column_text,
    comment,
    declared_text,
    format_text,
    literal,
    shown,
)

_QUARANTINE = (
    "A line that does not fit goes to quarantine, and nothing is rounded or cut: an integer beyond "
    "64 bits, a decimal with more digits than are declared, a date in another format, an empty "
    "field in a column that is not nullable (those below were never empty in the sample)."
)


@dataclass(frozen=True)
class Module:
    """A proposed table: its name, where its keys begin ("" for OBJECT_STORE_URL), its source."""

    name: str
    location: str
    pattern: str
    proposal: Proposal
    _names: Names = field(repr=False)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that a row is known by."""
        return key_of(self.proposal, self._names)

    def __str__(self) -> str:
        parts = [self._head(), *self._contract(), *self._spec()]
        return "\n".join(line.rstrip() for line in "\n".join(parts).split("\n")) + "\n"

    def as_dict(self) -> dict[str, object]:
        """The same for programs, with the module as `module`."""
        return {
            "table": self.name,
            "location": self.location or None,
            "pattern": self.pattern,
            "format": format_text(self.proposal.format),
            "key": list(self.key),
            "columns": [
                {
                    "name": guess.name,
                    "dtype": str(guess.dtype),
                    "nullable": guess.nullable,
                    "notes": list(guess.notes),
                }
                for guess in self._names.columns.values()
            ],
            "left_out": dict(self._names.left_out),
            "notes": list(self.proposal.notes),
            "objects_read": list(self.proposal.read),
            "rows_read": self.proposal.sampled.rows,
            "module": str(self),
        }

    @property
    def _class(self) -> str:
        return "Raw" + "".join(part.capitalize() for part in self.name.split("_"))

    def _head(self) -> str:
        proposal, body = self.proposal, "\n".join(self._contract())
        from_formats = [type(proposal.format).__name__, *(["Texts"] if "Texts(" in body else [])]
        from_policies = (
            "\nfrom etl_assets.core.policies import Drift" if self._names.overflow else ""
        )
        annotated = "from typing import Annotated\n\n" if "Annotated[" in body else ""
        return (
            f'"""{self.name}: proposed by `etl-assets files propose` from a sample of files.\n\n'
            f"{_read(proposal)}, the pattern is made of {count_of(proposal.keys, 'key')}.\n"
            "What lies beyond them is not known: read the comments, correct what is wrong, and "
            'keep it.\n"""\n\n'
            f"{annotated}import polars as pl\n\n"
            "from etl_assets.core.contracts import Contract, column\n"
            f"from etl_assets.core.file_formats import {', '.join(sorted(from_formats))}"
            f"{from_policies}\n"
            "from etl_assets.core.source_specs import Files\n"
            "from etl_assets.core.spec import TableSpec\n\n"
        )

    def _contract(self) -> Iterator[str]:
        names = self._names
        yield f'class {self._class}(Contract):\n    """A line of the files."""\n'
        yield comment(_QUARANTINE, "    ")
        for attribute, guess in names.columns.items():
            yield from (comment(note, "    ") for note in guess.notes)
            yield column_text(attribute, guess)
        for name, why in names.left_out.items():
            yield comment(f"{shown(name)} of the files is not declared: {why}.", "    ")
        if names.overflow:
            what = "What the contract does not declare."
            yield declared_text(names.overflow, "pl.String", what, 'nullable=True, logical="json"')
        if names.day:
            yield declared_text(names.day, "pl.Date", "The day that the object's key says.")
        yield declared_text(names.file, "pl.String", "The object that the line is in.")
        yield declared_text(names.line, "pl.Int64", "The line in it.")
        yield ""
        yield from (comment(note, "    ") for note in on_the_key(self.proposal, names, self.key))
        yield '    class Config:\n        """The key."""\n'
        yield f"        unique = {literal(self.key)}\n\n"

    def _spec(self) -> Iterator[str]:
        names = self._names
        yield from (comment(note, "") for note in self.proposal.notes)
        arguments = {
            "format": format_text(self.proposal.format),
            **({"location": literal(self.location)} if self.location else {}),
            **({"day_column": literal(names.day)} if names.day else {}),
            "file_column": literal(names.file),
            "line_column": literal(names.line),
            **({"missing": '"null"'} if self.proposal.sampled.missing else {}),
        }
        yield f'TABLE = TableSpec(\n    "{self.name}",\n    Files('
        yield f"        {literal(self.pattern)},"
        yield from (f"        {name}={value}," for name, value in arguments.items())
        yield f"    ),\n    {self._class},\n    {self._class},\n    lambda raw: raw,"
        yield f'    "The lines of the files of {self.name}.",'
        yield f"    partition_column={literal(names.day)},\n    cursor_column=None,"
        if names.overflow:
            yield f"    drift=Drift.EVOLVE,\n    overflow_column={literal(names.overflow)},"
        yield ")"


def module_of(proposal: Proposal, name: str, location: str, below: str = "") -> Module:
    """The module of a proposal; `below` is where its keys begin, seen from the location.

    Raises SourceError where no column of the files can be declared.
    """
    names = named(proposal)
    nothing_in(list(names.columns), location or "OBJECT_STORE_URL")
    pattern = f"{below}/{proposal.pattern.text}" if below else proposal.pattern.text
    return Module(name, location, pattern, proposal, names)


def _read(proposal: Proposal) -> str:
    objects, rows = len(proposal.read), proposal.sampled.rows
    were = "was" if objects == 1 else "were"
    return f"{count_of(objects, 'object')} with {count_of(rows, 'row')} {were} read"
