"""How many bytes a value's text has, in SQL, without unpacking the value where that can be avoided.

PostgreSQL keeps long values compressed and outside of their row. Which rows are too large to be
read is decided in `sources/postgres/large_rows.py`.
"""

from dataclasses import dataclass

from etl_assets.postgres.catalogue import SourceColumn

MOST_COMPRESSED = 256
"""PostgreSQL compresses a value to more than this part of it: lz4 packs 255 bytes into one."""


@dataclass(frozen=True)
class ValueSize:
    """The size of a value's text.

    `exact` is what the catalogue of the value knows, None where it knows nothing: then `stored` is
    how many bytes it is stored in, and `text` is the text itself.
    """

    exact: str | None
    stored: str
    text: str

    def sql(self, unpacked_from: int) -> str:
        """The size as bigint, NULL for NULL; exact for what is stored in so many bytes or more.

        Of what is shorter it is the stored size, which costs next to nothing.
        """
        if self.exact:
            return f"{self.exact}::bigint"
        text = f"octet_length(({self.text})::text)"
        return f"(CASE WHEN {self.stored} < {unpacked_from} THEN {self.stored} ELSE {text} END)"


def size_of(found: SourceColumn, plain: str, text: str) -> ValueSize | None:
    """The size of `text`, which is made of the column `plain`; None where all texts are short."""
    if not found.is_long:
        return None
    exact = {
        "bytea": f"(2 * octet_length({plain})::bigint)",  # in hex
        "bpchar": f"octet_length({plain})",
        **dict.fromkeys(("text", "varchar", "citext"), f"octet_length({plain}::text)"),
    }
    return ValueSize(exact.get(found.type), f"pg_column_size({plain})", text)
