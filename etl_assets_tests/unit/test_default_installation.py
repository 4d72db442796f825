"""What a default installation lacks is imported only where it is needed, and said in a sentence."""

import subprocess
import sys

import pytest

from etl_assets.core.errors import ConfigError
from etl_assets.core.extras import _EXTRAS, explained
from etl_assets.core.unexpected import told

WITHOUT = f"import sys; sys.modules.update(dict.fromkeys({sorted(_EXTRAS)!r}))\n"
USED = """
import pkgutil, importlib
import etl_assets.cli as cli
from etl_assets.cli.main import COMMANDS, main
import click
for name in COMMANDS:
    main.get_command(click.Context(main), name)
from etl_assets.config import read_settings
from etl_assets.definitions import defs
from etl_assets.scaffold import adding
from etl_assets.scaffold.files import is_of_files
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets.warehouse.postgres import PostgresWarehouse
import etl_assets.testing
assert not is_of_files("public.orders")
"""


def test_postgresql_duckdb_and_every_command_need_no_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT + USED],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("package", "extra"), _EXTRAS.items())
def test_what_is_missing_is_told_with_the_command_to_write(package: str, extra: str) -> None:
    error = ModuleNotFoundError(f"No module named '{package}.x'", name=f"{package}.x")
    assert f"pip install 'etl_assets[{extra}]'" in told(error)
    assert package in told(error)
    with pytest.raises(ConfigError, match="is not installed"), explained():
        raise error


def test_what_no_extra_brings_is_an_error_that_nobody_foresaw() -> None:
    error = ModuleNotFoundError("No module named 'other'", name="other")
    assert "did not expect" in told(error)
    with pytest.raises(ModuleNotFoundError), explained():
        raise error
