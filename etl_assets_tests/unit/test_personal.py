"""Personal keys are named by a keyed digest that means the same after an upgrade."""

import hashlib
import hmac
import stat
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from etl_assets.config import Settings
from etl_assets.core.contracts import Column
from etl_assets.core.errors import ConfigError
from etl_assets.core.personal import hash_with
from etl_assets.core.rows import keys_of
from etl_assets.pipeline.hash_key import hash_key
from etl_assets.pipeline.platform import Platform
from etl_assets_tests import processes

EMAIL = Column("email", pl.String(), nullable=True, description="", personal=True)
NUMBER = Column("number", pl.Int64(), nullable=False, description="", personal=True)
LINE = Column("line", pl.Int32(), nullable=False, description="")


@pytest.fixture(autouse=True)
def key_of_the_tests() -> Iterator[None]:
    hash_with(lambda: b"k")
    yield
    hash_with(lambda: b"of the tests")


def digest(text: str, key: bytes = b"k") -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:12]


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [(EMAIL, "ada@example.com", "ada@example.com"), (NUMBER, 7, "7"), (EMAIL, "", "")],
)
def test_a_personal_key_is_twelve_digits_of_its_hmac(
    column: Column, value: object, text: str
) -> None:
    rows = pl.DataFrame({column.name: [value]}, schema={column.name: column.dtype})
    assert keys_of(rows, [column]) == [f"{column.name}#{digest(text)}"]


def test_the_other_parts_of_a_key_are_shown_and_a_missing_one_is_no_text() -> None:
    rows = pl.DataFrame(
        {"email": ["a", None, "None"], "line": pl.Series([1, 2, 3], dtype=pl.Int32)}
    )
    assert keys_of(rows, [EMAIL, LINE]) == [
        f"email#{digest('a')}, line=1",
        "email IS NULL, line=2",
        f"email#{digest('None')}, line=3",
    ]


def test_another_key_gives_other_digests() -> None:
    rows = pl.DataFrame({"email": ["ada@example.com"]})
    before = keys_of(rows, [EMAIL])
    hash_with(lambda: b"other")
    assert keys_of(rows, [EMAIL]) == [f"email#{digest('ada@example.com', b'other')}"] != before


def test_the_key_of_the_settings_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    home = tmp_path / "home"
    Platform(Settings(home=home, hash_key="secret"))
    assert keys_of(pl.DataFrame({"email": ["a"]}), [EMAIL]) == [f"email#{digest('a', b'secret')}"]
    assert not home.exists()


def test_a_key_is_made_once_for_a_data_folder_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    assert hash_key(settings) == hash_key(settings) != hash_key(Settings(home=tmp_path / "other"))
    file = tmp_path / "home" / "hash.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_bytes()) >= 32
    assert [path.name for path in file.parent.iterdir()] == ["hash.key"], "a draft is left"


def _ask(home: Path, answer: Path) -> None:
    answer.write_bytes(hash_key(Settings(home=home)))


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    answers = [tmp_path / f"answer-{number}" for number in range(8)]
    started = [processes.start(_ask, tmp_path / "home", answer) for answer in answers]
    assert [processes.ended(process) for process in started] == [0] * len(answers)
    assert len({answer.read_bytes() for answer in answers}) == 1


def test_a_key_that_cannot_be_kept_is_said_in_a_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file")
    with pytest.raises(ConfigError, match=r"hash\.key.*ETL_HASH_KEY"):
        hash_key(Settings(home=home))
