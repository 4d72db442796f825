"""docs/performance.md is a whole report of `make bench`, and says how to make it anew."""

import re

from benchmarks.bounds import BOUNDS
from benchmarks.parts import PARTS
from benchmarks.published import AGAIN, PAGE
from benchmarks.sizes import SIZES

TEXT = PAGE.read_text(encoding="utf-8")


def test_it_says_when_where_and_of_what_it_was_made() -> None:
    told = dict(re.findall(r"^\| ([\w ]+) \| (.+) \|$", TEXT, re.MULTILINE))
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", told["date"])
    assert re.fullmatch(r"[0-9a-f]{12}", told["commit"]), "it was made of what is committed"
    for name in ("CPU", "memory", "load at the start", "Python", "PostgreSQL", "libraries"):
        assert told[name]
    assert "seed" in told["seeds"]
    assert [name for size in SIZES if (name := size.name) not in told["sizes"]] == []


def test_it_says_how_it_is_made_anew() -> None:
    assert AGAIN in TEXT
    assert "make bench ARGS=--publish" in AGAIN


def test_it_has_every_part_and_every_bound() -> None:
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert [part.title for part in PARTS if part.title not in headings] == []
    held = re.findall(
        r"^\| (.+?) \| [\d.e+-]+ \| [\d.]+ \| (?:holds|does not hold) \|$", TEXT, re.M
    )
    assert [bound.title for bound in BOUNDS if bound.title not in held] == []
