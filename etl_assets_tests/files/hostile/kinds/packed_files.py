"""Packed files by kinds: gzip of several members, zstd of several frames, cut, damaged, bombs."""

import gzip
import struct
import zlib
from dataclasses import replace
from random import Random

import zstandard

from etl_assets.core.file_formats import Compression
from etl_assets_tests.files.hostile.cases import Case
from etl_assets_tests.files.hostile.kinds import csv_records, json_files
from etl_assets_tests.files.hostile.kinds.kind import Kind, kinds

KINDS: dict[str, Kind] = {}
kind = kinds(KINDS)
BOTH = (Compression.GZIP, Compression.ZSTD)
_MAGIC = b"\x1f\x8b\x08"


def packed(random: Random, plain: bytes, how: Compression) -> bytes:
    """One member or frame."""
    if how is Compression.ZSTD:
        level, with_size = random.choice([1, 3, 19]), random.random() < 0.5
        writer = zstandard.ZstdCompressor(
            level=level, write_checksum=True, write_content_size=with_size
        )
        return writer.compress(plain)
    return gzip.compress(plain, random.choice([0, 1, 9]), mtime=0)


def plain_case(random: Random) -> Case:
    return random.choice([csv_records.good, csv_records.naughty_values, json_files.good])(random)


def as_packed(random: Random, case: Case, content: bytes, how: Compression) -> Case:
    return replace(case, content=content, compression=how)


@kind("several members or frames")
def several(random: Random) -> Case:
    case, how = plain_case(random), random.choice(BOTH)
    places = sorted(random.randrange(len(case.content) + 1) for _ in range(random.randint(0, 5)))
    parts = [
        case.content[start:end]
        for start, end in zip([0, *places], [*places, len(case.content)], strict=True)
    ]
    content = b"".join(packed(random, part, how) for part in parts)
    padding = bytes(random.choice([0, 0, 1, 512, 5000]))
    return as_packed(random, case, content + padding, how)


@kind("cut at any byte")
def cut(random: Random) -> Case:
    case = several(random)
    return case.of(case.content[: random.randrange(len(case.content))])


@kind("bytes changed")
def changed(random: Random) -> Case:
    case, how = plain_case(random), random.choice(BOTH)
    content = bytearray(packed(random, case.content, how))
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return as_packed(random, case, bytes(content), how)


@kind("wrong checksum or length at the end")
def wrong_sum(random: Random) -> Case:
    case, how = plain_case(random), random.choice(BOTH)
    content = bytearray(packed(random, case.content, how))
    content[-random.randint(1, 8 if how is Compression.GZIP else 4)] ^= random.randint(1, 255)
    return as_packed(random, case, bytes(content), how)


@kind("something behind the end")
def garbage(random: Random) -> Case:
    case, how = plain_case(random), random.choice(BOTH)
    behind = [
        *(
            b"junk",
            b"\0\0junk",
            b"\n",
            b"\x1f",
            b"\x1f\x8b",
            b"\x28\xb5\x2f\xfd",
            _MAGIC,
            b"\0" * 9,
        ),
        *(case.content, packed(random, case.content, BOTH[how is BOTH[0]]), b"\0x"),
    ]
    return as_packed(random, case, packed(random, case.content, how) + random.choice(behind), how)


@kind("headers of gzip with a name, a comment and more")
def gzip_headers(random: Random) -> Case:
    case = plain_case(random)
    flags, more = random.randrange(32), b""
    if flags & 4:
        more += b"\x05\0extra"
    if flags & 8:
        more += b"name.csv\0"
    if flags & 16:
        more += b"a comment\0"
    head = _MAGIC + bytes([flags]) + b"\0\0\0\0\0\xff" + more
    if flags & 2:
        wrong = random.random() < 0.3
        head += struct.pack("<H", (zlib.crc32(head) ^ wrong) & 0xFFFF)
    body = zlib.compressobj(wbits=-15)
    packed_body = body.compress(case.content) + body.flush()
    end = struct.pack("<II", zlib.crc32(case.content), len(case.content))
    return as_packed(random, case, head + packed_body + end, Compression.GZIP)


@kind("frames of zstd that are to be skipped")
def skippable(random: Random) -> Case:
    case = plain_case(random)
    frame = packed(random, case.content, Compression.ZSTD)
    skipped = struct.pack("<II", 0x184D2A50 + random.randrange(16), 5) + b"skip!"
    content = random.choice([skipped + frame, frame + skipped, skipped + frame + skipped + frame])
    return as_packed(random, case, content, Compression.ZSTD)


@kind("another packing than the name says")
def other_packing(random: Random) -> Case:
    case, how = plain_case(random), random.choice(BOTH)
    content = random.choice(
        [
            *(case.content, b"", zlib.compress(case.content), packed(random, b"", how)),
            *(packed(random, packed(random, case.content, how), how), b"\0" * 20, b"PK\x03\x04zip"),
        ]
    )
    declared = random.choice([how, *BOTH, Compression.NONE])
    return as_packed(random, case, content, declared)


@kind("bombs")
def bombs(random: Random) -> Case:
    case, how = plain_case(random), random.choice(BOTH)
    plain = case.content + random.choice([b"\n", b"0", b"\0"]) * random.choice([10, 9_000]) + b"\n"
    limits = random.choice(
        [{"expanded_bytes": 5_000}, {"ratio_from_bytes": 6_000, "ratio": 20}, {"ratio": 2}]
    )
    content = packed(random, plain, how)
    return replace(as_packed(random, case, content, how), limits=limits)
