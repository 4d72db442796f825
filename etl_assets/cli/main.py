"""The `etl-assets` command: what the UI does, in a terminal.

A command is a module of this package with a function of the same name, imported when it is typed:
`--help` must not wait for anything. Commands read arguments, call and print; what they call is in
`pipeline/`, `orchestration/` and `demo/`.
"""

import errno
import importlib
import sys
import traceback
import warnings
from typing import Any

import click

from etl_assets.cli.output import print_error
from etl_assets.core.errors import EtlError

COMMANDS = {
    "backfill": "Load tables for a range of days.",
    "demo": "Fill the demo shop, and load it through every layer.",
    "derive": "Make the late days of staged and enriched tables.",
    "dev": "Open the platform in the Dagster UI, on this machine.",
    "dictionary": "Print the data dictionary.",
    "doctor": "Compare the source with the contracts.",
    "migrate": "Bring the platform's own tables up to this release.",
    "reconcile": "Compare tables with their source, row by row.",
    "state": "Show where the sync of a table stands, or set it back.",
    "status": "Show what is published.",
    "stop": "Stop the embedded PostgreSQL.",
    "sync": "Read what changed in the source.",
}
"""Each command and its line in `--help`; `etl_assets.cli.<name>` has the function `<name>`."""


class Commands(click.Group):
    """Commands by name, imported when used. Every error ends in one message and a non-zero exit."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of `--help`."""
        return sorted(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """The command of that name, None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(
            importlib.import_module(f"etl_assets.cli.{cmd_name}"), cmd_name
        )
        return found

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """The table of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it raises is printed in one message, without a traceback."""
        try:
            return super().invoke(ctx)
        except EtlError as error:
            print_error(str(error))
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader of a pipe went away: click ends quietly
            print_error(_system_error(error))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if sys.flags.dev_mode:
                raise
            print_error(_own_fault(error))
        return ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tables of a PostgreSQL as checked, day-partitioned tables of a warehouse."""
    warnings.simplefilter("ignore")


def _system_error(error: OSError) -> str:
    """What the operating system refused, and of which file."""
    of = f" {error.filename}" if error.filename else ""
    return (
        f"The operating system refused{of}: {error.strerror or type(error).__name__}. Check that "
        "the file or folder exists and that this user may use it; ETL_HOME and WAREHOUSE_URL say "
        "where the platform keeps its files."
    )


def _own_fault(error: Exception) -> str:
    """A fault of ours: where it is, without the error's own words, which may hold values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"etl-assets has a fault: {type(error).__name__} in {frame.filename}, line {frame.lineno}. "
        "Please report it with this message; `python -X dev -m etl_assets.cli` shows the traceback."
    )
