"""Policies that hide rows (R3): such a table is refused, with what to do, and not read in part."""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from etl_assets.core.errors import SourceError
from etl_assets.core.partitions import WHOLE
from etl_assets.core.source_specs import Parent
from etl_assets.core.table import LayerTable
from etl_assets_tests.changing import LATER, MUCH, changing_table, frame_of
from etl_assets_tests.source_tables import read_day, run, snapshot_of

THINGS = changing_table()
FILL = """
    CREATE TABLE things (id bigint PRIMARY KEY, day_at timestamptz, updated_at timestamptz);
    INSERT INTO things SELECT n, '2024-05-17', '2024-05-17' FROM generate_series(1, 100) n
"""
POLICY = [
    "ALTER TABLE things ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own_tenant ON things FOR SELECT USING (id % 10 > 0)",
]


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    """A role that may read everything in the database, and may log in."""
    name = f"reader_{uuid.uuid4().hex[:8]}"
    run(
        database_url,
        f"CREATE ROLE {name} LOGIN",
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {name}",
    )
    yield name
    run(database_url, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


def as_role(url: str, role: str) -> str:
    return url.replace("postgres:@", f"{role}:@")


def refusal(url: str, table: LayerTable = THINGS) -> SourceError:
    with pytest.raises(SourceError) as raised:
        read_day(url, table)
    error = raised.value
    assert "Grant" not in str(error)
    assert "row_security=True" in error.next_step
    assert "BYPASSRLS" in error.next_step
    assert not error.retryable
    return error


def test_r3_a_policy_from_the_start_is_refused_with_table_role_and_policy(
    database_url: str, role: str
) -> None:
    run(database_url, *FILL.split(";"), *POLICY)
    error = refusal(as_role(database_url, role))
    for name in ("raw/things", "public.things", role, "own_tenant"):
        assert name in error.what


def test_r3_row_security_without_any_policy_hides_everything_and_is_refused(
    database_url: str, role: str
) -> None:
    run(database_url, *FILL.split(";"), POLICY[0])
    error = refusal(as_role(database_url, role))
    assert "without any policy" in error.what
    assert role in error.what


def test_r3_a_policy_of_the_parent_is_refused_by_the_parent_s_name(
    database_url: str, role: str
) -> None:
    run(
        database_url,
        "CREATE TABLE owners (id bigint PRIMARY KEY, day timestamptz)",
        "CREATE TABLE things (id bigint PRIMARY KEY, owner_id bigint, updated_at timestamptz)",
        "ALTER TABLE owners ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY a_few ON owners USING (id > 1)",
    )
    parent = Parent("owners", on={"owner_id": "id"}, columns={"day_at": "day"})
    error = refusal(as_role(database_url, role), changing_table(parent=parent))
    assert "public.owners" in error.what
    assert "a_few" in error.what


def test_r3_a_security_invoker_view_is_refused_by_its_base_table_s_name(
    database_url: str, role: str
) -> None:
    run(
        database_url,
        *[part.replace("things", "base") for part in [*FILL.split(";"), *POLICY]],
        "CREATE VIEW things WITH (security_invoker = on) AS SELECT * FROM base",
    )
    error = refusal(as_role(database_url, role))
    assert "public.base, which the view public.things reads," in error.what


def test_r3_a_security_invoker_view_within_a_view_is_refused_as_well(
    database_url: str, role: str
) -> None:
    run(
        database_url,
        *[part.replace("things", "base") for part in [*FILL.split(";"), *POLICY]],
        "CREATE VIEW inner_view WITH (security_invoker) AS SELECT * FROM base",
        "CREATE VIEW things AS SELECT * FROM inner_view WHERE id > 0",
    )
    error = refusal(as_role(database_url, role))
    assert "public.base, which the view public.inner_view reads," in error.what


def test_r3_a_view_whose_own_owner_is_restricted_is_refused_for_that_role(
    database_url: str, role: str
) -> None:
    owner = f"{role}_owner"
    run(
        database_url,
        *[part.replace("things", "base") for part in [*FILL.split(";"), *POLICY]],
        "CREATE VIEW things AS SELECT * FROM base",
        f"CREATE ROLE {owner}",
        f"GRANT SELECT ON base TO {owner}",
        f"ALTER VIEW things OWNER TO {owner}",
    )
    try:
        assert f"from the role {owner}" in refusal(as_role(database_url, role)).what
        # The policies are of the view's owner: that we may bypass them ourselves changes nothing.
        run(database_url, f"ALTER ROLE {role} BYPASSRLS")
        assert f"from the role {owner}" in refusal(as_role(database_url, role)).what
        run(database_url, f"ALTER ROLE {owner} BYPASSRLS", f"ALTER ROLE {role} NOBYPASSRLS")
        assert read_day(as_role(database_url, role), THINGS)[0].height == 100
    finally:
        run(database_url, f"DROP OWNED BY {owner} CASCADE", f"DROP ROLE {owner}")


def test_r3_a_view_of_an_unrestricted_owner_is_read_whole(database_url: str, role: str) -> None:
    run(
        database_url,
        *[part.replace("things", "base") for part in [*FILL.split(";"), *POLICY]],
        "CREATE VIEW things AS SELECT * FROM base",
    )
    assert read_day(as_role(database_url, role), THINGS)[0].height == 100


def test_r3_m9_a_role_with_row_security_off_gets_the_same_message(
    database_url: str, role: str
) -> None:
    run(database_url, *FILL.split(";"), *POLICY, f"ALTER ROLE {role} SET row_security = off")
    assert "own_tenant" in refusal(as_role(database_url, role)).what


def test_r3_a_role_that_bypasses_policies_reads_everything(database_url: str, role: str) -> None:
    run(database_url, *FILL.split(";"), *POLICY, f"ALTER ROLE {role} BYPASSRLS")
    assert read_day(as_role(database_url, role), THINGS)[0].height == 100


def test_r3_the_owner_reads_everything_unless_the_policies_are_forced_on_it(
    database_url: str, role: str
) -> None:
    run(database_url, *FILL.split(";"), *POLICY, f"ALTER TABLE things OWNER TO {role}")
    assert read_day(as_role(database_url, role), THINGS)[0].height == 100
    run(database_url, "ALTER TABLE things FORCE ROW LEVEL SECURITY")
    assert "own_tenant" in refusal(as_role(database_url, role)).what


def test_r3_m9_what_only_postgresql_can_see_is_refused_with_the_same_advice(
    database_url: str, role: str
) -> None:
    # A function that reads another table: the catalogue does not tell that a view uses it.
    run(
        database_url,
        *FILL.replace("things", "base").split(";"),
        "CREATE TABLE hidden AS SELECT 7 AS id",
        "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
        "CREATE FUNCTION is_shown(bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS "
        "'BEGIN RETURN EXISTS (SELECT FROM hidden WHERE hidden.id = $1); END'",
        "CREATE VIEW things AS SELECT * FROM base WHERE NOT is_shown(id)",
    )
    error = refusal(as_role(database_url, role))
    assert "42501" in error.what
    assert '"hidden"' in error.what


def test_r3_a_spec_may_accept_that_only_the_visible_rows_are_meant(
    database_url: str, role: str
) -> None:
    run(database_url, *FILL.split(";"), *POLICY, f"ALTER ROLE {role} SET row_security = off")
    assert THINGS.source is not None
    table = replace(THINGS, source=replace(THINGS.source, row_security=True))
    with snapshot_of(as_role(database_url, role), table) as snapshot:
        assert frame_of(snapshot.changes(None, LATER, 1000, MUCH)).height == 90
        (told,) = snapshot.hidden()
        assert f"hides rows from the role {role} (policy own_tenant)" in told


def test_r3_only_what_hides_rows_from_our_own_role_is_told(database_url: str, role: str) -> None:
    run(database_url, *FILL.split(";"), *POLICY, "CREATE POLICY own_insert ON things FOR INSERT")
    assert THINGS.source is not None
    table = replace(THINGS, source=replace(THINGS.source, row_security=True))
    with snapshot_of(as_role(database_url, role), table) as snapshot:
        (told,) = snapshot.hidden()
    assert "own_insert" not in told
    with snapshot_of(database_url, table) as snapshot:
        assert not snapshot.hidden()  # a superuser


def test_r3_a_role_whose_name_needs_quotes_is_no_other_role(database_url: str, role: str) -> None:
    odd = f"Reader-{role}"
    run(
        database_url,
        *FILL.split(";"),
        *POLICY,
        f'CREATE ROLE "{odd}" LOGIN',
        f'GRANT SELECT ON things TO "{odd}"',
    )
    try:
        assert odd in refusal(as_role(database_url, odd)).what
    finally:
        run(database_url, f'DROP OWNED BY "{odd}"', f'DROP ROLE "{odd}"')


def test_r3_a_table_without_days_is_refused_too(database_url: str, role: str) -> None:
    run(database_url, *FILL.split(";"), *POLICY)
    table = replace(THINGS, partition_column=None, cursor_column=None)
    with pytest.raises(SourceError, match="own_tenant"):
        read_day(as_role(database_url, role), table, WHOLE)
