"""The oracle's reading of CSV: one letter after another, by the rules of docs/files.md.

It is slow on purpose: no block, no fast road, no regular expression over records.
"""

from dataclasses import dataclass

from etl_assets.core.file_formats import Csv
from etl_assets_tests.files.hostile.cases import RAW_CHARACTERS, Case
from etl_assets_tests.files.hostile.oracle.outcomes import Bad, Loaded, Refusal, Row, Unfit
from etl_assets_tests.files.hostile.oracle.values import value_of


@dataclass(frozen=True)
class Record:
    """One record: `fields` with None for an empty one without quotes; `why` says it is bad."""

    line: int
    text: str
    fields: list[str | None]
    why: str | None = None

    @property
    def lines(self) -> int:
        return 1 + self.text.count("\n")


def text_of(content: bytes, encoding: str) -> str:
    """The file's text without the mark at its begin; raises Refusal."""
    whys = []
    try:
        text = content.decode(encoding)
    except UnicodeError:
        whys.append("encoding")
        text = content.decode(encoding, "replace")
    if encoding.lower() not in ("utf-16", "utf-32", "utf-8-sig"):  # they take the mark off
        text = text.removeprefix("\ufeff")
    if text and not text.endswith("\n"):
        whys.append("no line end")
    if whys:
        raise Refusal(*whys)
    return text


def records_of(text: str, dialect: Csv, record_bytes: int) -> list[Record]:
    """All records of a text, without comments; blank lines are records without fields."""
    records, place, line = [], 0, 1
    while place < len(text):
        if dialect.comment is not None and text[place] == dialect.comment:
            end = text.index("\n", place)
        else:
            record, end = _record(text, place, line, dialect, record_bytes)
            records.append(record)
        line += text.count("\n", place, end + 1)
        place = end + 1
    return records


def _record(
    text: str, start: int, line: int, dialect: Csv, record_bytes: int
) -> tuple[Record, int]:
    """The record at `start`, and where its last line feed is."""
    fields, why, end = _fields(text, start, dialect)
    size = len(text[start:end].encode())
    if size > record_bytes:
        within = text[start:end].encode()[:record_bytes].decode("utf-8", "ignore")
        why = "too long"
        # Where the limit is decides: a quote that is open there is never closed.
        _, inner_why, _ = _fields(within + "\n", 0, dialect)
        if inner_why == "open quote":
            why, end = "too long and open quote", len(text) - 1
        else:
            end = text.index("\n", start + len(within))
    own = text[start:end]
    return Record(line, own.removesuffix("\r"), fields, why), end


def _fields(text: str, start: int, dialect: Csv) -> tuple[list[str | None], str | None, int]:
    """The fields of a record, why it is bad, and where its last line feed is."""
    fields: list[str | None] = []
    place = start
    while True:
        if dialect.quote is not None and text[place] == dialect.quote:
            value, place, why = _quoted(text, place, dialect.quote)
            if why == "open quote":
                return [], why, len(text) - 1
            if why is None:
                place, why = _behind(text, place, dialect)
            if value == "" and dialect.quoted_empty == "null":
                value = None
        else:
            begin, why = place, None
            while text[place] not in (dialect.delimiter, "\n"):
                if text[place] == "\0":
                    why = "nul"
                elif text[place] == "\r" and text[place + 1] != "\n":
                    why = "bare return"
                elif text[place] == dialect.quote:
                    why = "quote amid"
                if why is not None:
                    break
                place += 1
            value = text[begin:place].removesuffix("\r") or None
        if why is not None:
            return [], why, text.index("\n", place)
        fields.append(value)
        if text[place] == "\n":
            return fields, None, place
        place += 1


def _quoted(text: str, place: int, quote: str) -> tuple[str | None, int, str | None]:
    """The value of a quoted field, the place behind its closing quote, and why it is bad."""
    value = ""
    while True:
        place += 1
        if place >= len(text):
            return None, place, "open quote"
        if text[place] != quote:
            value += text[place]
        elif text[place + 1] == quote:
            value += quote
            place += 1
        else:
            break
    place += 1
    if "\0" in value:
        return None, place, "nul"
    return value, place, None


def _behind(text: str, place: int, dialect: Csv) -> tuple[int, str | None]:
    """The delimiter or line feed that must be at `place`, behind a closing quote."""
    if text[place] == "\r" and text[place + 1] == "\n":
        return place + 1, None
    if text[place] in (dialect.delimiter, "\n"):
        return place, None
    if text[place] == "\0":
        return place, "nul"
    return place, "bare return" if text[place] == "\r" else "text behind"


def read_csv(case: Case, plain: bytes) -> Loaded:
    """What becomes of the file; raises Refusal."""
    dialect = case.format
    assert isinstance(dialect, Csv)
    text = text_of(plain, dialect.encoding)
    records = records_of(text, dialect, case.record_bytes)
    header, names = None, [column.name for column in case.columns]
    if dialect.header:
        while records and records[0].why is None and not records[0].text:
            records.pop(0)
        if not records:
            raise Refusal("no header")
        header = records.pop(0)
        if header.why is not None:
            raise Refusal(f"header {header.why}")
        names = [name or "" for name in header.fields]
    if len(set(names)) < len(names):
        raise Refusal("name twice")
    declared = {column.name for column in case.columns}
    missing = [column for column in case.columns if column.name not in names]
    if any(case.missing == "refuse" or not column.nullable for column in missing):
        raise Refusal("lacks a column")
    loaded = Loaded(
        lines=text.count("\n"),
        extra=[name for name in names if name not in declared],
        missing=[column.name for column in missing],
    )
    for record in records:
        if record.why is None and not record.text and len(names) > 1:
            continue
        _take(record, names, header, case, loaded)
    return loaded


def _take(
    record: Record, names: list[str], header: Record | None, case: Case, loaded: Loaded
) -> None:
    why, columns = record.why, []
    values = []
    if why is None and header is not None and record.text == header.text:
        why = "header again"
    if why is None and len(record.fields) != len(names):
        why = "fields"
    if why is None:
        fields = dict(zip(names, record.fields, strict=True))
        for column in case.columns:
            try:
                values.append(value_of(fields.get(column.name), column))
            except Unfit as unfit:
                why = why or unfit.why
                columns.append(column.name)
    if why is not None:
        raw = record.text[:RAW_CHARACTERS]
        loaded.bad.append(Bad(record.line, why, tuple(columns), raw, record.lines))
        return
    overflow = None
    if case.overflow and loaded.extra:
        overflow = {name: fields[name] for name in loaded.extra}
    loaded.rows.append(Row(record.line, tuple(values), overflow))
