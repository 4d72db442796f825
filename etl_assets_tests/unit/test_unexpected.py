"""M2, M11: an error that nobody foresaw is told with kind, place and next step, without values."""

import errno

import dagster as dg
import polars as pl
import pytest

from etl_assets.core.errors import SourceError, WarehouseUnavailable
from etl_assets.core.unexpected import told
from etl_assets.orchestration.failures import failure_of, message_of
from etl_assets.spool import SpoolFiles, duplicates

SECRET = "anna@example.com"


def raised_by(work: object) -> Exception:
    try:
        work()  # type: ignore[operator]
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


CASES = {
    "a key": lambda: {}[SECRET],
    "a number": lambda: int(f"'{SECRET}'"),
    "a frame": lambda: pl.DataFrame({"a": [SECRET]}).select(pl.col("a").cast(pl.Int64)),
    "doubled columns": lambda: pl.DataFrame({"a": [1]}).select(pl.col("a"), pl.col("a")),
    "no message": lambda: (_ for _ in ()).throw(ValueError()),
}


@pytest.mark.parametrize("case", CASES)
def test_m2_kind_place_and_next_step_and_no_value(case: str) -> None:
    error = raised_by(CASES[case])
    message = told(error)
    assert message.startswith(f"{type(error).__name__}: ")
    assert "Run it again" in message
    assert "log" not in message.split("(")[0]
    assert SECRET not in message
    assert "\n" not in message


def test_m2_the_place_is_the_last_line_of_our_own() -> None:
    files = SpoolFiles(None, [None], rows=1)  # type: ignore[arg-type, list-item]
    error = raised_by(lambda: duplicates(files, ["id"], 1))
    assert "etl_assets/spool/keys.py, line " in told(error)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR])
def test_m2_a_file_that_cannot_be_used_is_named(number: int) -> None:
    error = OSError(number, "told by the system", "/data/etl/spool")
    message = told(error)
    assert message.startswith("The file or folder /data/etl/spool cannot be used (told by the")
    assert "ETL_HOME" in message


def test_m2_a_failed_step_tells_the_same() -> None:
    error = raised_by(CASES["doubled columns"])
    failure = failure_of(error)
    assert isinstance(failure, dg.Failure)
    assert not failure.allow_retries
    assert message_of(failure) == told(error)
    assert SECRET not in str(failure.metadata)


def test_errors_of_ours_say_themselves_whether_another_attempt_may_help() -> None:
    for error in (SourceError("What.", "Next."), WarehouseUnavailable("What.", "Next.")):
        failure = failure_of(error)
        assert isinstance(failure, dg.Failure)
        assert (failure.description, failure.allow_retries) == ("What. Next.", error.retryable)


def test_r8_an_interrupt_behind_an_error_wins() -> None:
    interrupt = KeyboardInterrupt()
    error = ValueError("the rollback failed")
    error.__context__ = interrupt
    assert failure_of(error) is interrupt
