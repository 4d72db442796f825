"""What cannot be of a spec of an HTTP API is said when it is made, with the field."""

from dataclasses import replace
from typing import Any

import pytest

from etl_assets.core.checks import SCHEMA_DRIFT, source_checks
from etl_assets.core.errors import SpecError
from etl_assets.core.http_specs import CursorPages, DayWindow, HttpApi, NextUrl, NoPages
from etl_assets.core.policies import Deletes
from etl_assets_tests.http_api.things import SOURCE, SPEC

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a cursor": ({"cursor_column": "at"}, "cursor_column.*no position is kept"),
    "tombstones": ({"deletes": Deletes.TOMBSTONE}, "deletes.*takes a sync"),
    "a password in the URL": (
        {"source": replace(SOURCE, url="https://u:p@host/x")},
        "a spec is no place for secrets",
    ),
    "parameters in the URL": ({"source": replace(SOURCE, url="/x?a=1")}, "params="),
    "another scheme": ({"source": replace(SOURCE, url="ftp://host/x")}, "none of HTTP"),
    "no host": ({"source": replace(SOURCE, url="https:///x")}, "none of HTTP"),
    "a column that is none": (
        {"source": replace(SOURCE, newest="changed")},
        "no column 'changed'.*id, at, amount",
    ),
    "a window without days": (
        {"source": replace(SOURCE, window=DayWindow()), "partition_column": None},
        "the table has no days",
    ),
    "no rate": ({"source": replace(SOURCE, rate=0)}, "a number above 0"),
    "a total in a list": (
        {"source": HttpApi("/x", total="total")},
        "total is 'total' and items is the answer itself",
    ),
    "a cursor in a list": ({"source": HttpApi("/x", pagination=CursorPages())}, "CursorPages"),
    "a next URL in a list": ({"source": HttpApi("/x", pagination=NextUrl())}, "NextUrl"),
    "a connection that is no name": (
        {"source": replace(SOURCE, connection="My Shop")},
        "cannot be part of a variable's name",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_said_when_the_spec_is_made(what: str) -> None:
    changes, reason = WRONG[what]
    with pytest.raises(SpecError, match=reason):
        replace(SPEC, **changes)


def test_its_checks_are_those_of_a_source_without_cursor_and_without_objects() -> None:
    raw, _ = replace(SPEC, source=replace(SOURCE, pagination=NoPages())).layer_tables()
    assert source_checks(raw.source) == (SCHEMA_DRIFT,)
    assert [raw.syncs, raw.is_of_files] == [False, False]
