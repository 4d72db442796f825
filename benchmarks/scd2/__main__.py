"""`python -m benchmarks.scd2`: what our dimension and its peers make of the same histories.

`make compare-scd2` calls it. Each of dbt's snapshot, dlt's scd2 and SQLMesh's SCD_TYPE_2 reads each
history in every way of its documentation; the table has the best that came of it. Prints the tables
of docs/dimensions.md; takes some minutes.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks.scd2 import ours
from benchmarks.scd2.environments import NotInstalled
from benchmarks.scd2.histories import HISTORIES, READINGS
from benchmarks.scd2.judging import Verdict, judge, versions_by_source_time
from benchmarks.scd2.peers import PEERS, Peer, PeerFailed, Played
from benchmarks.scd2.speed import CHANGED, KEYS, batches

Ways = Mapping[str, Mapping[str, Verdict]]
"""Verdicts by the name of the history, then by the way that a peer was told to work."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--every", is_flag=True, help="Print each way of each peer, not only the best.")
@click.option("--no-speed", is_flag=True, help="Leave out how long they take.")
def main(every: bool, no_speed: bool) -> None:
    """Print who is right about which history: versions lost and wrong, or only by the clock."""
    folder = Path(tempfile.mkdtemp(prefix="etl-scd2-"))
    try:
        played = _play(folder)
        told = {peer: _ways(found) for peer, found in played.items()}
        _print_best(played, told)
        if every:
            _print_every(played, told)
        if not no_speed:
            _print_speed(list(played), folder)
    except PeerFailed as failed:
        raise click.ClickException(str(failed)) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _play(folder: Path) -> dict[Peer, Played]:
    played = {}
    for peer in PEERS:
        try:
            played[peer] = peer.play(HISTORIES, folder)
        except NotInstalled as missing:
            click.echo(f"{peer.title} is left out, it cannot be installed: {missing}", err=True)
    return played


def _ways(played: Played) -> Ways:
    return {history.name: played.verdicts(history) for history in HISTORIES}


def _print_best(played: Mapping[Peer, Played], told: Mapping[Peer, Ways]) -> None:
    heads = ["history", "ours", *(one.title for one in played.values())]
    click.echo(_line(heads))
    click.echo(_line(["---"] * len(heads)))
    right = 0
    for history in HISTORIES:
        versions = versions_by_source_time(history.changes())
        mine = judge(versions, ours.play(history), len(history.batches()), "")
        right += mine.is_right
        best = [min(ways[history.name].values()).told for ways in told.values()]
        click.echo(_line([history.title, mine.told, *best]))
    click.echo(
        _line(["right, each in its one best way", str(right), *map(_one_way, told.values())])
    )


def _one_way(ways: Ways) -> str:
    """How many histories are right in the one way that has most of them, and which it is.

    A way that is only for tables without deletions has fewer histories.
    """
    counts: dict[str, int] = {}
    for verdicts in ways.values():
        for way, verdict in verdicts.items():
            counts[way] = counts.get(way, 0) + verdict.is_right
    best = max(counts, key=lambda way: counts[way])
    return f"{counts[best]} ({best})"


def _print_every(played: Mapping[Peer, Played], told: Mapping[Peer, Ways]) -> None:
    click.echo("")
    for reading, what in READINGS.items():
        click.echo(f"{reading}: {what}")
    for peer, ways in told.items():
        click.echo(f"\n{played[peer].title}")
        for history in HISTORIES:
            for way, verdict in sorted(ways[history.name].items()):
                click.echo(
                    f"  {history.title}: {way}: {verdict.told} {verdict.error[:160]}".rstrip()
                )


def _print_speed(peers: list[Peer], folder: Path) -> None:
    click.echo(f"\n{KEYS:,} keys, then {CHANGED:,} of them changed: seconds (CPU seconds)\n")
    click.echo(_line(["", "all keys", "the changed ones", "versions"]))
    click.echo(_line(["---"] * 4))
    measured = {"ours": ours.steps(batches(), folder)}
    measured |= {peer.title: peer.speed(folder) for peer in peers}
    for title, (steps, versions) in measured.items():
        cells = [f"{seconds:.2f} ({cpu:.2f})" for seconds, cpu in steps]
        click.echo(_line([title, *cells, f"{versions:,}"]))


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
