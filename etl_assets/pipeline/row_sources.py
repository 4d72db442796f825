"""Where a row of a source came from, in lines for a person: query, file and line, or API.

Values of personal columns are not among them.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from etl_assets.core.http_specs import HttpApi
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import WHOLE
from etl_assets.core.source_specs import EVENTS_CONNECTION, Files, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.pipeline.row_search import part_of

_PLAIN = re.compile("[a-z_][a-z0-9_]*")


def origin_lines(
    table: LayerTable, row: Mapping[str, Any], ledger: Sequence[LedgerEntry]
) -> list[str]:
    """The lines for a row; `ledger` are the objects of its part, of a table of files."""
    source = table.source
    assert source is not None  # noqa: S101 - asked of tables with a source only
    if isinstance(source, Files):
        return _of_files(source, row, ledger)
    lines = [f"{source.system}, {source.place}"]
    if isinstance(source, PostgresTable):
        lines.append(_query(table, source, row))
        if source.connection == EVENTS_CONNECTION and "staging_id" in row:
            lines.append(
                f"landed from {row.get('source')} at {_literal(row.get('received_at'))}, "
                f"as row {row['staging_id']} of landing"
            )
    elif isinstance(source, HttpApi):
        day = part_of(table, row)
        asked = f", asked for {day}" if source.window and day != WHOLE else ""
        lines = [f"the API {source.connection}, {source.url}{asked}"]
    return lines


def _query(table: LayerTable, source: PostgresTable, row: Mapping[str, Any]) -> str:
    """The statement that shows the row at its source; a borrowed column is its parent's."""
    conditions = [
        f"{_name(name)} IS NULL"
        if row[name] is None
        else f"{_name(name)} = {'…' if table.column(name).personal else _literal(row[name])}"
        for name in table.key
        if name not in source.borrowed
    ]
    place = f"{_name(source.schema)}.{_name(source.table)}"
    return f"SELECT * FROM {place} WHERE {' AND '.join(conditions) or 'true'}"  # noqa: S608


def _of_files(source: Files, row: Mapping[str, Any], ledger: Sequence[LedgerEntry]) -> list[str]:
    key = row.get(source.file_column or "")
    line = row.get(source.line_column or "")
    entries = [one for one in ledger if key is None or one.object_key == key]
    if key is None and len(entries) > 1:
        return [
            f"one of the {count_of(len(entries), 'object')} of its part: "
            f"{', '.join(one.object_key for one in entries[:3])}"
            f"{' …' if len(entries) > 3 else ''}"
        ]
    told = [
        f"{one.object_key}{f', line {line}' if line is not None else ''} "
        f"({count_of(one.size, 'byte')}, modified {_literal(one.modified)}, content {one.identity})"
        for one in entries
    ]
    return told or [f"{key or source.place}{f', line {line}' if line is not None else ''}"]


def _name(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Any) -> str:
    if isinstance(value, datetime | date):
        return f"'{value.isoformat()}'"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
