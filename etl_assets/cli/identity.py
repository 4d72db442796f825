"""`etl-assets identity`: which records are one customer, why, and what people decide of it."""

import getpass
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Literal

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import json_option, print_json, tell, wants_json
from etl_assets.config import read_settings
from etl_assets.core.partitions import Window

if TYPE_CHECKING:
    from etl_assets.core.identity.decisions import Record
    from etl_assets.pipeline.identity import Identity


class RecordName(click.ParamType["Record"]):
    """A record of a system: `shop/17`."""

    name = "system/id"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Record":
        """System and id; click's usage error for anything else."""
        system, slash, own = str(value).partition("/")
        if not (system and slash and own):
            self.fail(f"{value!r} is no record: write system/id, like shop/17.", param, ctx)
        return system, own


@click.group()
def identity() -> None:
    """Explain which records of several systems are one customer; merge and unmerge them."""


@identity.command()
@click.argument("who")
@json_option
def explain(who: str) -> None:
    """Say why WHO, a customer_key or a record like shop/17, is the customer that it is."""
    name = int(who) if who.isdecimal() else RecordName().convert(who, None, None)
    with _opened() as found:
        explanation = found.explain(name)
    if wants_json():
        print_json(explanation.as_dict())
        return
    for line in explanation.lines():
        tell(line)


def _pair(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments and options of a decision about two records."""
    for declared in (
        json_option,
        click.option("--later", is_flag=True, help="Leave the tables to the sensor, or to derive."),
        click.option("--dry-run", is_flag=True, help="Only say what it would change."),
        click.option("--by", help="Who decides; by default the user of this machine."),
        click.option("--reason", required=True, help="Why, for who looks at it later."),
        click.argument("right", type=RecordName()),
        click.argument("left", type=RecordName()),
    ):
        command = declared(command)
    return command


@identity.command()
@_pair
def merge(**given: Any) -> None:
    """Say that the records LEFT and RIGHT are one customer."""
    _decide("merge", **given)


@identity.command()
@_pair
def unmerge(**given: Any) -> None:
    """Take a merge of LEFT and RIGHT back, or say that they are two customers."""
    _decide("unmerge", **given)


def _decide(
    decision: Literal["merge", "unmerge"],
    left: "Record",
    right: "Record",
    reason: str,
    by: str | None,
    *,
    dry_run: bool,
    later: bool,
) -> None:
    from etl_assets.pipeline.identity import LOG, RAW_LOG, TABLES

    with _opened() as found:
        new, outcome = found.decide(decision, left, right, by or getpass.getuser(), reason)
        for line in outcome.lines():
            tell(line)
        key = None if dry_run else found.keep(new)
    if wants_json():
        print_json(
            {
                "decision": outcome.decision,
                "left": "/".join(outcome.left),
                "right": "/".join(outcome.right),
                "keys_before": outcome.before,
                "keys_after": outcome.after,
                "takes_back": outcome.takes_back,
                "kept_as": key,
            }
        )
    tell(f"Kept as {key}." if key else "Nothing is kept.")
    if key is None:
        return
    if later:
        tell(f"It counts after: etl-assets backfill {RAW_LOG}, then etl-assets derive.")
        return
    from etl_assets.cli.backfill import load

    settings = read_settings()
    window = Window(settings.first_day, settings.newest_day())
    if not load(settings, (RAW_LOG, LOG, *TABLES), [window]).succeeded:
        sys.exit(1)


@contextmanager
def _opened() -> "Iterator[Identity]":
    from etl_assets.pipeline.identity import Identity

    with closing(open_platform()) as platform:
        catalog_of(platform)
        with platform.spool(uuid.uuid4().hex, "identity") as folder:
            yield Identity(platform, folder)
