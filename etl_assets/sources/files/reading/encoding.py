"""Plain bytes of a text file in its declared encoding to UTF-8 without a byte-order mark.

Where records begin and end does not belong here.
"""

import codecs
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from etl_assets.sources.files.reading.results import FileRefused

_MARK = codecs.BOM_UTF8


def in_utf8(content: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The text in UTF-8, without a mark at its begin (F11).

    Bytes that are declared to be UTF-8 pass through: `refuse_other_than_utf8` looks at them when
    lines are known. Raises FileRefused for bytes that another encoding does not have.
    """
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        yield from _without_mark(content)
        return
    yield from _without_mark(_decoded(content, encoding))


def refuse_other_than_utf8(data: bytes | memoryview, first_line: int) -> None:
    """Raises FileRefused, naming the line, where `data` is not UTF-8.

    `data` begins on line `first_line` and ends at a line's end.
    """
    offsets = pa.array([0, len(data)], pa.int64()).buffers()[1]
    text = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        pc.cast(text, pa.large_string())
    except pa.ArrowInvalid:
        try:
            bytes(data).decode("utf-8")
        except UnicodeDecodeError as error:
            line = first_line + bytes(data[: error.start]).count(b"\n")
            raise FileRefused(f"line {line} is not in its declared encoding, utf-8") from None


def _without_mark(content: Iterable[bytes]) -> Iterator[bytes]:
    begin: bytes | None = b""
    for chunk in content:
        if begin is None:
            yield chunk
            continue
        begin += chunk
        if len(begin) >= len(_MARK):
            yield begin.removeprefix(_MARK)
            begin = None
    if begin:
        yield begin


def _decoded(content: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    lines = 1
    try:
        for chunk in content:
            text = decoder.decode(chunk)
            lines += text.count("\n")
            yield text.encode("utf-8")
        yield decoder.decode(b"", final=True).encode("utf-8")
    except UnicodeError:
        reason = f"what follows line {lines} is not in its declared encoding, {encoding}"
        raise FileRefused(reason) from None
