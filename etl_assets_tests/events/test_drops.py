"""Partners' files of events: each line lands once, a file that cannot be trusted lands nothing."""

import gzip
import os
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import pytest

from etl_assets.config import ObjectStoreSettings
from etl_assets.core.key_patterns import KeyPattern
from etl_assets.events.database import EventsDatabase
from etl_assets.events.drops import Taken, take_files
from etl_assets.sources.files.reading.results import Limits
from etl_assets.sources.files.store import open_store

LONG_AGO = 1_700_000_000
PATTERN = KeyPattern("drops/*.jsonl*")
LINES = [b'{"event_id": "E-1", "price": 1.10}', b'{"id": 7}', b"no JSON \xff", b'{"n": 1e400}']


class Partner:
    """A folder that a partner drops files into, and the landing of what is there."""

    def __init__(self, database: EventsDatabase, folder: Path, scratch: Path) -> None:
        self.database, self.folder, self.scratch = database, folder, scratch
        (folder / "drops").mkdir(parents=True)
        scratch.mkdir()

    def drop(self, name: str, content: bytes, modified: float = LONG_AGO) -> None:
        path = self.folder / "drops" / name
        path.write_bytes(content)
        os.utime(path, (modified, modified))

    def take(self) -> Taken:
        store = open_store(ObjectStoreSettings(), self.folder.as_uri())
        return take_files(self.database, store, "partner_files", PATTERN, self.scratch)

    def landed(self) -> dict[bytes, str]:
        """The id that each payload is known by."""
        rows = self._rows("SELECT payload, event_id FROM staging_events")
        assert len(rows) == len({payload for payload, _ in rows})
        return dict(rows)

    def objects(self) -> list[tuple[Any, ...]]:
        return self._rows("SELECT key, new_lines, known_lines, error FROM event_objects ORDER BY 1")

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.transaction("reading of a test") as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def partner(events: EventsDatabase, tmp_path: Path) -> Partner:
    return Partner(events, tmp_path / "partner", tmp_path / "scratch")


def lines(*given: bytes) -> bytes:
    return b"".join(line + b"\n" for line in given)


def test_each_line_is_landed_as_its_own_bytes_with_the_id_that_it_has(partner: Partner) -> None:
    partner.drop("a.jsonl", lines(LINES[0], b"", LINES[1], b"  \r", LINES[2]) + LINES[3] + b"\r\n")
    partner.drop("other.txt", lines(b'{"id": 9}'))

    assert partner.take() == Taken(objects=1, new=4)

    landed = partner.landed()
    assert set(landed) == set(LINES)
    assert (landed[LINES[0]], landed[LINES[1]]) == ("E-1", "7")
    assert landed[LINES[2]].startswith("sha256:")
    assert partner.objects() == [("drops/a.jsonl", 4, 0, None)]


def test_an_object_is_read_once_and_again_when_it_is_another_one(partner: Partner) -> None:
    partner.drop("a.jsonl", lines(*LINES[:2]))
    partner.take()

    assert partner.take() == Taken()
    partner.drop("a.jsonl", lines(*LINES), LONG_AGO + 60)
    partner.drop("the same under another key.jsonl", lines(*LINES))
    assert partner.take() == Taken(objects=2, new=2, again=6)
    assert len(partner.landed()) == 4


def test_packed_objects_of_several_members_are_read_to_their_end(partner: Partner) -> None:
    packed = gzip.compress(lines(LINES[0])) + gzip.compress(lines(LINES[1]))
    partner.drop("a.jsonl.gz", packed)

    assert partner.take() == Taken(objects=1, new=2)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.jsonl", lines(LINES[0]) + LINES[1], "its last line has no line end, so it may be cut"),
        ("a.jsonl.gz", gzip.compress(lines(*LINES))[:-9], ""),
        ("a.jsonl.gz", b"no gzip at all", ""),
        ("a.jsonl", lines(LINES[0], b"x" * 200), "a line of it is longer than 100 bytes"),
    ],
    ids=["no last line end", "cut gzip", "no gzip", "a long line"],
)
def test_an_object_that_cannot_be_trusted_lands_nothing_until_it_changes(
    name: str, content: bytes, why: str, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "longer" in why:
        monkeypatch.setattr("etl_assets.events.drops.LIMITS", Limits(record_bytes=100))
    partner.drop(name, content)
    partner.drop("good.jsonl", lines(LINES[3]))

    assert partner.take() == Taken(objects=1, refused=1, new=1)
    assert set(partner.landed()) == {LINES[3]}
    (_, new, known, error), _ = partner.objects()
    assert (new, known) == (0, 0)
    assert why in error if why else error
    assert partner.take() == Taken()

    whole = lines(*LINES)
    partner.drop(name, gzip.compress(whole) if name.endswith("gz") else whole, LONG_AGO + 60)
    assert partner.take() == Taken(objects=1, new=3, again=1)
    assert all(one[3] is None for one in partner.objects())


def test_a_byte_order_mark_is_no_part_of_the_first_line(partner: Partner) -> None:
    partner.drop("marked.jsonl", BOM_UTF8 + lines(*LINES[:2]))
    partner.drop("plain.jsonl", lines(*LINES[:2]))

    assert partner.take() == Taken(objects=2, new=2, again=2)
    assert set(partner.landed()) == set(LINES[:2])


def test_a_line_that_is_too_long_is_found_wherever_the_chunks_end(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl_assets.events.drops.LIMITS", Limits(record_bytes=100))
    content = b"x" * 30 + b"\n" + b"y" * 101 + b"\nz\n"
    for size in (1, 7, 40, 100, 101, 130, 200):
        chunks = [content[n : n + size] for n in range(0, len(content), size)]
        monkeypatch.setattr("etl_assets.events.drops.expanded", lambda *_, of=chunks: iter(of))
        partner.drop(f"{size}.jsonl", b"{}\n")
        taken = partner.take()
        assert (taken.refused, taken.new) == (1, 0), size
        ((key, why),) = taken.refusals
        assert "is longer than 100 bytes" in why
        assert key.endswith(f"{size}.jsonl")
    exact = [content.replace(b"yy", b"y", 1)]
    monkeypatch.setattr("etl_assets.events.drops.expanded", lambda *_: iter(exact))
    partner.drop("exact.jsonl", b"{}\n")
    assert partner.take().refused == 0


def test_an_object_that_may_be_written_to_still_waits(partner: Partner) -> None:
    partner.drop("a.jsonl", lines(LINES[0]), 4_000_000_000)

    assert partner.take() == Taken(waiting=1)
    assert partner.landed() == {}


def test_a_crash_between_lines_and_the_note_of_their_object_doubles_nothing(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner.drop("a.jsonl", lines(*LINES))
    monkeypatch.setattr("etl_assets.events.drops._BATCH_LINES", 2)
    with monkeypatch.context() as dying:
        dying.setattr("etl_assets.events.drops._remember", _die)
        with pytest.raises(KeyboardInterrupt):
            partner.take()

    assert partner.take() == Taken(objects=1, again=4)
    assert len(partner.landed()) == 4


def _die(*_: object) -> None:
    raise KeyboardInterrupt
