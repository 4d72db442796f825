"""`etl-assets add-table`: a module for a table of a source, written by what the source says of it.

What is proposed, and how it is written, is in `scaffold/`; the plan of `--all` is `cli/add_all.py`.
"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl_assets.cli.opened import open_platform
from etl_assets.cli.output import json_option, print_warning, tell, wants_json
from etl_assets.cli.visible import echo
from etl_assets.core.errors import ConfigError
from etl_assets.core.source_specs import DEFAULT_CONNECTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_assets.pipeline.platform import Platform
    from etl_assets.scaffold.adding import Addition
    from etl_assets.scaffold.measure import Bounds
    from etl_assets.scaffold.propose import Wishes
    from etl_assets.scaffold.writing import Target

_API = "api"
_OF_DATABASES = ("key", "day", "cursor", "zone", "only", "row_security")


@click.command(name="add-table")
@click.argument("source", required=False)
@click.option("--as", "name", help="The table's name here; default: the source's.")
@click.option("--connection", help="The database of DATABASE_URL_<NAME>, the API of HTTP_API_….")
@click.option("--all", "every", is_flag=True, help="Every table of --schema; first as a plan.")
@click.option("--schema", default="public", show_default=True, help="With --all: which schema.")
@click.option("--yes", is_flag=True, help="With --all: write what the plan says.")
@click.option("--into", help="The package to write into; default: the first of ETL_TABLES.")
@click.option(
    "--tests",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for its test; default: the project's.",
)
@click.option("--key", help="The columns that tell rows apart, with commas between them.")
@click.option("--day", help="The column that says the day of a row, or none.")
@click.option("--cursor", help="The column that is set on every change, or none.")
@click.option("--zone", help="The zone of timestamps that have none, as Europe/Berlin.")
@click.option("--only", is_flag=True, help="Without the rows of tables that inherit from it.")
@click.option("--row-security", is_flag=True, help="Accept that policies hide rows.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="The format of files, where their names do not say it.",
)
@click.option(
    "--seconds",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="How long one question to the source may take.",
)
@click.option("--dry-run", is_flag=True, help="Print the module, and write nothing.")
@json_option
@click.pass_context
def add_table(
    context: click.Context,
    source: str | None,
    name: str | None,
    connection: str | None,
    every: bool,
    schema: str,
    yes: bool,
    into: str | None,
    tests: Path | None,
    key: str | None,
    day: str | None,
    cursor: str | None,
    zone: str | None,
    only: bool,
    row_security: bool,
    kind: str | None,
    seconds: int,
    dry_run: bool,
) -> None:
    """Write a module for SOURCE, and a test beside it.

    SOURCE is a table of a database (public.payments), a place of files ('s3://bucket/orders/*.csv',
    a folder) or a list of an HTTP API (https://host/v1/payments). Key, day, cursor, contract and
    rules are proposed by what it says of itself, and each guess says why. Nothing is overwritten.
    """
    from etl_assets.cli.add_all import add_all
    from etl_assets.scaffold.files import is_of_files
    from etl_assets.scaffold.measure import Bounds
    from etl_assets.scaffold.propose import Wishes
    from etl_assets.scaffold.reflect import relations_of
    from etl_assets.scaffold.resolve import in_schema
    from etl_assets.scaffold.writing import target_of

    if every == bool(source):
        raise click.UsageError("Name a table (public.payments), or write --all.")
    if wants_json() and not every:
        raise click.UsageError("--json is for the plan of --all; --dry-run prints one module.")
    if every and (name or key or day or cursor or only):
        raise click.UsageError("--as, --key, --day, --cursor and --only are for one table.")
    platform = open_platform()
    with closing(platform):
        target = target_of(into or platform.settings.tables[0], tests)
        wishes, bounds = Wishes(_names(key), day, cursor, zone, only, row_security), Bounds(seconds)
        if source is None:
            given = connection or DEFAULT_CONNECTION
            relations = relations_of(platform.sources.engine(given), given)
            chosen = in_schema(schema, relations)
            add_all(platform, target, chosen, wishes, bounds, yes=yes, dry_run=dry_run)
            return
        _check_name(name)
        is_api = source.startswith(("http://", "https://"))
        if "://" in source and not is_api and not is_of_files(source):
            raise click.UsageError(
                f"{source.partition('://')[0]}:// is no kind of source. Files are below s3://, "
                "gs://, az:// or file://, APIs at https://, and a table of a database has a name: "
                "public.payments."
            )
        if is_api or is_of_files(source):
            _refuse_options(context, source)
            added = _of_elsewhere(platform, target, source, name, connection or _API, kind)
        else:
            given = connection or DEFAULT_CONNECTION
            added = _of_database(platform, target, source, given, name, wishes, bounds)
        if added.refusal:
            raise added.refusal
        if dry_run:
            echo(added.module, nl=False)
            return
        write_module(target, added)
        _tell(platform, added)


def _of_database(
    platform: "Platform",
    target: "Target",
    source: str,
    connection: str,
    name: str | None,
    wishes: "Wishes",
    bounds: "Bounds",
) -> "Addition":
    from etl_assets.scaffold.adding import add_relation, declared_as
    from etl_assets.scaffold.names import table_name
    from etl_assets.scaffold.reflect import relations_of
    from etl_assets.scaffold.resolve import relation_named

    relations = relations_of(platform.sources.engine(connection), connection)
    relation = relation_named(source, relations)
    known = declared_as(platform.catalog, relation)
    if known and not name:
        raise ConfigError(
            f"{relation.shown} is {known} already.",
            "To have it a second time, give it another name: --as NAME.",
        )
    chosen = name or table_name(relation.table)
    _refuse_existing(platform, target, chosen)
    return add_relation(platform, target, relation, chosen, wishes, bounds)


def _of_elsewhere(
    platform: "Platform",
    target: "Target",
    source: str,
    name: str | None,
    connection: str,
    kind: str | None,
) -> "Addition":
    """A table of files or of an API."""
    from etl_assets.scaffold.adding import tried
    from etl_assets.scaffold.files import propose_files
    from etl_assets.scaffold.http import client_for, propose_api

    if source.startswith(("http://", "https://")):
        with closing(client_for(platform.settings.http, connection)) as client:
            proposed = propose_api(client, source, connection, name)
    else:
        proposed = propose_files(platform.settings.object_store, source, name, kind)
    _refuse_existing(platform, target, proposed.name)
    return tried(platform, target, proposed)


def _refuse_options(context: click.Context, source: str) -> None:
    """Raises click's usage error for an option that says something of databases alone."""
    given = [name for name in _OF_DATABASES if context.params[name]]
    if given:
        option = given[0].replace("_", "-")
        raise click.UsageError(
            f"--{option} is for tables of a database, and {source} is none. Correct the module "
            "that is written."
        )


def _check_name(name: str | None) -> None:
    from etl_assets.scaffold.names import is_table_name, table_name

    if name is not None and not is_table_name(name):
        raise click.UsageError(
            f"{name!r} cannot be the name of a table: write lower-case letters, digits and _ "
            f"(--as {table_name(name)})."
        )


def _refuse_existing(platform: "Platform", target: "Target", name: str) -> None:
    """Raises ConfigError for a name that a module or another table has."""
    from etl_assets.scaffold.writing import overwriting

    path = target.module(name)
    if path.exists():
        raise ConfigError(f"{path} is there already.", overwriting(path))
    same = [one for one in platform.catalog if one.lower() in (f"raw/{name}", f"staged/{name}")]
    if same:
        raise ConfigError(
            f"{platform.catalog[same[0]].declared_in} has a table of that name, {same[0]}.",
            "Give this one another name with --as.",
        )


def write_module(target: "Target", added: "Addition") -> None:
    """Write module and test, and say where."""
    from etl_assets.scaffold.writing import write

    module, test = write(target, added.name, added.module, added.test)
    tell(str(module))
    if test is None:
        print_warning(f"{target.test(added.name)} is there already, and stays as it is.")
    else:
        tell(str(test))


def _tell(platform: "Platform", added: "Addition") -> None:
    proposed = added.proposed
    assert proposed is not None  # noqa: S101 - what was written was proposed
    echo(f"\n{proposed.place} is raw/{added.name} now: {proposed.looked_at}.")
    for reason in proposed.reasons:
        echo(f"  {reason.told}")
    for warning in (*proposed.warnings, *added.notes):
        print_warning(warning)
    tell_next(platform, [added])


def tell_next(platform: "Platform", added: "Sequence[Addition]") -> None:
    """What to run now, and whether the platform has the days that the source has."""
    days = [day for one in added if one.proposed for day in one.proposed.days]
    if days and min(days) < platform.settings.first_day:
        print_warning(
            f"The platform's days begin on {platform.settings.first_day}, and the rows on "
            f"{min(days)}: set ETL_FIRST_DAY={min(days)} to have all of them."
        )
    if added:
        names = f" raw/{added[0].name} staged/{added[0].name}" if len(added) == 1 else ""
        tell(f"Next: etl-assets backfill{names}")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
