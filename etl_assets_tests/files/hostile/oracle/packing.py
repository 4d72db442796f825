"""The oracle's expanding: zlib's own checks for gzip, member by member; Arrow's codec for zstd.

The platform expands with isal and zstandard, so a fault of either shows here.
"""

import zlib

import pyarrow as pa

from etl_assets.core.file_formats import Compression
from etl_assets_tests.files.hostile.cases import Case
from etl_assets_tests.files.hostile.oracle.outcomes import Refusal


def plain_of(case: Case) -> bytes:
    """The plain bytes of the file; raises Refusal."""
    if case.compression is Compression.NONE:
        plain = case.content
    elif case.compression is Compression.GZIP:
        plain = _gzip(case.content)
    else:
        plain = _zstd(case.content)
    most = case.limits.get("expanded_bytes", 1 << 36)
    begin = case.limits.get("ratio_from_bytes", 1 << 28)
    ratio = case.limits.get("ratio", 200)
    if len(plain) > most or (len(plain) > begin and len(plain) > ratio * len(case.content)):
        raise Refusal("bomb")
    return plain


def _gzip(content: bytes) -> bytes:
    plain, rest, members = b"", content, 0
    while rest if not members else rest.lstrip(b"\0"):
        rest = rest.lstrip(b"\0") if members else rest
        member = zlib.decompressobj(31)
        try:
            plain += member.decompress(rest) + member.flush()
        except zlib.error:
            raise Refusal("packing") from None
        if not member.eof:
            raise Refusal("packing")
        rest, members = member.unused_data, members + 1
    if not members:
        raise Refusal("packing")
    return plain


def _zstd(content: bytes) -> bytes:
    """All frames, each found by the lengths that its blocks say (RFC 8878)."""
    plain, place = b"", 0
    try:
        while not place or content[place:].strip(b"\0"):
            while place and content[place] == 0:
                place += 1
            end = place + _frame_size(content[place:])
            if end > len(content):
                raise Refusal("packing")
            if content[place] == 0x28:
                with pa.CompressedInputStream(pa.BufferReader(content[place:end]), "zstd") as frame:
                    plain += frame.read()
            place = end
    except (OSError, IndexError):
        raise Refusal("packing") from None
    return plain


def _frame_size(frame: bytes) -> int:
    """The bytes of the frame that `frame` begins with, which may be more than there are."""
    magic = int.from_bytes(frame[:4], "little")
    if magic >> 4 == 0x184D2A5:
        return 8 + int.from_bytes(frame[4:8].ljust(4, b"\0"), "little")
    if magic != 0xFD2FB528:
        raise Refusal("packing")
    flags = frame[4]
    is_single = bool(flags & 32)
    place = 5 + (not is_single) + (0, 1, 2, 4)[flags & 3] + (int(is_single), 2, 4, 8)[flags >> 6]
    is_last = False
    while not is_last:
        block = int.from_bytes(frame[place : place + 3], "little")
        is_last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        if kind == 3 or place + 3 > len(frame):
            raise Refusal("packing")
        place += 3 + (1 if kind == 1 else size)
    return place + (4 if flags & 4 else 0)
