"""What the package brings along, so that its commands work from any folder."""

from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from etl_assets.orchestration.backfill import INSTANCE_FILE, WORKSPACE_FILE

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("file", [INSTANCE_FILE, WORKSPACE_FILE], ids=lambda file: file.name)
def test_the_repositorys_file_is_a_link_to_the_packages_and_no_copy(file: Path) -> None:
    assert files("etl_assets.orchestration").joinpath(file.name).is_file()
    assert (REPOSITORY / file.name).is_symlink()
    assert (REPOSITORY / file.name).resolve() == file.resolve()


def test_the_workspace_names_the_code_location_and_no_folder() -> None:
    (location,) = yaml.safe_load(WORKSPACE_FILE.read_text())["load_from"]
    assert location["python_module"]["module_name"] == "etl_assets.definitions"
    assert "working_directory" not in location["python_module"]


def test_yaml_files_are_among_what_is_packed() -> None:
    import tomllib

    packed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "*.yaml" in packed["package-data"]["*"]
