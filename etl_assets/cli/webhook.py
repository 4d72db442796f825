"""`etl-assets webhook`: the service that partners send their events to."""

from typing import Any

import click

from etl_assets.cli.visible import echo
from etl_assets.config import read_settings


@click.group()
def webhook() -> None:
    """Receive events that partners send."""


@webhook.command()
@click.option("--host", help="The address to listen on; default: WEBHOOK_HOST, or 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Default: WEBHOOK_PORT, or 8080.")
@click.option("--as-root", is_flag=True, help="Run as root too, where there is no other user.")
def serve(host: str | None, port: int | None, as_root: bool) -> None:
    """Serve POST /webhooks/SOURCE until Ctrl-C or SIGTERM.

    A call is answered 2xx when its payload is committed. docs/webhooks.md has the settings.
    """
    from etl_assets.webhook.serve import serve as run

    settings = read_settings()
    given: dict[str, Any] = {"host": host, "port": port}
    changes = {name: value for name, value in given.items() if value is not None}
    changed = settings.changed(webhook=settings.webhook.changed(**changes))
    run(changed, lambda url: echo(f"Webhooks at {url}"), as_root=as_root)
