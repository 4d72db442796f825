"""What is wrong with a YAML table is said in the words of its file."""

import pytest

from etl_assets.yaml_tables.words import in_yaml

SAID = [
    (
        "payments.Config.unique names 'x', which is no column of it.",
        "the key names 'x', which is no column of it.",
    ),
    ("Add 'day' to the contract's Config.unique.", "Add 'day' to the key."),
    ("Name a check (a, b) and Severity.ERROR or WARN.", "Name a check (a, b) and error or warn."),
    (
        "Write Compression.GZIP or Compression.NONE of etl_assets.core.file_formats, or leave it.",
        "Write gzip or none, or leave it.",
    ),
    (
        "Write a timedelta of a day, for example timedelta(days=90).",
        "Write a duration of a day, for example P90D.",
    ),
    (
        'Declare `gone: Annotated[pl.Datetime, "us", "UTC"] = column(nullable=True, '
        'description="...")` there.',
        "Declare `{name: gone, type: timestamp, nullable: true}` among the columns.",
    ),
    (
        "Write deletes=Deletes.KEEP, or leave kept_column out.",
        "Write deletes: keep, or leave kept_column out.",
    ),
    ("Write cursor_column=None.", "Write cursor_column: null."),
    (
        'cursor_column=Epoch("ms", unit="milliseconds") or Version("ms").',
        "cursor_column: {epoch: {columns: ms, unit: milliseconds}} or {version: {columns: ms}}.",
    ),
    (
        "'n' is Datetime(time_unit='us', time_zone=None), no moment.",
        "'n' is naive_timestamp, no moment.",
    ),
    (
        "the columns 'None' and 'KEEP' are not there.",
        "the columns 'None' and 'KEEP' are not there.",
    ),
]


@pytest.mark.parametrize(("python", "yaml"), SAID, ids=[yaml for _, yaml in SAID])
def test_what_python_calls_it_is_said_as_yaml_writes_it(python: str, yaml: str) -> None:
    assert in_yaml(python) == yaml
