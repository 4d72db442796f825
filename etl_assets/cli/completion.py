"""`etl-assets completion`: how a shell completes commands, options and the names of tables.

click makes the script and completes commands and options; which tables there are is read from the
project at hand, without connecting to anything.
"""

import click
from click.shell_completion import CompletionItem

from etl_assets.cli.visible import echo

_VARIABLE = "_ETL_ASSETS_COMPLETE"
_FILES = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshrc",
    "fish": "~/.config/fish/completions/etl-assets.fish",
}
_LINES = {
    "bash": f'eval "$({_VARIABLE}=bash_source etl-assets)"',
    "zsh": f'eval "$({_VARIABLE}=zsh_source etl-assets)"',
    "fish": f"{_VARIABLE}=fish_source etl-assets | source",
}
_OF_TABLES = ("table", "tables")


class TableName(click.types.StringParamType):
    """A text that a shell completes with the paths of the tables."""

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """Paths that begin so, or tables of any layer whose name begins so; none after an error."""
        from etl_assets.config import read_settings
        from etl_assets.core.errors import EtlError
        from etl_assets.table_modules import tables_from

        try:
            catalog = tables_from(read_settings().tables)
        except EtlError:
            return []  # what is wrong is said by the command itself
        found = [path for path in catalog if path.startswith(incomplete)]
        found = found or [path for path in catalog if path.split("/")[1].startswith(incomplete)]
        return [CompletionItem(path, help=catalog[path].description) for path in found]


def with_table_names(command: click.Command) -> click.Command:
    """The same command, whose arguments `table` and `tables` are completed, as those of its own
    commands are."""
    for param in command.params:
        if isinstance(param, click.Argument) and param.name in _OF_TABLES:
            param.type = TableName()
    for inner in getattr(command, "commands", {}).values():
        with_table_names(inner)
    return command


@click.command()
@click.argument("shell", type=click.Choice(list(_LINES)), required=False)
def completion(shell: str | None) -> None:
    """Say how to switch on completion of commands, options and tables in your SHELL."""
    from etl_assets.config import login_shell

    shell = shell or login_shell()
    if shell not in _LINES:
        raise click.UsageError(
            f"Which shell do you use? Write etl-assets completion {' or '.join(_LINES)}."
        )
    echo(f"# Add this line to {_FILES[shell]}, then open a new {shell}:")
    echo(_LINES[shell])
