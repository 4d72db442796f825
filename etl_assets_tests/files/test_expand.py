"""Packed files: several members, cuts, damage, garbage, padding and bombs."""

import gzip
import tracemalloc
from collections.abc import Iterator

import pytest
import zstandard

from etl_assets.core.file_formats import Compression, compression_of
from etl_assets.sources.files.reading.expand import expanded
from etl_assets.sources.files.reading.results import MIB, FileRefused, Limits

TEXT = b"".join(b"%d,some text\n" % n for n in range(500))
KINDS = [Compression.GZIP, Compression.ZSTD]


def pack(plain: bytes, kind: Compression) -> bytes:
    if kind is Compression.GZIP:
        return gzip.compress(plain)
    return zstandard.ZstdCompressor(write_checksum=True).compress(plain)


def unpack(packed: bytes, kind: Compression, size: int = 64, limits: Limits | None = None) -> bytes:
    chunks = (packed[start : start + size] for start in range(0, len(packed), size))
    return b"".join(expanded(chunks, kind, limits or Limits()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_f7_all_members_are_read_and_nul_bytes_after_them_are_tolerated(
    kind: Compression, size: int
) -> None:
    packed = pack(TEXT, kind) + pack(b"", kind) + pack(b"last\n", kind)
    assert unpack(packed, kind, size) == TEXT + b"last\n"
    assert unpack(packed + bytes(5000), kind, size) == TEXT + b"last\n"


@pytest.mark.parametrize("kind", KINDS)
def test_f7_a_file_cut_at_any_byte_is_refused(kind: Compression) -> None:
    packed = pack(TEXT, kind)
    for cut in range(len(packed)):
        with pytest.raises(FileRefused, match=r"cut|damaged"):
            unpack(packed[:cut], kind)


@pytest.mark.parametrize("kind", KINDS)
def test_f7_a_changed_byte_is_refused_or_changes_nothing(kind: Compression) -> None:
    packed = pack(TEXT, kind)
    for place in range(len(packed)):
        changed = bytearray(packed)
        changed[place] ^= 0x55
        try:
            assert unpack(bytes(changed), kind) == TEXT, place  # a time or a flag of the header
        except FileRefused:
            continue


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("garbage", [b"junk", b"\0\0junk", b"\x1f", b"\x28\xb5"])
def test_f7_garbage_after_the_last_member_is_refused(kind: Compression, garbage: bytes) -> None:
    with pytest.raises(FileRefused):
        unpack(pack(TEXT, kind) + garbage, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limits", [Limits(ratio_from_bytes=MIB), Limits(expanded_bytes=8 * MIB)])
def test_f8_a_bomb_is_refused_before_it_fills_the_memory(kind: Compression, limits: Limits) -> None:
    packed = pack(bytes(300 * MIB), kind)
    tracemalloc.start()
    with pytest.raises(FileRefused, match="expands to more than"):
        unpack(packed, kind, 1 << 20, limits)
    assert tracemalloc.get_traced_memory()[1] < 140 * MIB
    tracemalloc.stop()


def test_f7_the_suffix_decides_and_a_plain_file_passes_through() -> None:
    assert compression_of("a/b.csv.GZ") is Compression.GZIP
    assert compression_of("a/b.jsonl.zst") is Compression.ZSTD
    assert compression_of("a/b.gz.csv") is Compression.NONE

    def chunks() -> Iterator[bytes]:
        yield from (b"", b"\x1f\x8b", b"x")

    assert list(expanded(chunks(), Compression.NONE, Limits())) == [b"\x1f\x8b", b"x"]
