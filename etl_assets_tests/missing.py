"""What a machine lacks for a test: skipped on a laptop, and told in one line at the end of a run.

In CI such a test fails. The line at the end is printed by `run_summary.py`.
"""

import os
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import pytest


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
