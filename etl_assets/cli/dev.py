"""`etl-assets dev`: the Dagster UI on this machine."""

import subprocess
import sys

import click

from etl_assets.config import child_environment, read_settings


@click.command()
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
def dev(port: int) -> None:
    """Open the platform in the Dagster UI, on this machine only."""
    from etl_assets.orchestration.backfill import WORKSPACE_FILE, dagster_home, home_instance

    settings = read_settings()
    with home_instance(settings):  # keeps the embedded server running while the UI is up
        url = click.style(f"http://127.0.0.1:{port}", bold=True)
        click.echo(f"Dagster UI: {url}  (Ctrl-C stops it)")
        command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workspace", str(WORKSPACE_FILE)]
        environment = child_environment(
            DAGSTER_HOME=str(dagster_home(settings)), PYTHONWARNINGS="ignore"
        )
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)  # noqa: S603
