"""JSON Lines files by kinds."""

import json
from dataclasses import replace
from random import Random

from etl_assets.core.contracts import Column
from etl_assets_tests.files.hostile.cases import RECORD_BYTES, Case
from etl_assets_tests.files.hostile.kinds.contracts import NAUGHTY, NUMBERS, any_text
from etl_assets_tests.files.hostile.kinds.json_drafts import (
    DOCUMENT,
    JSON_CONTRACTS,
    NESTED,
    VALUES,
    case_of,
    chosen,
    good_value,
    lines_of,
)
from etl_assets_tests.files.hostile.kinds.kind import Kind, kinds

KINDS: dict[str, Kind] = {}
kind = kinds(KINDS)


@kind("good")
def good(random: Random) -> Case:
    columns = chosen(random)
    return case_of(columns, lines_of(random, columns))


@kind("values of any JSON type, or none")
def any_values(random: Random) -> Case:
    def value(random: Random, column: Column) -> str:
        return random.choice(VALUES) if random.random() < 0.2 else good_value(random, column)

    columns = chosen(random)
    return case_of(columns, lines_of(random, columns, value))


@kind("numbers, as numbers and as text")
def numbers(random: Random) -> Case:
    def value(random: Random, column: Column) -> str:
        number = random.choice(NUMBERS)
        return random.choice([number, json.dumps(number), good_value(random, column)])

    columns = JSON_CONTRACTS[random.choice(["numbers", "small", "german", "trimmed", "one number"])]
    return case_of(columns, lines_of(random, columns, value))


@kind("naughty texts")
def naughty_texts(random: Random) -> Case:
    def value(random: Random, column: Column) -> str:
        return json.dumps(any_text(random, column), ensure_ascii=random.random() < 0.5)

    columns = chosen(random)
    return case_of(columns, lines_of(random, columns, value))


@kind("nested values, and lone surrogates in them")
def nested(random: Random) -> Case:
    def value(random: Random, column: Column) -> str:
        return random.choice(NESTED) if column.logical == "json" else good_value(random, column)

    columns = (*chosen(random), DOCUMENT) if random.random() < 0.5 else JSON_CONTRACTS["document"]
    columns = tuple({column.name: column for column in columns}.values())
    return case_of(columns, lines_of(random, columns, value))


@kind("keys twice")
def keys_twice(random: Random) -> Case:
    columns = chosen(random)
    lines = lines_of(random, columns)
    name = random.choice(columns).name
    escaped = f"\\u{ord(name[0]):04x}{name[1:]}"
    place = random.randrange(len(lines))
    again = random.choice([name, escaped, "x", "\u00e9"])
    more = f'"{again}":1' + (f',"{again}":1' if again in ("x", "\u00e9") else "")
    lines[place] = lines[place][:-1] + "," + more + "}"
    return case_of(columns, lines, overflow=random.random() < 0.5)


@kind("keys that are missing, late or unknown")
def other_keys(random: Random) -> Case:
    columns = chosen(random)
    lines = lines_of(random, columns)
    for place in range(len(lines)):
        if random.random() < 0.3:
            lines[place] = lines_of(random, (random.choice(columns),))[0]
        if random.random() < 0.3:
            key = json.dumps(random.choice([*NAUGHTY, "late", "", "Id", "a.b", "_line"]))
            lines[place] = lines[place][:-1] + f", {key}: {random.choice(NESTED)}" + "}"
    return case_of(columns, lines, overflow=random.random() < 0.6)


@kind("lines that are no object")
def no_objects(random: Random) -> Case:
    columns = chosen(random)
    lines = lines_of(random, columns)
    wrong = [
        *(
            "[1]",
            "1",
            "null",
            '"x"',
            "{",
            "}",
            "{}{}",
            "{},",
            ",{}",
            "[{}]",
            "{}x",
            "x{}",
            "{ }",
            "#",
        ),
        *('{"a"}', '{"a":}', "{:1}", "{1:2}", "{'a':1}", '{"a":1,}', '{,"a":1}', '{"a":1 "b":2}'),
        *(
            "\ufeff{}",
            "{}\0",
            "\0",
            "\x0b",
            "\x0c{}",
            "{}\x1a",
            "\u00a0",
            "\u2028",
            "[" * 100_000,
            "{}\r",
        ),
        *('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", '{"a":' + "[" * 50 + "]" * 50 + "}"),
    ]
    for _ in range(3):
        lines.insert(random.randrange(len(lines) + 1), random.choice(wrong))
    limits = {"record_bytes": 1_000_000} if random.random() < 0.5 else {}
    return case_of(columns, lines, limits=limits)


@kind("lines beyond the limit")
def huge_lines(random: Random) -> Case:
    columns = chosen(random)
    lines = lines_of(random, columns)
    for place in range(len(lines)):
        if random.random() < 0.3:
            size = random.choice(
                [RECORD_BYTES - 8, RECORD_BYTES - 9, RECORD_BYTES, 3 * RECORD_BYTES]
            )
            sign = random.choice("x\u00e9\U0001f600")
            lines[place] = random.choice(['{"x":"' + sign * size + '"}', lines[place] + " " * size])
    return case_of(columns, lines)


@kind("blank lines and line ends")
def line_ends(random: Random) -> Case:
    columns = chosen(random)
    ends = ["\n", "\r\n", "\n\n", "\n \t\r\n", "\r", "\n\r", " \n"]
    text = "".join(line + random.choice(ends) for line in lines_of(random, columns))
    begin = random.choice(["", "\n", "\ufeff", "\ufeff\n", "\ufeff\ufeff", " "])
    return case_of(columns, [begin + text + random.choice(["", "\n", "x"])]).of(
        (begin + text + random.choice(["", "\n", "x"])).encode()
    )


@kind("no lines, or no end of the last")
def few_lines(random: Random) -> Case:
    columns = chosen(random)
    case = case_of(columns, lines_of(random, columns))
    return case.of(
        random.choice([b"", b"\n", b"\xef\xbb\xbf", b"{}\n", case.content[:-1], b"\r\n", b"\xef"])
    )


@kind("another encoding")
def encodings(random: Random) -> Case:
    columns = chosen(random)
    lines = [*lines_of(random, columns), '{"x": "caf\u00e9"}']
    random.shuffle(lines)
    text = "".join(line + "\n" for line in lines)
    encoding = random.choice(["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
    return case_of(columns, []).of(text.encode(encoding, "replace"))


@kind("bytes that are no UTF-8")
def broken_utf8(random: Random) -> Case:
    columns = chosen(random)
    content = case_of(columns, lines_of(random, columns)).content
    place = random.randrange(len(content))
    wrong = random.choice(
        [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80", b"\x80"]
    )
    return case_of(columns, []).of(content[:place] + wrong + content[place:])


@kind("cut at any byte")
def cut(random: Random) -> Case:
    columns = chosen(random)
    case = case_of(columns, lines_of(random, columns), overflow=random.random() < 0.3)
    content = case.content[: random.randrange(len(case.content) + 1)]
    return case.of(content + random.choice([b"", b"\n"]))


@kind("bytes changed")
def changed(random: Random) -> Case:
    columns = chosen(random)
    case = case_of(columns, lines_of(random, columns), overflow=random.random() < 0.3)
    content = bytearray(case.content)
    for _ in range(random.randint(1, 4)):
        content[random.randrange(len(content))] = random.choice(b'"\n\r\0,{}:[]\\\xff\xc3 a0')
    return case.of(bytes(content))


@kind("parts twice or out of order")
def shuffled(random: Random) -> Case:
    columns = chosen(random)
    case = case_of(columns, lines_of(random, columns))
    first, second = sorted(random.randrange(len(case.content) + 1) for _ in range(2))
    begin, middle, rest = case.content[:first], case.content[first:second], case.content[second:]
    return replace(case, content=random.choice([begin + middle * 2 + rest, begin + rest]))
