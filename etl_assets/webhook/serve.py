"""Starting and stopping the service: database, spool, uvicorn, signals.

It needs neither Dagster nor a warehouse. The paths are in `app.py`.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn

from etl_assets.config import Settings, WebhookSettings
from etl_assets.core.errors import ConfigError
from etl_assets.events.database import EventsDatabase, open_events
from etl_assets.postgres.connection import PoolSettings
from etl_assets.webhook.app import Service
from etl_assets.webhook.connections import BoundedHeads
from etl_assets.webhook.keeper import Keeper
from etl_assets.webhook.metrics import Metrics
from etl_assets.webhook.spool import Spool

SPOOL_FOLDER: Final = "webhook-spool"
_GRACE_SECONDS: Final = 10
_BACKLOG: Final = 2048
_MOST_CONNECTIONS: Final = 1_000  # each may hold a body in memory


def serve(settings: Settings, announce: Callable[[str], None], *, as_root: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; calls that are being sent are answered before it returns.

    `announce` is told where it listens, once it does.
    Raises ConfigError where the process is root (unless `as_root`), no source is configured, a
    secret or a scheme cannot be used, no database is named, or the address cannot be bound.
    """
    webhook = settings.webhook
    if os.geteuid() == 0 and not as_root:
        raise ConfigError(
            "The service does not run as root.",
            "Run it as another user (in a container: USER), or with --as-root where there is none.",
        )
    if not webhook.sources:
        raise ConfigError(
            "No source may send anything: there is no WEBHOOK_SECRETS_<SOURCE>.",
            "Set WEBHOOK_SECRETS_SHOP, say, to the secrets that /webhooks/shop is signed with.",
        )
    metrics = Metrics()
    spool = Spool(settings.home / SPOOL_FOLDER, webhook.spool_bytes)
    keeper = Keeper(
        _database(settings),
        spool if webhook.when_away == "spool" else None,
        spool,
        webhook.commit,
        metrics,
    )
    metrics.gauge("webhook_database_up", "1 if it answered last", lambda: not keeper.is_away)
    metrics.gauge("webhook_spool_bytes", "Bytes that wait in the spool", lambda: spool.bytes)
    metrics.gauge("webhook_spool_files", "Groups that wait in it", lambda: spool.count_of_files)
    metrics.gauge("webhook_spool_broken", "Damaged files put aside", lambda: spool.broken)
    service = Service(webhook, keeper, metrics)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    listener = _listen(webhook)
    host, port = listener.getsockname()[:2]
    announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/webhooks/<source>")
    _run(service, webhook, listener)


def _run(service: Service, webhook: WebhookSettings, listener: socket.socket) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            service.app(),
            http=BoundedHeads,
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=round(webhook.read + webhook.commit) + _GRACE_SECONDS,
        )
    )

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # Before uvicorn has handlers of its own; and it raises what stopped it once more at its end.
    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run(sockets=[listener])
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _database(settings: Settings) -> EventsDatabase:
    seconds = max(1, round(settings.webhook.commit))
    pool = PoolSettings(
        size=5,
        max_overflow=0,
        timeout=seconds,
        recycle=1800,
        connect_timeout=max(2, seconds),
        statement_timeout=seconds,
    )
    return open_events(settings, pool)


def _listen(webhook: WebhookSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in webhook.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((webhook.host, webhook.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        what = error.strerror or "an error"
    else:
        return listener
    raise ConfigError(
        f"The service cannot listen on {webhook.host}, port {webhook.port} ({what}).",
        "Set WEBHOOK_HOST and WEBHOOK_PORT to an address of this machine that is free.",
    )
