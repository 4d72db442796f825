"""The contract's cases by way of PgBouncer in transaction mode."""

import pytest

# These are the tests that run here: collected under this module, with the fixtures of PgBouncer.
from etl_assets_tests.contract.test_changes import *  # noqa: F403
from etl_assets_tests.contract.test_concurrency import *  # noqa: F403
from etl_assets_tests.contract.test_digests import *  # noqa: F403
from etl_assets_tests.contract.test_publishing import *  # noqa: F403
from etl_assets_tests.contract.test_reading import *  # noqa: F403
from etl_assets_tests.contract.test_tokens import *  # noqa: F403
from etl_assets_tests.postgres_warehouse.test_pgbouncer import (  # noqa: F401
    backend,
    pooled_url,
    port,
    warehouse,
)

pytestmark = pytest.mark.thorough
