"""`etl-assets migrate` says what is new in each version of the platform's own tables."""

from etl_assets.warehouse.system_tables import SCHEMA_VERSION, SYSTEM_TABLES
from etl_assets.warehouse.versions import VERSIONS, migrated


def test_every_version_that_a_warehouse_may_come_from_says_what_it_brought() -> None:
    assert sorted(VERSIONS) == list(range(4, SCHEMA_VERSION + 1))
    named = {text.split(",")[0].split(" of ")[-1] for text in VERSIONS.values()}
    assert named <= {table.name for table in SYSTEM_TABLES}


def test_what_is_new_since_the_version_that_is_there_is_told_and_nothing_else() -> None:
    told = migrated(6)
    assert told.startswith(
        f"Migrated the platform's tables from version 6 to {SCHEMA_VERSION}. New: "
    )
    assert "etl_fields" in told
    assert "etl_files" not in told


def test_what_is_made_again_after_an_upgrade_is_told_beforehand() -> None:
    assert "a backfill that names such derived days makes them again once" in migrated(9)


def test_a_warehouse_that_is_new_or_up_to_date_has_nothing_to_tell() -> None:
    assert migrated(None) == f"Made the platform's tables, in version {SCHEMA_VERSION}."
    assert migrated(SCHEMA_VERSION).startswith("Nothing to migrate")
