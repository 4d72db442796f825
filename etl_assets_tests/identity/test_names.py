"""Names, compared: what may be one person's, and what is clearly two people's."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_assets.core.identity.names import Names, compare, name_key


def keyed(name: str | None) -> str | None:
    frame = pl.DataFrame({"name": [name]}, schema={"name": pl.String})
    found: str | None = frame.select(name_key("name")).item()
    return found


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Müller, Anna-Lena (Dr.)", "anna lena muller"),
        ("  ANNA   MÜLLER ", "anna muller"),
        ("Seán O’Brien", "sean obrien"),  # noqa: RUF001 - as people type it
        ("Herr Jörg Groß", "jorg gross"),
        ("Acme, Inc.", "inc acme"),
        ("Müller,", "muller"),
        (" - ", None),
        ("", None),
        (None, None),
    ],
)
def test_a_name_has_one_key_however_it_is_typed(typed: str | None, key: str | None) -> None:
    assert keyed(typed) == key


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        ("Anna Berg", "ANNA BERG", Names.AGREE),
        ("Anna Berg", "Berg Anna", Names.AGREE),
        ("Anna Berg", "A. Berg", Names.AGREE),
        ("Anna Maria Berg", "Maria Berg", Names.AGREE),
        ("Maria García López", "Maria García", Names.AGREE),
        ("Johanna Schneider", "Johana Schnedier", Names.AGREE),
        ("Anna Berg", "Berg", Names.UNKNOWN),
        ("Anna Berg", None, Names.UNKNOWN),
        ("Anna Berg", "Anna Kurz", Names.FAMILY_DIFFERS),
        ("Anna Berg", "Ben Berg", Names.GIVEN_DIFFERS),
        ("Martin Berg", "Martina Berg", Names.GIVEN_DIFFERS),
        ("Anna Berg", "Anne Berg", Names.GIVEN_DIFFERS),
        ("Jens Berg", "Jans Berg", Names.GIVEN_DIFFERS),
        ("Robert Berg", "Bob Berg", Names.GIVEN_DIFFERS),
        ("Anna Berg", "Ben Kurz", Names.DIFFER),
        ("Anna Berg", "Kurz", Names.DIFFER),
    ],
)
def test_names_relate(one: str, other: str | None, relation: Names) -> None:
    assert compare(keyed(one), keyed(other)) is relation
    assert compare(keyed(other), keyed(one)) is relation


@given(
    st.text("abc", min_size=3, max_size=6).map(lambda middle: f"x{middle}z"),
    st.data(),
)
def test_one_slip_inside_a_long_word_is_forgiven(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(word) - 2))
    slips = [word[:at] + "q" + word[at:], word[:at] + "q" + word[at + 1 :]]
    if at + 2 < len(word):
        slips.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    for slip in slips:
        assert compare(f"{word} berg", f"{slip} berg") is Names.AGREE
    twice = "x" + "qq" + word[1:]
    assert compare(f"{word} berg", f"{twice} berg") is Names.GIVEN_DIFFERS
