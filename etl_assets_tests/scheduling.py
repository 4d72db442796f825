"""Which tests the default run leaves to the longer ones, their order, what stays on one worker.

A test says by its markers, which `pyproject.toml` lists, that it is `thorough` or `soak`.
"""

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

LONG_ONES_FIRST = ["test_ui", "orchestration", "test_cli", "planned", "test_foreign_schemas"]
LONG_ONES_FIRST += ["e2e", "test_simulated_files", "sync", "cli", "webhook", "bigquery_warehouse"]
"""Folders, and modules: at the end, one worker would wait for the others."""

TOGETHER = {"orchestration", "planned", "webhook", "cli"}
"""Folders whose modules share what takes long to make: a worker makes it once for all of them."""


def sort_out(items: list[pytest.Item]) -> None:
    """Mark the cases that a marker of their test names, or of their module if that has none."""
    for item in items:
        if _is_named_by("thorough_for", item) or _is_left_by("thorough_but", item):
            item.add_marker(pytest.mark.thorough)
        if _is_named_by("soak_for", item) and not item.get_closest_marker("share"):
            item.add_marker(pytest.mark.soak)


def _is_named_by(marker: str, item: pytest.Item) -> bool:
    given, case = item.get_closest_marker(marker), item.name.partition("[")[2]
    return given is not None and any(text in case for text in given.args)


def _is_left_by(marker: str, item: pytest.Item) -> bool:
    return item.get_closest_marker(marker) is not None and not _is_named_by(marker, item)


def long_ones_first(items: list[pytest.Item]) -> None:
    known = {name: place for place, name in enumerate(LONG_ONES_FIRST)}
    items.sort(
        key=lambda item: known.get(item.path.stem, known.get(item.path.parent.name, len(known)))
    )


def stays_with(nodeid: str) -> str:
    """The module of a test, or its folder, all of which one worker takes."""
    module = Path(nodeid.partition("::")[0])
    return str(module.parent if module.parent.name in TOGETHER else module)


class ByModule(LoadFileScheduling):
    """What stays together is one unit, which a worker takes as soon as it has no other."""

    def _split_scope(self, nodeid: str) -> str:
        return stays_with(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByModule | None:
    """Ours for `--dist loadfile`; whoever asks for another way gets that."""
    return ByModule(config, log) if config.getoption("dist") == "loadfile" else None
