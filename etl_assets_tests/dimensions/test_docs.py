"""What docs/dimensions.md shows is what the demo's tables say."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.scd2.histories import HISTORIES
from benchmarks.scd2.peers import PEERS
from etl_assets.tables import dim_customers

TEXT = (Path(__file__).parents[2] / "docs" / "dimensions.md").read_text(encoding="utf-8")


def test_the_spec_and_the_look_up_of_the_docs_are_those_of_the_demo() -> None:
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = dict(vars(dim_customers))
    for block in code:
        exec(block, names)
    shown, real = names["TABLE"], dim_customers.TABLE
    assert replace(shown, domain=real.domain) == real
    assert names["BUYER"] == dim_customers.BUYER


def test_the_docs_name_every_field_of_the_spec() -> None:
    named = set(re.findall(r"^\| (.+?) \|", TEXT, re.MULTILINE))
    told = {name for cell in named for name in re.findall(r"`(\w+)`", cell)}
    fields = set(dim_customers.TABLE.__dataclass_fields__)
    beside = {"name", "description", "domain", "owners", "thresholds"}
    assert fields - beside - told == set()


def test_the_docs_have_each_history_of_the_comparison_and_ours_is_right() -> None:
    for history in HISTORIES:
        assert f"| {history.title} | right |" in TEXT
    assert f"| {' | '.join(['history', 'ours', *(peer.title for peer in PEERS)])} |" in TEXT
