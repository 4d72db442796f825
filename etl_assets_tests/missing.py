"""What a machine lacks for a test: skipped on a laptop, and told in one line at the end of a run.

In CI such a test fails. `conftest.py` takes the hook from here.
"""

import os
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import pytest

_PREFIX = "Skipped: "


def lacking(what: str, install: str) -> NoReturn:
    """Skip this test, or in CI fail it: `what` is not here, `install` says how to get it."""
    told = f"{what} ({install})"
    if os.environ.get("CI") == "true":
        pytest.fail(told, pytrace=False)
    pytest.skip(told)


def told_of(reasons: Sequence[str]) -> str:
    """One line about all skipped tests, the most frequent reason first; empty if there is none."""
    if not reasons:
        return ""
    groups = Counter(reasons).most_common()
    each = "; ".join(f"{count}: {reason}" for reason, count in groups)
    verb = "test was" if len(reasons) == 1 else "tests were"
    return f"{len(reasons)} {verb} skipped. {each}."


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter):  # type: ignore[no-untyped-def]
    """Print the line last of all."""
    result = yield
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = [_reason(report.longrepr) for report in skipped]
    if line := told_of(reasons):
        terminalreporter.write_line(line, yellow=True)
    return result


def _reason(longrepr: object) -> str:
    said = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return str(said).removeprefix(_PREFIX)
