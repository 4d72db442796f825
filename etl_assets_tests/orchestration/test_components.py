"""The Dagster component `etl_assets.SourceTable`: what Dagster finds, scaffolds and builds."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

import etl_assets
from etl_assets.config import read_settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import SpecError
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.components import SourceTable, SourceTableParams
from etl_assets.orchestration.components import SourceTableScaffolder as Scaffolder
from etl_assets.yaml_tables.table import SourceTableYaml

ATTRIBUTES: dict[str, Any] = {
    "name": "payments",
    "postgres": {"table": "payments", "connection": "billing"},
    "key": ["id"],
    "partition_column": "created_at",
    "cursor_column": "updated_at",
    "keep_versions": True,
    "expects": {"by": "06:00"},
    "columns": [
        {"name": "id", "type": "int64"},
        {"name": "created_at", "type": "timestamp"},
        {"name": "updated_at", "type": "timestamp"},
    ],
}


def built(**changes: Any) -> dg.Definitions:
    component = SourceTable.from_attributes_dict(attributes={**ATTRIBUTES, **changes})
    return dg.build_defs_for_component(component)


def test_dagster_finds_it_by_its_name_in_the_packages_front_door() -> None:
    assert "SourceTable" in dir(etl_assets)
    assert etl_assets.SourceTable is SourceTable
    with pytest.raises(AttributeError, match="no attribute 'OtherTable'"):
        etl_assets.OtherTable  # noqa: B018 - that it is not there is the test


def test_it_builds_what_the_code_location_builds_of_the_same_table() -> None:
    spec = SourceTableYaml.model_validate(ATTRIBUTES).spec()
    location = build_definitions(read_settings(), Catalog.of([spec]))
    resources = dg.Definitions(resources=location.resources)
    whole = location.resolve_asset_graph()
    alone = dg.Definitions.merge(built(), resources).resolve_asset_graph()
    for layer in ("raw", "staged"):
        assert dg.AssetKey([layer, "payments"]) in alone.get_all_asset_keys()
    assert alone.get_all_asset_keys() == whole.get_all_asset_keys()
    assert alone.asset_check_keys == whole.asset_check_keys
    for key in alone.get_all_asset_keys():
        mine, theirs = alone.get(key), whole.get(key)
        assert (mine.parent_keys, mine.partitions_def) == (
            theirs.parent_keys,
            theirs.partitions_def,
        )


def test_a_spec_that_cannot_be_is_said_in_its_words() -> None:
    with pytest.raises(SpecError, match="payments has no column 'changed'"):
        built(cursor_column="changed")


def scaffolded(folder: Path, **more: Any) -> str:
    request = dg.ScaffoldRequest(
        type_name="etl_assets.SourceTable",
        target_path=folder,
        scaffold_format=more.get("scaffold_format", "yaml"),
        project_root=folder.parent,
        params=SourceTableParams(**more.get("params", {})),
        append=more.get("append", False),
    )
    Scaffolder().scaffold(request)
    file = folder if folder.is_file() else folder / "defs.yaml"
    return file.read_text(encoding="utf-8")


def test_what_is_scaffolded_is_a_table_of_that_name(tmp_path: Path) -> None:
    folder = tmp_path / "payments"
    folder.mkdir()
    made = yaml.safe_load(scaffolded(folder, params={"table": "pay", "connection": "billing"}))
    spec = SourceTableYaml.model_validate(made["attributes"]).spec()
    assert (spec.name, spec.source.place, spec.source.connection) == (
        "payments",
        "public.pay",
        "billing",
    )
    both = list(yaml.safe_load_all(scaffolded(folder / "defs.yaml", append=True)))
    assert [one["type"] for one in both] == ["etl_assets.SourceTable"] * 2


def test_python_is_scaffolded_as_a_module_and_not_as_a_component(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="write a module with a TABLE"):
        scaffolded(tmp_path, scaffold_format="python")
