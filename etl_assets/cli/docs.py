"""`etl-assets docs`: a page for each table, as Markdown files.

What stands on a page is `core/table_pages.py`.
"""

from pathlib import Path

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import end, json_option, print_done
from etl_assets.core.wording import count_of


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/tables"),
    show_default=True,
    help="The folder of the pages, which is made.",
)
@json_option
def docs(out: Path) -> None:
    """Write a page for each table, and an index, from the specs; no database is asked.

    Pages of tables that are gone are removed; what was written by hand stays. The exit code is 1
    where a spec is wrong: that table's page stays as it was.
    """
    from etl_assets.core.table_pages import INDEX, pages

    catalog = catalog_of(open_platform())
    made = pages(catalog)
    for name, text in made.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    gone = 0 if catalog.errors else _remove_others(out, set(made))
    removed = f" and removed {count_of(gone, 'page')} of tables that are gone" if gone else ""
    print_done(
        {"folder": out, "pages": sorted(made), "removed": gone},
        f"Wrote {count_of(len(made) - 1, 'page')}{removed}. Begin with {out / INDEX}.",
    )
    end([], failed=bool(catalog.errors))


def _remove_others(out: Path, made: set[str]) -> int:
    """Remove pages that an earlier run made and this one did not; how many there were."""
    from etl_assets.core.table import Layer
    from etl_assets.core.table_pages import MADE

    gone = 0
    for layer in Layer:
        for file in sorted((out / layer).glob("*.md")):
            if f"{layer}/{file.name}" not in made and MADE in file.read_text("utf-8", "replace"):
                file.unlink()
                gone += 1
    return gone
