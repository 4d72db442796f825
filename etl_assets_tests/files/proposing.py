"""Samples of files, the module that is proposed for them, and what the platform makes of both.

Held against Python's own reading of the texts that the samples were written from.
"""

import csv
import io
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl_assets.config import ObjectStoreSettings, Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Texts
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import Files
from etl_assets.core.spec import TableSpec
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.run_days import load
from etl_assets.scaffold.files import of_files
from etl_assets.scaffold.module_text import module_text
from etl_assets.sources.files.propose.found_table import FoundTable
from etl_assets.sources.files.propose.place import proposed

Texted = Sequence[Sequence[str]]


def csv_file(rows: Texted, encoding: str = "utf-8", **dialect: Any) -> bytes:
    """A file with these rows, the header among them, by Python's own csv."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", **dialect).writerows(rows)
    return text.getvalue().encode(encoding)


def written(found: FoundTable) -> str:
    """The module of what a sample says, as the command prints it."""
    return module_text(of_files(found))


@dataclass
class Proposed:
    """The printed module, its table, and what was published of the sample with it."""

    module: str
    spec: TableSpec
    rows: list[dict[str, Any]]
    read: int
    quarantined: int
    errors: list[str]

    @property
    def table(self) -> LayerTable:
        return self.spec.layer_tables()[0]

    @property
    def dtypes(self) -> dict[str, str]:
        borrowed = {*(self.table.source.borrowed if self.table.source else ())}
        return {c.name: str(c.dtype) for c in self.table.columns if c.name not in borrowed}

    def column(self, name: str) -> Column:
        return self.table.column(name)


def spec_of(module: str) -> TableSpec:
    """The spec that a printed module declares, as Python has it."""
    namespace: dict[str, Any] = {"__name__": "proposed"}
    exec(compile(module, "proposed.py", "exec"), namespace)
    spec = namespace["TABLE"]
    assert isinstance(spec, TableSpec)
    return spec


def propose(folder: Path, files: Mapping[str, bytes], kind: str | None = None) -> Proposed:
    """Write the files, let a module be proposed, and load all of the files with it."""
    for key, content in files.items():
        path = folder / "drop" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    settings = ObjectStoreSettings()
    module = written(proposed(settings, str(folder / "drop"), None, kind))
    printed = spec_of(module)
    assert isinstance(printed.source, Files)
    spec = replace(
        printed,
        source=replace(printed.source, settle=timedelta(0)),  # the sample was written just now
        thresholds=Thresholds(max_bad_share=1.0, max_change=1e6),
    )
    home = Settings(home=folder / "home", first_day=date(2000, 1, 1), last_day=date(2030, 1, 1))
    platform = Platform(home, given_catalog=Catalog.of([spec]))
    with closing(platform):
        table = next(iter(platform.catalog.values()))
        days = [late.day for late in platform.look_at_files(table).late]
        run_id = uuid.uuid4().hex
        with platform.spool(run_id, "load") as spool:
            source, warehouse = platform.source(table), platform.warehouse
            loaded = load(table, source, warehouse, days, spool, run_id)
            assert not loaded.refused, [d.results for d in loaded.refused]
            publish_days(warehouse, table, loaded.good, run_id)
        windows = [Window.of(day) for day in days if day != WHOLE] or [Window.of(WHOLE)]
        extract = warehouse.read(table, windows, folder / "reads")
        rows = [row for frame in extract.frames for row in frame.collect().to_dicts()]
        ledger = warehouse.ledger(table)
    return Proposed(
        module,
        spec,
        rows,
        sum(entry.rows_read for entry in ledger),
        sum(entry.rows_quarantined for entry in ledger),
        [entry.error for entry in ledger if entry.error],
    )


def is_kept(value: Any, text: str | None, column: Column) -> bool:
    """Whether the published value is exactly what the text in the file says."""
    options = column.text or Texts()
    text = (text or "").strip(" \t") if options.trim else (text or "")
    if value is None:
        return text == "" or text in options.null
    if isinstance(value, str):
        return value == text
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, int | Decimal):
        plain = text.replace(options.thousands, "") if options.thousands else text
        return Decimal(plain.replace(options.decimal, ".")) == value
    if isinstance(value, datetime):
        found = _by_form(text, options)
        return (found or datetime.fromisoformat(text)) == value
    if isinstance(value, date):
        found = _by_form(text, options)
        return (found.date() if found else date.fromisoformat(text)) == value
    if isinstance(value, time):
        return time.fromisoformat(text) == value
    return False


def _by_form(text: str, options: Texts) -> datetime | None:
    return datetime.strptime(text, options.formats[0]) if options.formats else None
