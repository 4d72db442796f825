"""Parquet files that are cut, changed in pages and footers, or none, by kinds."""

import io
from dataclasses import replace
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl_assets_tests.files.hostile.cases import Case
from etl_assets_tests.files.hostile.cases import of_column as col
from etl_assets_tests.files.hostile.kinds import thrift
from etl_assets_tests.files.hostile.kinds.kind import Kind, kinds
from etl_assets_tests.files.hostile.kinds.parquet_files import good
from etl_assets_tests.files.hostile.kinds.parquet_tables import case_of, drafted, written

KINDS: dict[str, Kind] = {}
kind = kinds(KINDS)


def _damaged(case: Case, content: bytes, *, may_be_read: bool = False) -> Case:
    if content == case.content:
        return case
    if may_be_read:
        return replace(case, content=content, may_be_refused=True)
    return replace(case, content=content, written=None)


@kind("cut at any byte")
def cut(random: Random) -> Case:
    case = good(random)
    return _damaged(case, case.content[: random.randrange(len(case.content))])


@kind("something behind or before")
def garbage(random: Random) -> Case:
    case = good(random)
    junk = random.choice([b"\n", b"junk", b"\0" * 8, b"PAR1", case.content[-8:-4]])
    if random.random() < 0.5:
        return _damaged(case, case.content + junk, may_be_read=junk == b"PAR1")
    return _damaged(case, junk + case.content, may_be_read=True)


@kind("no Parquet")
def no_parquet(random: Random) -> Case:
    case = good(random)
    wrong = [
        *(b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\0" * 4 + b"PAR1", b"a,b\n1,2\n", b'{"c0":1}\n'),
        *(case.content[:-4] + b"PARE", b"PARE" + case.content[4:-4] + b"PARE", case.content[::-1]),
        *(
            b"PAR1" + b"\xff" * 4 + b"PAR1",
            case.content[:-8] + b"\xff\xff\xff\x7fPAR1",
            b"\0" * 400,
        ),
        *(case.content[:-4] + b"par1", case.content[:-4] + b"PAR2", b"ORC" + case.content),
    ]
    return _damaged(case, random.choice(wrong))


def _flipped(random: Random, case: Case, start: int, end: int) -> Case:
    content = bytearray(case.content)
    content[random.randrange(start, end)] ^= random.choice([1, 2, 4, 8, 16, 32, 64, 128, 127, 255])
    return _damaged(case, bytes(content), may_be_read=True)


@kind("bytes changed in the pages")
def pages(random: Random) -> Case:
    case = good(random)
    before, _ = thrift.footer_of(case.content)
    return _flipped(random, case, 4, len(before)) if len(before) > 4 else case


@kind("bytes changed in the first or last eight")
def magic(random: Random) -> Case:
    case = good(random)
    size = len(case.content)
    return _flipped(random, case, *random.choice([(0, 4), (size - 8, size)]))


@kind("bytes changed in the footer")
def footer_bytes(random: Random) -> Case:
    """A footer has no checksum: one that says another schema, and is sound, is another file's."""
    case = good(random)
    before, _ = thrift.footer_of(case.content)
    changed = _flipped(random, case, len(before), len(case.content) - 8)
    while _schema(changed.content) not in (None, _schema(case.content)):
        changed = _flipped(random, case, len(before), len(case.content) - 8)
    return changed


@kind("a footer that says another schema")
def other_footer(random: Random) -> Case:
    case = good(random)
    before, footer = thrift.footer_of(case.content)
    element = random.choice(footer[2].values[1:])
    field = random.choice([number for number in (1, 3, 4, 5, 6, 10) if number in element])
    if isinstance(element[field], int):
        element[field] = random.choice([0, 1, 2, 5, 9, 30, -1, element[field] + 1])
    else:
        del element.fields[field]
    return replace(case, content=thrift.with_footer(before, footer), may_be_any=True)


def _schema(content: bytes) -> object:
    """What a reader takes the schema for; None if it takes the file for none."""
    try:
        with pq.ParquetFile(io.BytesIO(content)) as file:
            return str(file.schema), str(file.schema_arrow)
    except Exception:
        return None


def _chunks(footer: thrift.Struct) -> list[Any]:
    return [chunk for group in footer[4].values for chunk in group[1].values]


@kind("another number of rows in the footer")
def row_counts(random: Random) -> Case:
    case = good(random)
    before, footer = thrift.footer_of(case.content)
    wrong = random.choice([-1, 1, 1000, 2**40])
    holder, field = random.choice([(footer, 3), (random.choice(footer[4].values), 3)])
    if random.random() < 0.3:
        holder, field = random.choice(_chunks(footer))[3], 5
    holder[field] = max(holder[field] + wrong, -1)
    return _damaged(case, thrift.with_footer(before, footer), may_be_read=True)


@kind("a field of the footer's chunks changed")
def chunk_fields(random: Random) -> Case:
    case = good(random)
    before, footer = thrift.footer_of(case.content)
    meta = random.choice(_chunks(footer))[3]
    field = random.choice([number for number in (1, 4, 6, 7, 9, 11) if number in meta])
    meta[field] = random.choice([0, 1, 2, 5, 7, 99, -1, meta[field] + 1, meta[field] - 1])
    return _damaged(case, thrift.with_footer(before, footer), may_be_read=True)


@kind("row groups lost, twice or in another order")
def groups(random: Random) -> Case:
    table, columns = drafted(random)
    case = case_of(random, table, columns, row_group_size=2)
    before, footer = thrift.footer_of(case.content)
    listed = footer[4].values
    how = random.choice(["lost", "twice", "none"])
    footer[4].values = {"lost": listed[1:], "twice": [*listed, listed[0]], "none": []}[how]
    return _damaged(case, thrift.with_footer(before, footer))


@kind("a page with a checksum that is wrong")
def checksums(random: Random) -> Case:
    values = [f"value {number}" for number in range(20)]
    table = pa.table({"s": values})
    plain = written(table, compression="none", use_dictionary=False, write_statistics=False)
    place = plain.index(b"value 1") + random.randrange(7)
    content = bytearray(plain)
    content[place] ^= 1 << random.randrange(7)
    return Case(bytes(content), (col("s"),), case_of(random, table, ()).format)
