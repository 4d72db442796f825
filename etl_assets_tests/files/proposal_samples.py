"""Samples for `files propose`: rows of text, how they are written, and what must come of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl_assets.core.file_formats import Texts
from etl_assets_tests.files.proposing import Texted


@dataclass(frozen=True)
class Sample:
    """Rows of text, how they are written, and what must be proposed for them."""

    rows: Texted
    dtypes: Mapping[str, str]
    dialect: Mapping[str, Any] = field(default_factory=dict)
    says: Sequence[str] = ()
    texts: Mapping[str, Texts] = field(default_factory=dict)
    write: Mapping[str, Any] = field(default_factory=dict)
    nullable: Sequence[str] = ()


NAIVE, MOMENT = (
    "Datetime(time_unit='us', time_zone=None)",
    "Datetime(time_unit='us', time_zone='UTC')",
)

ODD = ["class", "two words", "1st", "pl", "__x", "Config", "größe", "two-words"]
SAMPLES: dict[str, Sample] = {
    "plain": Sample(
        [["id", "name"], ["1", "Ann"], ["2", "Bob, jr."], ["3", 'a "b"']],
        {"id": "Int64", "name": "String"},
    ),
    "a German one": Sample(
        [["nr", "preis", "am"], ["1", "1,50", "17.05.2024"], ["2", "1.234,5", "1.6.2024"]],
        {"nr": "Int64", "preis": "Decimal(precision=18, scale=2)", "am": "Date"},
        {"delimiter": ";"},
        ["The decimal sign is ','"],
        {"preis": Texts(decimal=",", thousands="."), "am": Texts(formats=("%d.%m.%Y",))},
        {"delimiter": ";"},
    ),
    "an American one": Sample(
        [["n", "amount", "on"], ["1", "1,234.50", "05/17/2024"], ["2", "7", "01/02/2024"]],
        {"n": "Int64", "amount": "Decimal(precision=18, scale=2)", "on": "Date"},
        says=["written %m/%d/%Y"],
        texts={"amount": Texts(thousands=","), "on": Texts(formats=("%m/%d/%Y",))},
    ),
    "numbers, and one that is none": Sample(
        [
            ["qty", "at", "who"],
            ["1", "2024-05-17", "Ann"],
            ["2", "soon", "Bob"],
            ["12a", "2024-05-18", "7"],
            ["n/a", "2024-05-19", ""],
        ],
        {"qty": "String", "at": "String", "who": "String"},
        says=[
            "Kept as text: 1 of 3 different values is no integer, and looks like '99a' (9 is a",
            "Kept as text: 1 of 4 different values is no date, and looks like 'aaaa' (9 is a",
        ],
        nullable=["who"],
    ),
    "leading zeros": Sample(
        [["code", "n"], ["007", "1"], ["12", "2"]],
        {"code": "String", "n": "Int64"},
        says=["leading zeros, which a number would lose"],
    ),
    "codes by name": Sample(
        [
            ["zip_code", "ean", "phone"],
            ["50667", "4006381333931", "+49221"],
            ["10115", "96385074", "12"],
        ],
        {"zip_code": "String", "ean": "String", "phone": "String"},
        says=["its name calls a code", "signs + in front"],
    ),
    "integers beyond 64 bits": Sample(
        [["n", "m"], ["9223372036854775808", "9223372036854775807"], ["1", "-9223372036854775808"]],
        {"n": "String", "m": "Int64"},
        says=["integers of more than 64 bits"],
    ),
    "ambiguous dates": Sample(
        [["on", "at"], ["01/02/2024", "01/02/2024 10:00"], ["03/04/2024", "03/04/2024 11:30"]],
        {"on": "String", "at": "String"},
        says=["day and month can change places", '"%d/%m/%Y"', '"%m/%d/%Y"'],
    ),
    "ambiguous numbers": Sample(
        [["w"], ["1.500"], ["2.250"]],
        {"w": "String"},
        says=["may be the decimal sign or that of thousands"],
    ),
    "numbers that another column makes plain": Sample(
        [["w", "price"], ["1.500", "9.99"], ["2.250", "10.5"]],
        {"w": "Decimal(precision=18, scale=3)", "price": "Decimal(precision=18, scale=2)"},
    ),
    "decimals in full": Sample(
        [["d"], ["0.1"], ["12345678901234567890.123456789012345678"]],
        {"d": "Decimal(precision=38, scale=18)"},
    ),
    "decimals of too many digits": Sample(
        [["d"], ["0.1"], ["1" * 30 + "." + "1" * 10]],
        {"d": "String"},
        says=["more than 38 digits"],
    ),
    "exponents": Sample(
        [["x"], ["1.5e3"], ["2"]], {"x": "String"}, says=["numbers with exponents"]
    ),
    "NA in numbers": Sample(
        [["n", "d", "land"], ["NA", "n/a", "NA"], ["5", "2024-05-17", "DE"], ["", "", ""]],
        {"n": "Int64", "d": "Date", "land": "String"},
        says=["'NA' in it means null here", "'NA' is kept as text too"],
        texts={"n": Texts(null=("", "NA")), "d": Texts(null=("", "n/a"))},
        nullable=["n", "d", "land"],
    ),
    "moments": Sample(
        [
            ["z", "naive", "mixed", "t"],
            ["2024-05-17T10:00:00Z", "2024-05-17 10:00:00", "2024-05-17T10:00:00Z", "10:00"],
            ["2024-05-17T10:00:00.5+02:00", "2024-05-17T10:00", "2024-05-17T10:00:00", "23:59:59"],
        ],
        {"z": MOMENT, "naive": NAIVE, "mixed": "String", "t": "Time"},
        says=['source_zone="Europe/Berlin"', "some have no offset"],
    ),
    "moments by formats": Sample(
        [
            ["at", "am"],
            ["17.05.2024 13:45", "05/17/2024 01:45 PM"],
            ["1.5.2024 00:00", "05/01/2024 12:00 AM"],
        ],
        {"at": NAIVE, "am": NAIVE},
        texts={
            "at": Texts(formats=("%d.%m.%Y %H:%M",)),
            "am": Texts(formats=("%m/%d/%Y %I:%M %p",)),
        },
    ),
    "two digits of a year": Sample(
        [["on"], ["17.05.24"], ["18.05.24"]], {"on": "String"}, says=["years of two digits"]
    ),
    "words of booleans": Sample(
        [["b", "yn", "bit"], ["true", "Y", "1"], ["False", "N", "0"]],
        {"b": "Boolean", "yn": "String", "bit": "Int64"},
        says=["may be a boolean"],
    ),
    "padding": Sample(
        [["n", "s"], ["  5", " x "], ["12 ", "y"]],
        {"n": "Int64", "s": "String"},
        texts={"n": Texts(trim=True)},
    ),
    "everything in quotes": Sample(
        [["n", "s"], ["5", "x"], ["", ""]],
        {"n": "Int64", "s": "String"},
        texts={"n": Texts(trim=True)},
        write={"quoting": 1},
        nullable=["n"],
    ),
    "tabs and single quotes": Sample(
        [["a", "b"], ["x\ty", "it"], ["z", "2"]],
        {"a": "String", "b": "String"},
        {"delimiter": "\t", "quote": "'"},
        write={"delimiter": "\t", "quotechar": "'"},
    ),
    "no header": Sample(
        [["1", "x", "2024-05-17"], ["2", "y", "2024-05-18"]],
        {"c1": "Int64", "c2": "String", "c3": "Date"},
        {"header": False},
        ["looks like data"],
    ),
    "Windows": Sample(
        [["id", "stra\u00dfe"], ["1", "Kö\u20acln"]],
        {"id": "Int64", "stra\u00dfe": "String"},
        {"encoding": "cp1252"},
        ["The files are not UTF-8. cp1252 is a guess"],
        write={"encoding": "cp1252"},
    ),
    "UTF-16": Sample(
        [["id", "name"], ["1", "Jörg"]],
        {"id": "Int64", "name": "String"},
        {"encoding": "utf-16"},
        write={"encoding": "utf-16"},
    ),
    "a mark of UTF-8": Sample(
        [["id", "name"], ["1", "Jörg"]],
        {"id": "Int64", "name": "String"},
        write={"encoding": "utf-8-sig"},
    ),
    "names that Python does not have": Sample(
        [ODD, ["a"] * 8],
        dict.fromkeys(ODD, "String"),
    ),
    "names that only read the others": Sample(
        [["id", "day", "file", "line"], ["1", "Monday", "a", "b"]],
        {"id": "Int64", "day": "String", "file": "String", "line": "String"},
        says=['day_column="file_day"', 'file_column="source_file"'],
    ),
    "lines in fields": Sample(
        [["id", "text"], ["1", "two\nlines"], ["2", "; , \t|"]],
        {"id": "Int64", "text": "String"},
        {"delimiter": ";"},
        write={"delimiter": ";"},
    ),
    "one column": Sample([["id"], ["1"], ["2"]], {"id": "Int64"}, says=["One column"]),
    "a header alone": Sample([["id", "name"]], {"id": "String", "name": "String"}),
}
