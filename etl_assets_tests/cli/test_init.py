"""`etl-assets init`: what a new project holds, and folders that are named oddly or in use."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl_assets.cli.main import main
from etl_assets.config import read_settings
from etl_assets.core.errors import ConfigError
from etl_assets.table_modules import tables_from
from etl_assets_tests.importable import importable

OURS = ["DATABASE_URL", "ETL_TABLES", "ETL_HOME", "ETL_PROJECT", "WAREHOUSE_URL"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, in an environment that names nothing of ours."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def init(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["init", *arguments])
    return done.exit_code, done.output


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_project_has_all_that_it_needs(here: Path) -> None:
    assert init("warehouse")[0] == 0
    assert files_of(here / "warehouse") == {
        ".env.example",
        ".github/workflows/ci.yml",
        ".gitignore",
        "README.md",
        "dagster.yaml",
        "pyproject.toml",
        "tests/test_contracts.py",
        "warehouse/__init__.py",
        "warehouse/definitions.py",
        "warehouse/tables/__init__.py",
        "warehouse/tables/schemas.py",
        "workspace.yaml",
    }
    for path in files_of(here):
        assert "<<" not in (here / path).read_text(encoding="utf-8"), path


def test_its_tables_are_those_of_its_package_and_the_shop_is_not_there(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init("new_company")
    for folder in ("new_company", "new_company/new_company/tables"):  # also from below
        monkeypatch.chdir(here / folder)
        with importable(here / "new_company"):
            settings = read_settings()
            assert settings.tables == ("new_company.tables",)
            assert settings.home == here / "new_company" / ".etl"
            assert settings.last_day is None
            assert list(tables_from(settings.tables)) == ["raw/schemas", "staged/schemas"]
    monkeypatch.setenv("ETL_TABLES", "etl_assets.tables")  # the environment wins
    assert read_settings().tables == ("etl_assets.tables",)


def test_its_env_file_is_read_from_any_folder_in_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init("new_company")
    (here / "new_company" / ".env").write_text("ETL_HOME=data\nDATABASE_URL=postgresql://h/d\n")
    monkeypatch.chdir(here / "new_company" / "tests")
    with importable(here / "new_company"):
        settings = read_settings()
    assert settings.home == here / "new_company" / "data"
    assert settings.database_url == "postgresql://h/d"


@pytest.mark.parametrize(
    ("folder", "package"),
    [
        ("my tables", "my_tables"),
        ("data-warehouse", "data_warehouse"),
        ("Warehouse 2", "warehouse_2"),
        ("a.b", "a_b"),
        ("deep/er/warehouse", "warehouse"),
        ("it's", None),
        ("2024", None),
        ("größe", None),
        ("class", None),
        ("match", None),
        ("json", None),
        ("Types", None),
        ("etl_assets", None),
        ("etl-assets", None),
        ("dagster", None),
        ("polars", None),
        ("tests", None),
        ("_hidden", None),
        ("-x", None),
    ],
)
def test_an_odd_name_works_or_is_refused_with_the_command_to_write(
    here: Path, folder: str, package: str | None
) -> None:
    code, out = init("--", folder)
    if package is not None:
        assert code == 0, out
        assert (here / folder / package / "tables" / "schemas.py").is_file()
        return
    assert code == 1
    assert len(out.splitlines()) == 1, out
    assert "--name " in out
    assert files_of(here) == set()
    named = out.rsplit("--name ", 1)[1].rstrip(".\n")
    assert init("--name", named, "--", folder)[0] == 0
    assert (here / folder / named / "definitions.py").is_file()


@pytest.mark.parametrize("name", ["two words", "class", "json", "a-b", "", "A.b"])
def test_a_name_that_is_given_is_taken_as_it_is_or_refused(here: Path, name: str) -> None:
    code, out = init("warehouse", "--name", name)
    assert code == 1
    assert "--name " in out
    assert files_of(here) == set()


def test_nothing_is_overwritten(here: Path) -> None:
    (here / "warehouse").mkdir()
    (here / "warehouse" / "pyproject.toml").write_text("mine")
    code, out = init("warehouse")
    assert code == 1
    assert "warehouse/pyproject.toml is there already" in out
    assert files_of(here) == {"warehouse/pyproject.toml"}
    (here / "file").touch()
    assert "is a file" in init("file")[1]


def test_a_folder_that_is_in_use_for_something_else_keeps_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".git").mkdir()
    (here / "notes.txt").write_text("mine")
    assert init(".", "--name", "new_company")[0] == 0
    assert (here / "notes.txt").read_text() == "mine"
    assert (here / "new_company" / "tables").is_dir()
    assert init(".", "--name", "new_company")[0] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_told(here: Path) -> None:
    here.chmod(0o500)
    code, out = init("warehouse")
    here.chmod(0o700)
    assert code == 1
    assert "Permission denied" in out


def test_a_folder_that_cannot_be_is_told_with_what_to_do(here: Path) -> None:
    (here / "file").touch()
    code, out = init("file/warehouse")
    assert code == 1
    assert "file/warehouse cannot be written (Not a directory)" in out
    assert "name another folder" in out
    assert "ETL_HOME" not in out  # which has nothing to do with it


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("tables = 5", "tables of [tool.etl_assets] has what is no name"),
        ('tables = ["a b"]', "has what is no name of a package"),
        ('table = ["a"]', "[tool.etl_assets] has no table. Write tables and event_sources"),
        ("tables = [", "is no TOML"),
    ],
)
def test_a_project_file_that_cannot_be_is_told_with_its_place(
    here: Path, section: str, told: str
) -> None:
    (here / "pyproject.toml").write_text(f"[tool.etl_assets]\n{section}\n")
    with pytest.raises(ConfigError) as error:
        read_settings()
    assert told in str(error.value)
    assert str(here / "pyproject.toml") in str(error.value)


def test_a_project_that_is_named_must_be_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(here))
    with pytest.raises(ConfigError, match=r"has no pyproject\.toml with"):
        read_settings()
