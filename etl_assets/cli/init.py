"""`etl-assets init`: a project of one's own."""

import shlex
from datetime import UTC, datetime
from pathlib import Path

import click

from etl_assets.cli.visible import echo


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", metavar="PACKAGE", help="The Python package; default: the folder's name.")
def init(folder: Path, name: str | None) -> None:
    """Write a small project into FOLDER: a package of tables with an example, its test, and what
    Dagster, git and CI need.

    Nothing is overwritten. The project is yours: an upgrade of the platform edits none of it.
    """
    from etl_assets.core.wording import count_of
    from etl_assets.scaffold.project import package_name, project_texts, write_project

    package = package_name(folder if folder.name else folder.resolve(), name)
    texts = project_texts(package, datetime.now(UTC).date())
    write_project(folder, texts)
    echo(f"Wrote {count_of(len(texts), 'file')} into {folder}; README.md says what they are.")
    echo("Next:")
    if folder.resolve() != Path.cwd():
        echo(f"  cd {shlex.quote(str(folder))}")
    echo("  cp .env.example .env    # write your DATABASE_URL into it")
    echo("  etl-assets doctor")
    echo("  etl-assets backfill")
