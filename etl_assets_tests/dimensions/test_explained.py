"""What `etl-assets explain` says of rows that were deleted, and of the unknown member."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from etl_assets.cli.explain import _facts, _not_found
from etl_assets.config import read_settings
from etl_assets.pipeline.explain import Explainer
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.dimensions.oracle import Change, moment
from etl_assets_tests.dimensions.road import World
from etl_assets_tests.dimensions.test_deletions import THINGS, vanish, with_tombstones


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    url, home = f"duckdb://{tmp_path}/w.duckdb", str(tmp_path)
    settings = read_settings({"WAREHOUSE_URL": url, "ETL_HOME": home})
    with closing(Platform(settings, given_catalog=with_tombstones())) as found:
        yield found


@pytest.fixture
def star(platform: Platform, tmp_path: Path) -> World:
    return World(platform.warehouse, tmp_path / "spool", platform.catalog)


def test_explain_says_when_a_row_was_found_to_be_deleted(
    platform: Platform, star: World, tmp_path: Path
) -> None:
    both = [Change(1, 0, "x", 1), Change(2, 0, "y", 1)]
    star.arrive(both)
    vanish(star, [1], moment(0).date(), moment(40))
    things = star.catalog[THINGS]
    explainer = Explainer(platform, tmp_path / "explain")
    gone, kept = (explainer.explain(things, {"id": key}) for key in (1, 2))
    assert (gone.row, gone.gone_at) == (None, [moment(40)])
    assert kept.row is not None
    assert kept.gone_at == []
    assert "2026-01-02 16:00:00" in _not_found(gone)[1]
    star.arrive(both)
    back = Explainer(platform, tmp_path / "again").explain(things, {"id": 1})
    assert back.row is not None
    (line,) = [text for name, text in _facts(back, personal=False) if name == "deleted"]
    assert line.endswith("found at 2026-01-02 16:00:00; it is there again")


def test_the_unknown_member_is_made_of_no_row_also_where_a_key_is_null(
    platform: Platform, star: World, tmp_path: Path
) -> None:
    star.arrive([Change(1, 0, "x", 1)])
    star.build()
    (known,) = star.rows(star.DIM).filter(id=1)["thing_sk"]
    explainer = Explainer(platform, tmp_path / "explain")
    unknown, version = (
        explainer.explain(star.catalog[star.DIM], {"thing_sk": sk}) for sk in (0, known)
    )
    assert unknown.inputs == []
    (line,) = [text for name, text in _facts(unknown, personal=False) if name == "source"]
    assert line == "the unknown member: rows that find no version point to it"
    assert [given.table.path for given in version.inputs] == ["raw/things_versions", THINGS]
    assert version.inputs[0].total == 1
