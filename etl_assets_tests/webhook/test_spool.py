"""The spool: what was put is there, whole, within its bound; what is damaged is put aside."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl_assets.webhook.calls import Call, digest_of
from etl_assets.webhook.limits import Bucket
from etl_assets.webhook.spool import Spool, SpoolFull

CALLS = [
    Call("shop", "msg_1", digest_of(b"1"), datetime(2024, 1, 1, tzinfo=UTC), [("a", b"\0\xff")]),
    Call("shop", None, digest_of(b"2"), datetime.now(UTC), [(None, b"{}"), ("b", b"")]),
]


def test_calls_come_back_as_they_were_put_also_in_another_life(tmp_path: Path) -> None:
    Spool(tmp_path / "spool", 10_000).put(CALLS)
    spool = Spool(tmp_path / "spool", 10_000)
    (file,) = spool.files()
    assert spool.read(file) == CALLS
    assert (spool.count_of_files, spool.bytes) == (1, file.stat().st_size)
    spool.remove(file)
    assert (spool.count_of_files, spool.bytes, spool.read(file)) == (0, 0, None)


def test_groups_come_back_in_the_order_in_which_they_were_put(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100_000)
    for _ in range(20):
        spool.put(CALLS[:1])
        spool.put(CALLS[1:])
    assert [spool.read(file) for file in spool.files()] == [CALLS[:1], CALLS[1:]] * 20


def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 300)
    spool.put(CALLS)
    with pytest.raises(SpoolFull):
        spool.put(CALLS)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:40] + b"x" + b[41:]]
)
def test_a_damaged_file_is_put_aside_and_counted(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    spool = Spool(tmp_path, 10_000)
    spool.put(CALLS)
    (file,) = spool.files()
    file.write_bytes(damage(file.read_bytes()))
    assert spool.read(file) is None
    assert (spool.files(), spool.broken) == ([], 1)


def test_a_source_may_make_its_calls_of_a_second_at_once_and_then_waits() -> None:
    bucket = Bucket(10)
    assert [bucket.take(100.0) for _ in range(11)] == [0] * 10 + [1]
    assert [bucket.take(100.2) for _ in range(3)] == [0, 0, 1]
    assert [bucket.take(500.0) for _ in range(11)] == [0] * 10 + [1]


def test_the_service_does_not_import_dagster_or_a_warehouse() -> None:
    code = (
        "import sys, etl_assets.webhook.serve as _; "
        "print([m for m in sys.modules if m.split('.')[0] in {'dagster', 'duckdb', 'polars'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
