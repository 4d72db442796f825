"""`etl-assets demo`: the demo shop and its partners' files, filled and loaded through every layer.

`etl-assets demo drop` puts another file for the sensor to find, `etl-assets demo send` sends
webhooks. What the demo's events are is `demo/event_payloads.py`.
"""

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from etl_assets.cli.backfill import load
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import console
from etl_assets.cli.status import print_status
from etl_assets.cli.visible import echo, styled
from etl_assets.config import Settings, read_settings
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.source_specs import DEFAULT_CONNECTION
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.pipeline.platform import Platform
    from etl_assets.sources.files.writable import WritableStore

_SHIPMENTS = "raw/shipments"


@click.group(invoke_without_command=True)
@click.pass_context
def demo(context: click.Context) -> None:
    """Fill the demo shop, its partners' files and its events, load 30 days, show the result."""
    if context.invoked_subcommand is None:
        _demo()


@demo.command()
def drop() -> None:
    """Put another file of shipments of the newest day, as a carrier does that is late.

    The first one takes the place of a file that is cut. `etl-assets dev` loads it by itself.
    """
    from etl_assets.demo.partners import drop_file

    settings = read_settings().for_demo()
    place = _partners(settings)
    dropped = drop_file(place)
    what = "the whole of the file that was cut" if dropped.mends else "a file that is late"
    echo(f"Put {dropped.key} ({count_of(dropped.size, 'byte')}) into {place}: {what}.")
    day = settings.newest_day()
    echo(
        f"While {_bold('make dev')} runs, the sensor new_files__shipments loads {_SHIPMENTS} {day} "
        "within a minute, and then staged/shipments and enriched/fact_shipments follow. By hand:"
    )
    echo(f"  .venv/bin/etl-assets files list {_SHIPMENTS} --from {day}")
    echo(f"  .venv/bin/etl-assets backfill {_SHIPMENTS} --from {day} --to {day}")
    echo("  .venv/bin/etl-assets derive")


@demo.command()
@click.option(
    "--count",
    default=200,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="How many events.",
)
@click.option("--to", "base", metavar="URL", help="A service that runs; default: one is started.")
def send(count: int, base: str | None) -> None:
    """Send signed webhooks, as a partner does: some twice, and some that are forged.

    A service that runs (--to http://127.0.0.1:8080) is sent them with the first secret of
    WEBHOOK_SECRETS_PARTNER_WEBHOOK; it lands them where its own settings say.
    """
    from etl_assets.cli.demo_events import send_webhooks

    send_webhooks(read_settings(), count, base)


def _demo() -> None:
    from etl_assets.cli.demo_events import fill_events, tell_of_events
    from etl_assets.cli.demo_star import tell_of_star
    from etl_assets.demo.marker import mark_for_demo

    settings = read_settings().for_demo()
    _fill(settings)
    with console().status("Landing and loading its events …"):
        events = fill_events(settings)
    window = Window(settings.first_day, settings.newest_day())
    with closing(open_platform(settings)) as platform:
        platform.refuse_demo_rows()
        missing = _missing(platform, window)
    mark_for_demo(settings)
    good = True
    if missing:
        good = load(settings, missing, [window]).succeeded
    else:
        echo("Every day of every table is published already.")
    platform = open_platform(settings)
    print_status(platform)
    tell_of_events(platform, events)
    tell_of_star(platform)
    echo(
        "Rows in quarantine broke a rule of their contract; "
        f"{_bold('.venv/bin/etl-assets quarantine list')} counts them by rule."
    )
    _tell_of_files(settings)
    echo(
        f"Next: {_bold('make dev')} opens the same tables in the Dagster UI; "
        ".venv/bin/etl-assets status shows this table again."
    )
    sys.exit(0 if good else 1)


def _fill(settings: Settings) -> None:
    from etl_assets.cli.demo_events import put_event_files
    from etl_assets.demo.billing import fill_billing
    from etl_assets.demo.databases import BILLING, DATABASES
    from etl_assets.demo.partners import fill_partners
    from etl_assets.demo.shared_use import shared_postgres
    from etl_assets.demo.shop import fill_shop

    with console().status("Starting the embedded PostgreSQL and filling the demo's databases …"):
        server = shared_postgres(settings.postgres_home)
        for database in DATABASES.values():
            server.ensure_database(database.name)
        counts = fill_shop(server.url(DATABASES[DEFAULT_CONNECTION].name))
        billed = fill_billing(server.url(DATABASES[BILLING].name))
        place = _partners(settings)
        files = fill_partners(place)
        put_event_files(place)
    echo(
        f"The demo shop holds {count_of(counts.customers, 'customer')} of {counts.countries} "
        "countries, "
        f"{counts.products:,} products, {counts.orders:,} orders and {counts.order_items:,} order "
        f"items, its billing system {billed.invoices:,} invoices and {billed.accounts:,} accounts: "
        "two databases of a real PostgreSQL."
    )
    echo(f"Its carriers and suppliers have sent {count_of(files, 'file')}: {place}")


def _partners(settings: Settings) -> "WritableStore":
    """Where the partners' files are put: the store of OBJECT_STORE_URL, or the demo's folder."""
    from etl_assets.demo.partner_folder import partners_folder
    from etl_assets.sources.files.writable import WritableStore

    store = settings.object_store
    return WritableStore(store, store.url or partners_folder(settings).as_uri())


def _tell_of_files(settings: Settings) -> None:
    """Which files were refused, and how to see the sensor work."""
    with closing(open_platform(settings)) as platform:
        refused = [
            one
            for one in platform.objects_of(platform.catalog[_SHIPMENTS])
            if one.status == "refused"
        ]
    for one in refused:
        error = one.entry.error if one.entry else ""
        echo(
            f"A file of {_SHIPMENTS} was refused, and its day is published without it: {one.key}: "
            f"{error}"
        )
    brings = "brings the whole file" if refused else "drops another file"
    echo(
        f"While make dev runs, {_bold('.venv/bin/etl-assets demo drop')} {brings}: the sensor "
        "new_files__shipments finds it and loads its day again."
    )


def _missing(platform: "Platform", window: Window) -> list[str]:
    """The tables that lack a part."""
    published = {(s.table_name, s.partition_key) for s in platform.warehouse.state()}
    return [
        path
        for path, table in catalog_of(platform).items()
        if any((path, d) not in published for d in (window.days() if table.has_days else [WHOLE]))
    ]


def _bold(text: str) -> str:
    return styled(text, bold=True)
