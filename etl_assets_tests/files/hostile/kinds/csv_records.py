"""CSV files whose values, lines or quotes are wrong, or only odd, by kinds."""

from random import Random

from etl_assets.core.file_formats import Csv
from etl_assets_tests.files.hostile.cases import RECORD_BYTES, Case
from etl_assets_tests.files.hostile.kinds.contracts import NAUGHTY, any_text
from etl_assets_tests.files.hostile.kinds.csv_drafts import drafted, put, quoted, wide
from etl_assets_tests.files.hostile.kinds.kind import Kind, kinds

KINDS: dict[str, Kind] = {}
kind = kinds(KINDS)


@kind("good")
def good(random: Random) -> Case:
    return drafted(random).case()


@kind("naughty values")
def naughty_values(random: Random) -> Case:
    return drafted(random, text=any_text).case()


@kind("naughty strings in quotes")
def naughty_strings(random: Random) -> Case:
    draft = drafted(random, "codes")
    for line in draft.lines:
        line[0] = quoted(random.choice(NAUGHTY) + random.choice(["", "\n", "\r\n", "\r", '"', ","]))
    return draft.case()


@kind("leading zeros")
def leading_zeros(random: Random) -> Case:
    draft = drafted(random, random.choice(["codes", "numbers", "small", "one"]))
    for line in draft.lines:
        line[0] = "0" * random.randint(1, 30) + str(random.randint(0, 99))
    return draft.case()


@kind("empty fields and empty texts")
def empty_fields(random: Random) -> Case:
    dialect = Csv(quoted_empty=random.choice(["text", "null"]))
    draft = drafted(random, dialect=dialect)
    for line in draft.lines:
        line[random.randrange(len(line))] = random.choice(["", '""', " ", '" "', "NULL", "n/a"])
    return draft.case()


# Lines


@kind("line ends mixed")
def mixed_ends(random: Random) -> Case:
    draft = drafted(random)
    lines = [draft.joined(line) for line in [draft.names, *draft.lines]]
    return draft.case("".join(line + random.choice(["\n", "\r\n", "\n\n"]) for line in lines))


@kind("bare carriage returns")
def bare_returns(random: Random) -> Case:
    draft = drafted(random)
    if random.random() < 0.2:
        draft.end = random.choice(["\r", "\r\r\n", "\n\r"])
        return draft.case()
    return draft.case(put(random, draft.text(), "\r", random.randint(1, 3)))


@kind("no end of the last line")
def no_last_end(random: Random) -> Case:
    draft = drafted(random)
    return draft.case(
        draft.text().removesuffix(draft.end) + random.choice(["", "\r", ",", " ", "\x1a"])
    )


@kind("blank lines")
def blank_lines(random: Random) -> Case:
    draft = drafted(random)
    for _ in range(random.randint(1, 4)):
        draft.lines.insert(
            random.randrange(len(draft.lines) + 1), [random.choice(["", "", " ", "\t"])]
        )
    begin = random.choice(["", "\n", "\r\n\n"])
    return draft.case(begin + draft.text() + random.choice(["", "\n\n", "\r\n"]))


@kind("other line separators of Unicode")
def unicode_separators(random: Random) -> Case:
    draft = drafted(random, random.choice(["codes", "numbers", "one"]))
    return draft.case(
        put(random, draft.text(), random.choice("\u2028\u2029\x85\x0b\x0c\x1c\x1e"), 3)
    )


@kind("ragged rows")
def ragged(random: Random) -> Case:
    draft = wide(random)
    for line in draft.lines:
        if random.random() < 0.4:
            many = random.choice([-1, 1, 2, 30])
            line[:] = line[:many] if many < 0 else line + [random.choice(["", "x", '"y"'])] * many
    return draft.case()


@kind("records beyond the limit")
def huge_fields(random: Random) -> Case:
    draft = drafted(random, random.choice(["codes", "numbers", "one"]))
    for line in draft.lines:
        if random.random() < 0.3:
            sign = random.choice(["x", "\u00e9", "\U0001f600", "0", "x\n", 'x"', "x\r\n", ","])
            text = sign * random.randint(RECORD_BYTES // 5, RECORD_BYTES + 9)
            line[random.randrange(len(line))] = random.choice([quoted(text), quoted(text), text])
    return draft.case()


@kind("records as long as the limit")
def at_the_limit(random: Random) -> Case:
    draft = drafted(random, "one", Csv())
    for line in draft.lines:
        text = "y" * (RECORD_BYTES + random.randint(-4, 3))
        line[0] = random.choice([text, quoted(text[:-2]), quoted("\n" + text[:-3])])
    return draft.case()


# Quotes


@kind("quotes that are never closed")
def unclosed(random: Random) -> Case:
    draft = drafted(random)
    line = random.choice(draft.lines)
    place = random.randrange(len(line))
    line[place] = '"' + line[place].strip('"')
    if random.random() < 0.2:
        draft.names[place] = '"' + draft.names[place]
    return draft.case()


@kind("quotes anywhere")
def quotes(random: Random) -> Case:
    draft = drafted(random)
    signs = random.choice(['"', '""', '"x', 'x"', '"\n', '\n"', '","', "'", '"""'])
    return draft.case(put(random, draft.text(), signs, random.randint(1, 3)))


@kind("line ends and quotes in quotes")
def quoted_ends(random: Random) -> Case:
    draft = drafted(random, random.choice(["codes", "numbers", "one"]))
    place = draft.names.index("note" if "note" in draft.names else "code")
    for line in draft.lines:
        parts = [random.choice(["\n", "\r\n", '"', ",", "x", "\r", "\n\n"]) for _ in range(6)]
        line[place] = quoted("".join(parts))
    return draft.case()


@kind("NUL bytes")
def nul_bytes(random: Random) -> Case:
    draft = drafted(random)
    for line in draft.lines:
        if random.random() < 0.3:
            line[0] = random.choice(["\0", '"\0"', '"a\n\0\nb"', "x\0", '"x"\0', '"\0'])
    return draft.case(put(random, draft.text(), "\0") if random.random() < 0.5 else None)
