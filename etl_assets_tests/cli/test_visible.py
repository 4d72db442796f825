"""Nothing of data is obeyed by the terminal, and our own colours are."""

import pytest

from etl_assets.cli.output import Column, Table, print_error, print_rows, print_warning, tell
from etl_assets.cli.visible import styled, visible, visible_value

OBEYED = "\x1b]0;t\x07 \x1b[31m \x9b2J \u202egpj.exe\u2069 \x7f \ud800"
SEEN = r"\x1b]0;t\x07 \x1b[31m \x9b2J \u202egpj.exe\u2069 \x7f \ud800"


def test_controls_are_written_and_layout_and_letters_stay() -> None:
    assert visible(OBEYED) == SEEN
    assert (
        visible("a\n\tZo\xeb, \u05d0\u200f, \U0001f600") == "a\n\tZo\xeb, \u05d0\u200f, \U0001f600"
    )
    assert visible_value("a\nb\tc\r") == r"a\x0ab\x09c\x0d"


def test_our_colours_stay_around_a_text_that_has_its_own() -> None:
    assert visible(styled("\x1b[31mred", bold=True)) == "\x1b[1m\\x1b[31mred\x1b[0m"


def test_sentences_errors_warnings_and_tables_are_all_printed_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell(f"told {OBEYED}")
    print_error(OBEYED)
    print_warning(OBEYED)
    rows = [{"name": OBEYED, "kind": OBEYED}]
    columns = [Column("name"), Column("kind", text=lambda row: (row["kind"], "red"))]
    print_rows(Table("all", OBEYED, columns, rows))
    printed = capsys.readouterr()
    assert printed.err == f"error: {SEEN}\nwarning: {SEEN}\n"
    assert printed.out.count(SEEN) == 4
    assert "\x1b" not in printed.out
