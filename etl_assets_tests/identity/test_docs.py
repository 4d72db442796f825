"""docs/identity.md: its code prints what it says, and its figures are those of the code."""

import contextlib
import io
import re
from pathlib import Path

from etl_assets.core.identity.over_merges import Checks, Reason
from etl_assets.core.identity.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "identity.md").read_text()


def test_the_code_prints_what_is_written_below_it() -> None:
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```.*?```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == PAGE.count("```python") == 2
    for code, written in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == written


def test_the_rules_and_limits_are_those_of_the_code() -> None:
    written = dict(re.findall(r"^\| `(\w+)`: .*? \| ([\d.]+) \|", PAGE, re.MULTILINE))
    assert written == {rule.name: str(rule.weight) for rule in RULES}
    assert {f"more than {rule.most_records} records" for rule in RULES} == {"more than 12 records"}
    assert "more than 12 records share" in PAGE
    assert f"more than {Checks().most_records} records)" in PAGE
    assert all(f"`{reason}`" in PAGE for reason in Reason)
