"""`etl-assets dev`: the Dagster UI on this machine."""

import sys

import click

from etl_assets.cli.visible import echo, styled
from etl_assets.config import read_settings


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=3000,
    show_default=True,
    help="Port on 127.0.0.1.",
)
def dev(port: int) -> None:
    """Open the platform in the Dagster UI, on this machine only."""
    from etl_assets.orchestration.backfill import home_instance
    from etl_assets.orchestration.development import begin_after_older_runs, run_ui

    def announce() -> None:
        # Dagster's own first page is a timeline of runs, which is empty where nothing ran today.
        url = styled(f"http://127.0.0.1:{port}/assets", bold=True)
        echo(f"Dagster UI: {url}  (Ctrl-C stops it)")

    settings = read_settings()
    with home_instance(settings) as instance:  # keeps the embedded server running meanwhile
        begin_after_older_runs(instance)
        try:
            code = run_ui(settings, port, announce)
        finally:
            # Its sensors ended with it: the next sync must not leave late days to them.
            instance.wipe_daemon_heartbeats()
    sys.exit(code)
