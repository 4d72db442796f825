"""Rows that a policy hides are never taken for deleted (R3)."""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from etl_assets.core.errors import SourceError
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf, put


@pytest.fixture
def read_as_role(shelf: Shelf) -> Iterator[Shelf]:
    """The shelf, read by a role that may only SELECT; `sql` is still the owner's."""
    role = f"reader_{uuid.uuid4().hex[:8]}"
    shelf.sql(f"CREATE ROLE {role} LOGIN", f"GRANT SELECT ON shelf TO {role}")
    with reader_of(shelf.url.replace("postgres:@", f"{role}:@")) as reader:
        yield replace(shelf, reader=reader)
    shelf.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("policy", [None, "CREATE POLICY p ON shelf USING (id > 3)"])
def test_r3_a_policy_that_is_added_after_the_load_removes_nothing(
    read_as_role: Shelf, policy: str | None
) -> None:
    shelf = read_as_role
    put(shelf, 10)
    shelf.sync()
    before, states = shelf.published(), shelf.warehouse.state(shelf.table)
    assert len(before) == 10
    shelf.sql("ALTER TABLE shelf ENABLE ROW LEVEL SECURITY", *([policy] if policy else []))

    for work in (
        lambda: shelf.reconcile(repair=True, confirmed=True),
        lambda: shelf.reload(FIRST_DAY),
        shelf.sync,
    ):
        with pytest.raises(SourceError, match=r"raw/shelf cannot be read\. Row security"):
            work()
        assert shelf.published() == before
        assert list(shelf.warehouse.state(shelf.table)) == list(states)

    shelf.sql("ALTER TABLE shelf DISABLE ROW LEVEL SECURITY")
    assert shelf.reconcile(repair=False).is_equal
