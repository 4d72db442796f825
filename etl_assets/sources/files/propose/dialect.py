"""The dialect of CSV from its first bytes: encoding, delimiter, quotes, header, comments.

It is guessed here once, for a person to keep; a load never guesses.
"""

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from etl_assets.core.errors import SourceError
from etl_assets.core.file_formats import Csv
from etl_assets.core.wording import count_of
from etl_assets.sources.files.propose.sample import Begin
from etl_assets.sources.files.reading.csv_records import Record, Records

_DELIMITERS = (",", ";", "\t", "|", "^", "~")
_TRIED = 2_000
_OPENS_WITH_SINGLE = re.compile(r"(?:^|[,;\t|^~])'", re.MULTILINE)
_SURELY = 256  # bytes: a shorter text may be of odd characters alone
_MOST_ZEROS = 0.25
"""Zeros among its bytes: UTF-16 without its mark decodes as UTF-8, and has one for each letter."""
_OF_TEXTS = b"\t\n\v\f\r\x1a\x01\x1c\x1d\x1e\x1f"
"""Whitespace, the end of a file of CP/M, and what Hive and others write between fields."""
_CONTROLS = bytes({*range(32), 127} - {*_OF_TEXTS})
_MOST_CONTROLS = 0.04
"""Control characters among the bytes of a text in no UTF; of random bytes 8 % are."""
_DATA = re.compile(r"[+-]?[.,]?[0-9][0-9.,:/ TZ+-]*")
"""What is surely no name of a column: a number, a date, a time."""


@dataclass(frozen=True)
class Dialect:
    """A dialect, and what was guessed of it."""

    csv: Csv
    notes: Sequence[str]


def text_of(begin: Begin, encoding: str) -> str:
    """The whole lines of a begin, without a byte order mark; of a whole file all of it."""
    content = begin.content
    text = codecs.getincrementaldecoder(encoding)("strict").decode(content, final=begin.is_whole)
    text = text.removeprefix("\ufeff")
    if begin.is_whole:
        return text if text.endswith("\n") or not text else text + "\n"
    return text[: text.rfind("\n") + 1]


def dialect_of(begins: Sequence[Begin]) -> Dialect:
    """The dialect that fits the begins best; raises SourceError where none does."""
    encoding, notes = _encoding(begins)
    texts = [text_of(begin, encoding) for begin in begins]
    if not any(texts):
        raise SourceError(
            f"The first {count_of(len(begins[0].content), 'byte')} of {begins[0].key!r} have no "
            "line end.",
            "Is it CSV? Say --format if it is something else.",
        )
    csv = replace(_signs(texts), encoding=encoding)
    by_file = [records for text in texts if (records := records_of(text, csv, _TRIED))]
    found = [record for records in by_file for record in records]
    if not found:
        raise SourceError(
            f"{begins[0].key!r} has no record: its lines are blank, or none of them is whole.",
            "Is it CSV? Say --format if it is something else.",
        )
    first = by_file[0][0]
    # Each file is held against itself: one that gained a column is as whole as those before it.
    width = _width(by_file[0])
    if len(first.fields) != width:
        raise SourceError(
            f"The first record of {begins[0].key!r} has {count_of(len(first.fields), 'field')}, "
            "and most "
            f"others have {width}: a line above the header cannot be skipped.",
            "Have the files delivered without title lines.",
        )
    if width == 1:
        notes.append("One column: no delimiter was found, so that any of them would do.")
    odd = sum(len(one.fields) != _width(records) for records in by_file for one in records)
    if odd:
        notes.append(
            f"{odd:,} of the {count_of(len(found), 'record')} of the sample cannot be loaded: "
            "another number of fields. A day with more than max_bad_share of such rows is refused "
            "(thresholds)."
        )
    header, why = _header(first, found, begins[0].key)
    if any(begin.is_whole and not begin.content.rstrip(b"\0").endswith(b"\n") for begin in begins):
        notes.append(
            "A file of the sample has no line end after its last line: it would be refused as cut."
        )
    return Dialect(replace(csv, header=header), [*notes, *why])


def _width(records: Sequence[Record]) -> int:
    """How many fields most records of a file have; of two numbers the first record's."""
    counts = Counter(len(record.fields) for record in records)
    return max(counts, key=lambda number: (counts[number], number == len(records[0].fields)))


def records_of(text: str, csv: Csv, most: int) -> list[Record]:
    """The good records at the begin of a text, without blank lines and comments."""
    records = (r for r in Records(csv).of(text) if r.kind == "record" and r.reason is None)
    return list(islice(records, most))


def _encoding(begins: Sequence[Begin]) -> tuple[str, list[str]]:
    contents = [begin.content for begin in begins]
    if any(content.startswith((b"\xff\xfe", b"\xfe\xff")) for content in contents):
        return "utf-16", ["The files begin with the mark of UTF-16."]
    for encoding in ("utf-8", "cp1252", "latin-1"):
        try:
            for begin in begins:
                text_of(begin, encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8":
            _refuse_what_is_no_text(begins, b"\0", _MOST_ZEROS)
            is_ascii = all(content.isascii() for content in contents)
            note = (
                "The sample has ASCII only, so that utf-8 is a guess: a file that is something "
                "else is refused, and its letters are not garbled."
            )
            return encoding, [note] if is_ascii else []
        _refuse_what_is_no_text(begins, _CONTROLS, _MOST_CONTROLS)
        return encoding, [
            f"The files are not UTF-8. {encoding} is a guess: in another encoding of one byte a "
            "letter (latin-1, cp1250, cp437 …) letters beyond ASCII would be others, without any "
            "error. Ask whoever writes them."
        ]
    raise AssertionError("latin-1 decodes everything")


def _refuse_what_is_no_text(begins: Sequence[Begin], strange: bytes, most: float) -> None:
    """Any bytes have a meaning in an encoding of one byte: that they decode says nothing."""
    for begin in begins:
        content = begin.content.rstrip(b"\0")  # what a crash may leave behind a text
        found = len(content) - len(content.translate(None, strange))
        if found > most * len(content) and len(content) >= _SURELY:
            raise SourceError(
                f"{begin.key!r} is no text that can be read: {found:,} of its first "
                f"{count_of(len(content), 'byte')} are control characters, and the mark of UTF-16 "
                "is not at its begin.",
                "Is it compressed, or encrypted? Say --format if it is something else than CSV.",
            )


def _signs(texts: Sequence[str]) -> Csv:
    """Delimiter, quote and comment with which most records have the same number of fields."""
    best, best_score = Csv(), (0.0, 0)
    comment = _comment(texts)
    for quote in ('"', "'", None):
        if quote == "'" and not any(_OPENS_WITH_SINGLE.search(text) for text in texts):
            continue
        for delimiter in _DELIMITERS:
            csv = Csv(delimiter=delimiter, quote=quote, comment=comment)
            score = _score(texts, csv)
            if score > best_score:
                best, best_score = csv, score
    return best


def _score(texts: Sequence[str], csv: Csv) -> tuple[float, int]:
    """The share of the text in records of the usual number of fields, and that number."""
    counts: Counter[int] = Counter()
    whole = 0
    for text in texts:
        head = "\n".join(text.split("\n", _TRIED)[:_TRIED]).rstrip("\n") + "\n"
        whole += len(head)
        for record in Records(csv).of(head):
            size = record.end + 1 - record.start
            if record.kind != "record":
                whole -= size
            elif csv.quote == "'" and "\n" in head[record.start : record.end]:
                return 0.0, 0  # apostrophes of two lines
            elif record.reason is None:
                counts[len(record.fields)] += size
    several = {number: size for number, size in counts.items() if number > 1}
    if not several or not whole:
        return (0.01 * counts[1] / whole if whole else 0.0), 1
    width = max(several, key=lambda number: (several[number], number))
    return round(several[width] / whole, 2), width


def _comment(texts: Sequence[str]) -> str | None:
    """# where the files begin with lines that do, and others follow."""
    heads = [text.split("\n", 20)[:20] for text in texts if text]
    begun = all(head[0].startswith("#") for head in heads)
    is_header = all(
        sum(head[0].count(d) for d in _DELIMITERS) == sum(head[1].count(d) for d in _DELIMITERS)
        for head in heads
        if len(head) > 1
    )
    return "#" if heads and begun and not is_header else None


def _header(first: Record, found: Sequence[Record], key: str) -> tuple[bool, list[str]]:
    names = [field or "" for field in first.fields]
    filled = [name for name in names if name]
    if not filled or any(_DATA.fullmatch(name) for name in filled):
        return False, [
            "The first record looks like data (numbers in it), so that there is no header: name "
            "the columns, in the order of the files. If it is one, write header=True, or its first "
            "record is loaded as data."
        ]
    if len(set(filled)) < len(filled) or len(names) - len(filled) > 1:
        if len(found) > 1 and _same_kind(first, found):
            return False, ["The first record looks like all others: no header."]
        twice = next((n for n in filled if filled.count(n) > 1), "")
        places = [str(place) for place, name in enumerate(names, 1) if name == twice]
        raise SourceError(
            f"The header of {key!r} has the name {twice!r} at columns {' and '.join(places)}.",
            "Such files are refused: have them delivered with different names.",
        )
    note = "The first record is taken for the header, because all of it looks like names."
    if len(found) > 1 and _same_kind(first, found):
        note += " So do the other lines: if it is data, write header=False, or it is not loaded."
        return True, [note]
    return True, []


def _same_kind(first: Record, found: Sequence[Record]) -> bool:
    """Whether the other records look like names in all columns, too."""
    others = [r for r in found[1:50] if len(r.fields) == len(first.fields)]
    return bool(others) and all(
        field is None or not _DATA.fullmatch(field) for record in others for field in record.fields
    )
