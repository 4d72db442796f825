"""The bytes of a text file a block at a time, and the count of lines that have been read.

What a record is does not belong here; that the last line must have an end (F6) does.
"""

from collections.abc import Iterable, Iterator

from etl_assets.sources.files.reading.results import MIB, FileRefused, Limits


class Feed:
    """`data` is what is at hand, `lines` how many lines came before it, `ended` that all is."""

    def __init__(self, chunks: Iterable[bytes], limits: Limits) -> None:
        self.data = b""
        self.lines = 0
        self.ended = False
        self._chunks = _in_small_chunks(chunks)
        self._block_bytes = self._wanted = limits.block_bytes

    def fill(self) -> bool:
        """Have a block at hand, or all that is left; False if that is nothing.

        Raises FileRefused for a file whose last line has no end.
        """
        parts, size = [self.data], len(self.data)
        while size < self._wanted and (chunk := self._next()):
            parts.append(chunk)
            size += len(chunk)
        self.data, self._wanted = b"".join(parts), self._block_bytes
        if self.ended and self.data:
            _refuse_cut(self.data)
        return bool(self.data)

    def want_more(self) -> None:
        """What is at hand is too little: `fill` will double it."""
        self._wanted = max(2 * len(self.data), self._block_bytes)

    def drop(self, size: int, lines: int | None = None) -> None:
        """The first `size` bytes are read, which have so many `lines` (counted, if None)."""
        self.lines += self.data.count(b"\n", 0, size) if lines is None else lines
        self.data = self.data[size:]

    def drop_line(self) -> None:
        """All up to the next line's end is read, however long that is."""
        while (end := self.data.find(b"\n")) < 0:
            last = self.data
            self.data = self._next()
            if self.ended:
                _refuse_cut(last)
        self.drop(end + 1)

    def drop_all(self) -> None:
        """All up to the file's end is read."""
        last = self.data
        while self.data:
            last = self.data
            self.drop(len(last))
            self.data = self._next()
        _refuse_cut(last)

    def _next(self) -> bytes:
        chunk = next(self._chunks, b"")
        self.ended = self.ended or not chunk
        return chunk


def _refuse_cut(last: bytes) -> None:
    if not last.endswith(b"\n"):
        raise FileRefused("its last line has no line end, so it may be cut")


def _in_small_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), MIB):
            yield chunk[start : start + MIB]
