"""Packed bytes to plain bytes, in bounded memory; anything that is wrong with them is FileRefused.

What the plain bytes mean does not belong here.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, cast

import zstandard
from isal import isal_zlib

from etl_assets.core.file_formats import Compression
from etl_assets.core.wording import count_of
from etl_assets.sources.files.reading.gzip_header import is_whole
from etl_assets.sources.files.reading.results import MIB, FileRefused, Limits

_GZIP_WRAPPER = 31
# A zstd block of 4 bytes can expand to 128 KiB, and the library has no bound for its output: a
# piece of this size cannot become more than 64 MiB.
_ZSTD_PIECE = 2048
_ZSTD_WINDOW = 128 * MIB
# isal's stubs take the class of its errors for one of them.
_DAMAGED: tuple[type[Exception], ...] = (
    cast("type[Exception]", isal_zlib.error),
    zstandard.ZstdError,
)


class _Member(Protocol):
    """A gzip member or a zstd frame on its way."""

    eof: bool
    unused_data: bytes

    def expand(self, packed: bytes) -> Iterator[bytes]: ...


def expanded(content: Iterable[bytes], compression: Compression, limits: Limits) -> Iterator[bytes]:
    """The plain bytes of `content`, all members or frames of it, in chunks that are not empty.

    Raises FileRefused for a file that is cut, damaged, followed by anything but NUL bytes, or that
    expands beyond the limits (F7, F8).
    """
    packed_bytes = plain_bytes = 0

    def counted() -> Iterator[bytes]:
        nonlocal packed_bytes
        for chunk in content:
            packed_bytes += len(chunk)
            yield bytes(chunk)  # an object store's own buffers among them

    if compression is Compression.NONE:
        plain: Iterator[bytes] = counted()
    else:
        plain = _members(counted(), compression)
    for chunk in plain:
        plain_bytes += len(chunk)
        if plain_bytes > limits.expanded_bytes:
            raise FileRefused(f"it expands to more than {count_of(limits.expanded_bytes, 'byte')}")
        is_suspect = plain_bytes > limits.ratio_from_bytes
        if is_suspect and plain_bytes > limits.ratio * packed_bytes:
            raise FileRefused(f"it expands to more than {limits.ratio} times its size")
        if chunk:
            yield chunk


def _members(content: Iterator[bytes], compression: Compression) -> Iterator[bytes]:
    is_gzip = compression is Compression.GZIP
    kind, part = ("gzip", "member") if is_gzip else ("zstd", "frame")
    member: _Member | None = None
    members = 0
    try:
        for chunk in content:
            rest = chunk
            while rest:
                if member is None:
                    # Tapes and block devices pad with NUL bytes, which are no member.
                    rest = rest.lstrip(b"\0") if members else rest
                    if not rest:
                        break
                    member = _GzipMember() if is_gzip else _ZstdFrame()
                yield from member.expand(rest)
                rest = b""
                if member.eof:
                    rest, member, members = member.unused_data, None, members + 1
    except _DAMAGED as error:
        where = (
            f"after {part} {members} comes what is no {kind}, or it" if members else f"its {kind}"
        )
        raise FileRefused(f"{where} is damaged ({error})") from None
    if member is not None or not members:
        raise FileRefused(f"it is cut: {part} {members + 1} of its {kind} has no end")


class _GzipMember:
    def __init__(self) -> None:
        self._stream: Any = isal_zlib.decompressobj(wbits=_GZIP_WRAPPER)
        self._begin: bytes | None = b""
        self.eof, self.unused_data = False, b""

    def expand(self, packed: bytes) -> Iterator[bytes]:
        if self._begin is not None:
            self._begin += packed
            if not is_whole(self._begin):
                return
            packed, self._begin = self._begin, None
        plain = self._stream.decompress(packed, MIB)
        yield plain
        while not self._stream.eof and (self._stream.unconsumed_tail or len(plain) == MIB):
            plain = self._stream.decompress(self._stream.unconsumed_tail, MIB)
            yield plain
        self.eof, self.unused_data = self._stream.eof, self._stream.unused_data


class _ZstdFrame:
    def __init__(self) -> None:
        self._stream: Any = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self.eof, self.unused_data = False, b""

    def expand(self, packed: bytes) -> Iterator[bytes]:
        for start in range(0, len(packed), _ZSTD_PIECE):
            piece = packed[start : start + _ZSTD_PIECE]
            yield self._stream.decompress(piece)
            if self._stream.eof:
                self.eof = True
                self.unused_data = self._stream.unused_data + packed[start + len(piece) :]
                return
