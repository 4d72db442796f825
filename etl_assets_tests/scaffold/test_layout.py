"""What is laid out, ruff leaves as it is: any expression, any text, any width."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from etl_assets.scaffold.python_text import Call, Display, comment, docstring, laid_out, text, value

RUFF = str(Path(sys.executable).with_name("ruff"))
NAMES = st.from_regex("[a-z]{1,30}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
LEAVES = st.one_of(TEXTS.map(text), st.integers().map(repr), st.just("None"), NAMES)
EXPRESSIONS: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            Call,
            NAMES.map(lambda name: f"f_{name}"),
            st.lists(st.tuples(NAMES.map(lambda name: f"a_{name}"), inner), max_size=6),
        ),
        st.builds(Display, st.lists(inner, min_size=1, max_size=6), st.sampled_from(["[]", "()"])),
        st.dictionaries(TEXTS, inner, min_size=1, max_size=5).map(
            lambda items: Display(list(items.values()), "{}", [text(key) for key in items])
        ),
    ),
    max_leaves=12,
)


@given(TEXTS)
def test_a_literal_is_the_text(given_text: str) -> None:
    assert eval(text(given_text)) == given_text
    assert "\n" not in text(given_text)


@settings(max_examples=10, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(st.lists(st.tuples(NAMES, EXPRESSIONS), min_size=20, max_size=40))
def test_ruff_changes_nothing_of_what_is_laid_out(assigned: list[tuple[str, Any]]) -> None:
    lines = [laid_out(f"v_{name} = ", expression) for name, expression in assigned]
    source = "\n".join(lines) + "\n"
    done = subprocess.run(
        [RUFF, "format", "--isolated", "--line-length=100", "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == source


@given(TEXTS, st.integers(0, 8))
def test_comments_and_docstrings_say_one_thing_on_lines_that_fit(note: str, indent: int) -> None:
    for line in comment(note, indent):
        assert line.startswith(" " * indent + "# ")
    found = "\n".join(docstring([note or "x", note or "x"]))
    compile(found, "docstring", "exec")
    assert value({"a": [1, None]}) is not None
