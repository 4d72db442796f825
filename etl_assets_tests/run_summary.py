"""What stands at the end of a run: the modules that took longest, and what was skipped and why.

`conftest.py` takes the hook from here. What a machine lacks for a test is `missing.py`.
"""

from collections import Counter
from collections.abc import Iterable

import pytest

from etl_assets_tests.missing import told_of

_MODULES = 20
_PREFIX = "Skipped: "


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter):  # type: ignore[no-untyped-def]
    """Print the slowest modules, and last of all what was skipped."""
    result = yield
    reports = [one for kind in terminalreporter.stats.values() for one in kind]
    modules = slowest_modules(one for one in reports if isinstance(one, pytest.TestReport))
    if len(modules) > 1:
        terminalreporter.write_line("Slowest modules: " + ", ".join(modules) + ".")
    skipped = terminalreporter.stats.get("skipped", [])
    if line := told_of([_reason(report.longrepr) for report in skipped]):
        terminalreporter.write_line(line, yellow=True)
    return result


def slowest_modules(reports: Iterable[pytest.TestReport]) -> list[str]:
    """The modules whose tests took longest, with seconds that include their fixtures."""
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds[report.nodeid.partition("::")[0]] += report.duration  # type: ignore[assignment]
    return [
        f"{module.removeprefix('etl_assets_tests/')} {took:,.0f} s"
        for module, took in seconds.most_common(_MODULES)
    ]


def _reason(longrepr: object) -> str:
    said = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return str(said).removeprefix(_PREFIX)
