"""Arrow's types by name, for what is read from PostgreSQL, without importing pyarrow.

A command that only looks at a source's columns says how it would read them, and reads nothing:
pyarrow, and the NumPy that comes with it, cost it a quarter of its time. `made` has the real type.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ArrowType:
    """A type by the name of pyarrow's function that makes it, and that function's arguments."""

    name: str
    arguments: tuple[int | str, ...] = ()

    def made(self) -> "pa.DataType":
        """The type itself."""
        import pyarrow as pa

        return getattr(pa, self.name)(*self.arguments)


INT16, INT32, INT64 = ArrowType("int16"), ArrowType("int32"), ArrowType("int64")
FLOAT32, FLOAT64 = ArrowType("float32"), ArrowType("float64")
BOOLEAN, STRING = ArrowType("bool_"), ArrowType("string")
DATE = ArrowType("date32")
TIME = ArrowType("time64", ("us",))
NAIVE, MOMENT = ArrowType("timestamp", ("us",)), ArrowType("timestamp", ("us", "UTC"))


def decimal(precision: int, scale: int) -> ArrowType:
    """A decimal of 128 bits."""
    return ArrowType("decimal128", (precision, scale))
