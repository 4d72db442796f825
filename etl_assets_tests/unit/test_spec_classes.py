"""Spec classes that are called wrongly say what to write, and not Python's TypeError."""

import dataclasses
import inspect
import pkgutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import etl_assets.core
from etl_assets.core.contracts import column
from etl_assets.core.cursor import Epoch, Version
from etl_assets.core.errors import SpecError
from etl_assets.core.policies import Arrival, Thresholds
from etl_assets.core.source_specs import Files, Parent, PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.core.table import Input
from etl_assets_tests.unit.test_specs import spec


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Epoch("x"), 'Epoch: unit is missing. Write Epoch(columns=…, unit="seconds").'),
        (lambda: Epoch(), "Epoch: columns, unit are missing."),
        (lambda: Epoch("x", units="seconds"), "Epoch has no argument 'units'. Did you mean unit?"),
        (lambda: Version("a", 1, 2), "Version is given 3 values in order, and takes 2."),
        (lambda: Version("a", columns="b"), "Version: columns is given twice."),
        (
            lambda: PostgresTable(),
            'PostgresTable: table is missing. Write PostgresTable(table="…")',
        ),
        (lambda: PostgresTable("x", shema="y"), "Did you mean schema?"),
        (lambda: Parent("a"), "Parent: on, columns are missing."),
        (lambda: Files(5), "Files: pattern is 5, of type int. Write a text."),
        (lambda: Thresholds(max_bad=1), "Did you mean max_bad_share?"),
        (lambda: Arrival(), "Arrival: by is missing."),
        (lambda: Input(), "Input: asset is missing."),
        (lambda: column(), 'column: description is missing. Write column(description="…").'),
        (lambda: TableSpec(name="x"), "TableSpec: source, raw, staged, stage, description are"),
        (lambda: spec(sourc=1), "TableSpec has no argument 'sourc'. Did you mean source?"),
        (lambda: spec(description=5), "TableSpec: description is 5, of type int. Write a text."),
        (lambda: spec(source="things"), "TableSpec: source is 'things', of type str. Write"),
        (
            lambda: spec(lookback=5),
            "lookback is 5, of type int. Write a time span, like timedelta(",
        ),
        (lambda: spec(source=PostgresTable("t", schema=7)), "PostgresTable: schema is 7"),
        (lambda: spec(stage="a function"), "stage"),
    ],
)
def test_a_wrong_call_is_a_sentence_with_what_to_write(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(SpecError) as caught:
        call()
    assert says in str(caught.value)
    assert caught.value.__cause__ is None


def test_right_calls_are_as_they_were() -> None:
    assert Epoch("x", "seconds") == Epoch(columns="x", unit="seconds")
    changed = dataclasses.replace(Version("a"), lookback=2)
    assert (changed.columns, changed.lookback) == ("a", 2)
    assert spec(lookback=timedelta(minutes=1)).lookback == timedelta(minutes=1)
    assert list(inspect.signature(Epoch).parameters) == ["columns", "unit"]


def test_every_class_that_specs_are_written_with_refuses_an_argument_that_it_does_not_have() -> (
    None
):
    modules = [
        *("cursor", "source_specs", "spec", "dimension", "policies", "computed", "http_specs"),
        *("completeness", "file_formats", "as_of"),
    ]
    known = {one.name for one in pkgutil.iter_modules(etl_assets.core.__path__)}
    assert set(modules) <= known
    inner = {"Dimension", "Cursor"}  # made by us, of specs
    for name in modules:
        module = __import__(f"etl_assets.core.{name}", fromlist=[name])
        for kind in vars(module).values():
            is_own = isinstance(kind, type) and kind.__module__ == module.__name__
            if is_own and dataclasses.is_dataclass(kind) and kind.__name__ not in inner:
                with pytest.raises(SpecError):
                    kind(no_such_argument=1)


def test_a_fault_of_one_contract_for_both_layers_is_said_once() -> None:
    import polars as pl

    from etl_assets_tests.source_tables import contract_of
    from etl_assets_tests.unit.test_specs import MOMENTS

    both = contract_of({"id": pl.Int64, **MOMENTS}, key=["idd"])
    with pytest.raises(SpecError) as caught:
        spec(raw=both, staged=both)
    assert str(caught.value).count("names 'idd'") == 1
    assert "raw and staged: Made.Config.unique names 'idd'" in str(caught.value)
