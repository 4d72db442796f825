"""The demo's events, as `etl-assets demo` fills them and `etl-assets demo send` sends more.

What they are is `demo/event_payloads.py`. They take the road that any events take.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from etl_assets.cli.visible import echo, styled
from etl_assets.config import Settings, child_environment
from etl_assets.core.errors import ConfigError, SourceUnavailable
from etl_assets.core.source_specs import EVENTS_CONNECTION
from etl_assets.core.wording import count_of
from etl_assets.demo.event_payloads import DROPS, WEBHOOK, event_files, messages
from etl_assets.demo.plan import ShopPlan

if TYPE_CHECKING:
    from etl_assets.demo.partners import Place
    from etl_assets.demo.sending import Sent
    from etl_assets.events.counts import EventCounts
    from etl_assets.events.database import EventsDatabase
    from etl_assets.pipeline.platform import Platform

_AT_ONCE: Final = timedelta(0)
_SESSIONS: Final = "enriched/sessions"
_STOP_SECONDS: Final = 30


def put_event_files(place: "Place") -> None:
    """Put the files of events there that are not there yet; raises as the place does."""
    there = set(place.keys(DROPS))
    for key, content in event_files(ShopPlan()).items():
        if key not in there:
            place.put(key, content)


def fill_events(settings: Settings) -> "EventCounts":
    """Land and load the demo's events, as far as they are not; how many there are.

    `settings` are the demo's, and the files are put. What has landed lands once, however often this
    is called. Raises SourceUnavailable, SourceError, ConfigError.
    """
    from etl_assets.events.counts import counts_of
    from etl_assets.events.database import open_events
    from etl_assets.events.load import Rules, load_all
    from etl_assets.events.pull import pull
    from etl_assets.events.sources import mappers_of, sources_of

    # The files were renamed when they were whole: nobody writes to them any more.
    sources = {
        name: replace(source, settle=_AT_ONCE) for name, source in sources_of(settings).items()
    }
    with closing(open_events(settings)) as database:
        database.make_ready()
        _land_messages(database)
        for done in pull(settings, database, sources):
            if done.error:
                raise done.error
        load_all(database, Rules(mappers_of(sources.values())))
        with database.transaction("counting events") as connection:
            return counts_of(connection)


def _land_messages(database: "EventsDatabase") -> None:
    from etl_assets.events.landing import Arrival, land
    from etl_assets.events.sent_ids import sent_id

    with database.transaction("landing the webhooks of the past") as connection:
        arrivals = [
            Arrival(one.source, sent_id(one.body), one.body, one.received_at)
            for one in messages(ShopPlan())
        ]
        land(connection, arrivals)


def tell_of_events(platform: "Platform", events: "EventCounts") -> None:
    """A line of what came of the events, and how to send more."""
    states = platform.warehouse.state()
    sessions = sum(state.row_count for state in states if state.table_name == _SESSIONS)
    echo(
        f"Events of an API, files and webhooks: {events.received:,} received, {events.unique:,} "
        f"unique, {count_of(events.duplicates, 'duplicate')}, {events.superseded:,} superseded, "
        f"{events.late:,} late (the API's and the files' come only now), "
        f"{events.quarantined:,} quarantined; {count_of(sessions, 'session')}."
    )
    echo(f"{_bold('.venv/bin/etl-assets demo send')} sends more of them as signed webhooks.")


def send_webhooks(settings: Settings, count: int, base: str | None) -> None:
    """Send them, and say what was answered and what landed.

    Raises ConfigError for a URL or a secret that cannot be used, SourceUnavailable.
    """
    from etl_assets.demo.sending import new_secret, send

    if base is not None:
        _tell_of_sent(_sent(base, _secret_of(settings), count), base)
        return
    from etl_assets.events.database import open_events
    from etl_assets.sources.factory import Sources

    if settings.events_database_url:
        raise ConfigError(
            "EVENTS_DATABASE_URL is set, and the commands that load events would look there, not "
            "into the demo's database.",
            "Unset it for the demo, or send to a service of your own: --to http://127.0.0.1:8080.",
        )
    demo = settings.for_demo()
    url, secret = Sources(demo).url(EVENTS_CONNECTION), new_secret()
    with closing(open_events(demo)) as database:
        database.make_ready()
        before = _landed(database)
        with _service(url, secret) as started:
            _tell_of_sent(send(started, secret, count), started)
        landed = _landed(database) - before
    echo(f"staging_events of the demo has {count_of(landed, 'row')} more.")
    echo("Load them into events, and then into sessions:")
    echo("  .venv/bin/etl-assets events load --once")
    echo("  .venv/bin/etl-assets sync raw/events")


def _sent(base: str, secret: str, count: int) -> "Sent":
    from etl_assets.demo.sending import send

    if not base.startswith(("http://", "https://")):
        raise ConfigError(f"--to {base} is no URL of a service.", "Write http://127.0.0.1:8080.")
    try:
        return send(base, secret, count)
    except ValueError:
        raise ConfigError(
            f"--to or WEBHOOK_SECRETS_{WEBHOOK.upper()} cannot be used.",
            "Write a URL as http://127.0.0.1:8080, and a secret in base64 as for the service.",
        ) from None


def _secret_of(settings: Settings) -> str:
    source = settings.webhook.sources.get(WEBHOOK)
    if source is None:
        raise ConfigError(
            f"WEBHOOK_SECRETS_{WEBHOOK.upper()} is not set, so the calls cannot be signed.",
            "Set it to the secret that the service has, or leave --to away.",
        )
    return source.secrets[0]


def _tell_of_sent(sent: "Sent", base: str) -> None:
    echo(
        f"Sent {count_of(sent.events, 'event')} to {base}/webhooks/{WEBHOOK}, in "
        f"{count_of(sent.good.total(), 'call')} that {_answered(sent.good)}."
    )
    echo(
        f"{count_of(sent.twice.total(), 'call')} of them came a second time and "
        f"{_answered(sent.twice)}: nothing lands twice."
    )
    echo(
        f"{count_of(sent.forged.total(), 'call')} with a signature of another secret "
        f"{_answered(sent.forged)}, and one that was signed an hour ago {_answered(sent.old)}."
    )


def _answered(statuses: "Counter[int]") -> str:
    """`was answered 401`, `were answered 200 (65) and 503 (1)`."""
    if not statuses:
        return "were not needed"
    verb = "was answered" if statuses.total() == 1 else "were answered"
    if len(statuses) == 1:
        return f"{verb} {next(iter(statuses))}"
    told = [f"{status} ({number:,})" for status, number in sorted(statuses.items())]
    return f"{verb} {', '.join(told[:-1])} and {told[-1]}"


def _landed(database: "EventsDatabase") -> int:
    with database.transaction("counting what has landed") as connection:
        row = connection.execute("SELECT count(*) FROM staging_events").fetchone()
    assert row is not None  # noqa: S101 - a query of a count has a row
    return int(row[0])


@contextmanager
def _service(database_url: str, secret: str) -> Iterator[str]:
    """The URL of a service of its own, on a free port of 127.0.0.1; it ends with the block."""
    command = [sys.executable, "-m", "etl_assets.cli", "webhook", "serve"]
    command += ["--host", "127.0.0.1", "--port", "0"]
    command += ["--as-root"] if os.geteuid() == 0 else []
    environment = child_environment(
        EVENTS_DATABASE_URL=database_url, **{f"WEBHOOK_SECRETS_{WEBHOOK.upper()}": secret}
    )
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        said = process.stdout.readline().split()  # Webhooks at http://127.0.0.1:1234/webhooks/…
        if not said:
            raise SourceUnavailable(
                "The webhook service did not start; it said why above.", "Correct it; run it again."
            )
        yield said[-1].partition("/webhooks/")[0]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _bold(text: str) -> str:
    return styled(text, bold=True)
