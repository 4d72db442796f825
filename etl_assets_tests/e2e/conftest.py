"""One running UI for all tests of a module that ask for it: it takes half a minute to start."""

from collections.abc import Iterator

import pytest

from etl_assets_tests.e2e.browser import PICTURES
from etl_assets_tests.e2e.dagster_ui import DagsterUI, running_ui


@pytest.fixture(scope="module")  # its daemon looks for work all the time
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterUI]:
    with running_ui(tmp_path_factory.mktemp("dev"), demo=PICTURES is not None) as running:
        yield running
