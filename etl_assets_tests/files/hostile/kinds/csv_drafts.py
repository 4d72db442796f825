"""CSV files before their fields are joined, from which the kinds of CSV are made."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Csv
from etl_assets_tests.files.hostile.cases import Case
from etl_assets_tests.files.hostile.kinds.contracts import CONTRACTS, good_text


@dataclass
class Draft:
    """A file before its fields are joined: `lines` are records of fields as they are written."""

    columns: tuple[Column, ...]
    dialect: Csv
    names: list[str]
    lines: list[list[str]]
    end: str = "\n"

    def case(self, text: str | None = None) -> Case:
        text = self.text() if text is None else text
        content = text.encode(self.dialect.encoding)
        return Case(content, self.columns, self.dialect)

    def text(self) -> str:
        return "".join(self.joined(line) + self.end for line in [*self.header(), *self.lines])

    def header(self) -> list[list[str]]:
        return [self.names] if self.dialect.header else []

    def joined(self, fields: list[str]) -> str:
        return self.dialect.delimiter.join(fields)


def quoted(text: str, quote: str = '"') -> str:
    return quote + text.replace(quote, 2 * quote) + quote


def written(random: Random, text: str, dialect: Csv) -> str:
    """A field: in quotes where it must be, and sometimes where it need not."""
    if dialect.quote is None:
        return "".join(sign for sign in text if sign not in f"\r\n{dialect.delimiter}")
    must = any(sign in text for sign in (dialect.delimiter, dialect.quote, "\r", "\n"))
    return quoted(text, dialect.quote) if must or random.random() < 0.15 else text


def drafted(
    random: Random,
    contract: str | None = None,
    dialect: Csv | None = None,
    text: Callable[[Random, Column], str] = good_text,
) -> Draft:
    """A good file of a few lines."""
    columns = CONTRACTS[contract or random.choice(list(CONTRACTS))]
    dialect = dialect or Csv(delimiter=random.choice(",,;\t|"))
    lines = [
        [written(random, text(random, column), dialect) for column in columns]
        for _ in range(random.randint(1, 12))
    ]
    end = random.choice(["\n", "\r\n"])
    return Draft(columns, dialect, [column.name for column in columns], lines, end)


def wide(random: Random) -> Draft:
    """A good file with more columns than one."""
    return drafted(random, random.choice(["numbers", "codes", "moments", "german", "trimmed"]))


def put(random: Random, text: str, signs: str, places: int = 1) -> str:
    """The text with some signs put anywhere into it, or instead of one."""
    for _ in range(places):
        place = random.randrange(len(text) + 1)
        text = text[:place] + signs + text[place + random.randint(0, 1) :]
    return text
