"""Just enough of Thrift's compact protocol to change a field of a Parquet footer and write it back.

Which fields mean what is Parquet's own `parquet.thrift`.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

_TRUE, _FALSE, _I64, _DOUBLE, _BINARY, _LIST, _STRUCT = 1, 2, 6, 7, 8, 9, 12


@dataclass
class Struct:
    """The fields of a struct: by number, the kind and the value, in their order."""

    fields: dict[int, tuple[int, Any]] = field(default_factory=dict)

    def __getitem__(self, number: int) -> Any:
        return self.fields[number][1]

    def __setitem__(self, number: int, value: Any) -> None:
        self.fields[number] = (self.fields[number][0], value)

    def __contains__(self, number: int) -> bool:
        return number in self.fields


@dataclass
class List:
    """A list of values of one kind."""

    kind: int
    values: list[Any]


class Reader:
    """Reads from `data` at `place`."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def struct(self) -> Struct:
        found, number = Struct(), 0
        while head := self._byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._signed()
            found.fields[number] = (kind, self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == 3:
            return self._byte()
        if kind <= _I64:
            return self._signed()
        if kind == _DOUBLE:
            return self._take(8)
        if kind == _BINARY:
            return self._take(self._unsigned())
        if kind == _STRUCT:
            return self.struct()
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._unsigned()
        kind = head & 15
        values = [self._byte() == 1 if kind <= _FALSE else self._value(kind) for _ in range(size)]
        return List(kind, values)

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        self.place += size
        return self.data[self.place - size : self.place]

    def _unsigned(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:
            number, shift = number | (byte & 127) << shift, shift + 7
        return number | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return number >> 1 ^ -(number & 1)


def written(value: Struct) -> bytes:
    """The struct as it is written."""
    data, before = b"", 0
    for number, (kind, inner) in value.fields.items():
        if kind in (_TRUE, _FALSE):
            kind = _TRUE if inner else _FALSE
        step = number - before
        data += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _signed(number)
        data, before = data + _written(kind, inner), number
    return data + b"\0"


def _written(kind: int, value: Any) -> bytes:
    if kind in (_TRUE, _FALSE):
        return b""
    if kind == 3:
        return bytes([value])
    if kind <= _I64:
        return _signed(value)
    if kind == _DOUBLE:
        return bytes(value)
    if kind == _BINARY:
        return _unsigned(len(value)) + value
    if kind == _STRUCT:
        return written(value)
    size = len(value.values)
    head = (
        bytes([size << 4 | value.kind])
        if size < 15
        else bytes([0xF0 | value.kind]) + _unsigned(size)
    )
    if value.kind <= _FALSE:
        return head + bytes(1 if inner else 2 for inner in value.values)
    return head + b"".join(_written(value.kind, inner) for inner in value.values)


def _unsigned(number: int) -> bytes:
    data = b""
    while number > 127:
        data, number = data + bytes([number & 127 | 128]), number >> 7
    return data + bytes([number])


def _signed(number: int) -> bytes:
    return _unsigned((number << 1 ^ number >> 63) & (1 << 64) - 1)


def footer_of(content: bytes) -> tuple[bytes, Struct]:
    """The bytes before a Parquet file's footer, and the footer."""
    (size,) = struct.unpack("<I", content[-8:-4])
    begin = len(content) - 8 - size
    return content[:begin], Reader(content[begin:]).struct()


def with_footer(pages: bytes, footer: Struct) -> bytes:
    """The file with that footer."""
    data = written(footer)
    return pages + data + struct.pack("<I", len(data)) + b"PAR1"
