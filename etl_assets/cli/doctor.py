"""`etl-assets doctor`: whether the source fits the contracts.

What is asked of the source is `pipeline/diagnose.py`.
"""

from contextlib import closing
from typing import TYPE_CHECKING

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import Cell, end, print_table
from etl_assets.cli.tables import sources

if TYPE_CHECKING:
    from etl_assets.pipeline.diagnose import Diagnosis

_UNKNOWN = "?"


@click.command()
@click.argument("tables", nargs=-1)
def doctor(tables: tuple[str, ...]) -> None:
    """Compare the source of TABLES (raw/orders …; default: all) with the contracts; loads nothing.

    The exit code is 1 where a table cannot be read, or its spec is wrong.
    """
    platform = open_platform()
    catalog = catalog_of(platform)
    chosen = sources(catalog, tables)
    databases = platform.read_from(chosen)
    from etl_assets.pipeline.diagnose import diagnose

    with closing(platform):
        found = list(diagnose(chosen, platform.reader))
    columns = {
        "table": "left",
        "can be read": "left",
        "columns not in the contract": "left",
        "rows without a day": "right",
    }
    title = f"Source tables in {', '.join(databases)}"
    print_table(title, columns, map(_cells, found), wraps="columns not in the contract")
    end((str(line.error) for line in found if line.error), failed=bool(catalog.errors))


def _cells(line: "Diagnosis") -> list[Cell]:
    without = line.rows_without_day
    return [
        line.table,
        ("no", "red") if line.error else ("yes", "green"),
        _UNKNOWN if line.undeclared is None else ", ".join(line.undeclared) or "none",
        _UNKNOWN if without is None else (f"{without:,}", "yellow" if without else ""),
    ]
