"""The `etl-assets` command: what the UI does, in a terminal.

A command is a module of this package with a function of the same name (`_` where it has `-`), which
is imported when it is typed: `--help` must not wait for anything. Commands read arguments, call and
print; what they call is in `pipeline/`, `orchestration/`, `scaffold/` and `demo/`.
"""

import errno
import gc
import importlib
import signal
import sys
import time
import warnings
from typing import Any

import click
from click.shell_completion import CompletionItem

from etl_assets.cli.completion import with_table_names
from etl_assets.cli.output import print_error
from etl_assets.cli.terminal import color_choice
from etl_assets.cli.visible import echo
from etl_assets.core.errors import EtlError
from etl_assets.core.unexpected import told

BEGAN = time.monotonic()
"""When the command began: the time that its user waits for it runs from here."""

_OBJECTS_A_COLLECTION = 100_000

COMMANDS = {
    "add-table": "Write the module of a table by what its source says.",
    "backfill": "Load tables for a range of days.",
    "completion": "Say how to complete commands and tables in a shell.",
    "derive": "Make the days of staged and enriched tables that are late.",
    "demo": "Fill the demo shop, and load it through every layer.",
    "dev": "Open the platform in the Dagster UI, on this machine.",
    "diff": "Show which rows the code at hand would change.",
    "dictionary": "Print the data dictionary.",
    "docs": "Write a page for each table.",
    "doctor": "Compare the source with the contracts.",
    "env": "Show environments beside production, and remove one.",
    "events": "Pull, load, archive and replay events.",
    "explain": "Show how a row came to be, up to its sources.",
    "fields": "Show the fields of JSON columns, and make columns of them.",
    "files": "Show what became of the objects of a table of files.",
    "identity": "Explain which records are one customer; merge and unmerge them.",
    "init": "Write a project of one's own, with a package of tables.",
    "migrate": "Bring the platform's own tables up to this release.",
    "plan": "Show what the code at hand would do to the warehouse.",
    "quarantine": "Show the rows that were set aside, and load their days again.",
    "reconcile": "Compare tables with their source, row by row.",
    "state": "Show where the sync of a table stands, or set it back.",
    "status": "Show what is published.",
    "stop": "Stop the embedded PostgreSQL.",
    "sync": "Read what changed in the source.",
    "webhook": "Receive events that partners send.",
}
"""Each command and its line in `--help`; `etl_assets.cli.<name>` has the function `<name>`,
with `_` where the command has `-`."""


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
        name = cmd_name.replace("-", "_")
        found: click.Command = getattr(importlib.import_module(f"etl_assets.cli.{name}"), name)
        return with_table_names(found)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands and options that begin so, without importing any command."""
        if incomplete and not incomplete[0].isalnum():
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=line)
            for name, line in sorted(COMMANDS.items())
            if name.startswith(incomplete)
        ]

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """The table of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error is printed, never traced. An interrupt exits with 130."""
        ctx.color = color_choice()  # commands below it inherit it
        # What stops containers and services stops a command as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        # What libraries make while they are imported stays: to look for garbage in it again and
        # again takes a tenth of a short command's time.
        before = gc.get_threshold()
        gc.set_threshold(_OBJECTS_A_COLLECTION)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            echo("Interrupted. Nothing unfinished was published.", err=True)
            return ctx.exit(130)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader of a pipe went away: click ends quietly
            print_error(told(error))
        except Exception as error:
            if sys.flags.dev_mode and not isinstance(error, EtlError):
                raise
            print_error(told(error))
        finally:
            gc.set_threshold(*before)
        return ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tables of databases, files and APIs as checked, day-partitioned tables of a warehouse."""
    warnings.simplefilter("ignore")
