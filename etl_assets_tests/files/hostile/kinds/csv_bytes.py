"""CSV files in other encodings and dialects, cut and changed at any byte, by kinds."""

from dataclasses import replace
from random import Random

from etl_assets.core.file_formats import Csv
from etl_assets_tests.files.hostile.cases import RECORD_BYTES, Case
from etl_assets_tests.files.hostile.kinds.contracts import any_text, good_text
from etl_assets_tests.files.hostile.kinds.csv_drafts import drafted, put
from etl_assets_tests.files.hostile.kinds.kind import Kind, kinds

KINDS: dict[str, Kind] = {}
kind = kinds(KINDS)


@kind("byte order marks")
def marks(random: Random) -> Case:
    draft = drafted(random)
    draft.dialect = replace(
        draft.dialect, encoding=random.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16-le"])
    )
    if random.random() < 0.5:
        draft.dialect = replace(draft.dialect, header=False)
    text = draft.text()
    return draft.case(
        random.choice(["\ufeff" + text, "\ufeff\ufeff" + text, put(random, text, "\ufeff")])
    )


@kind("an encoding that is not the declared one")
def wrong_encoding(random: Random) -> Case:
    draft = drafted(random, random.choice(["codes", "numbers", "one"]))
    case = draft.case(put(random, draft.text(), "caf\u00e9"))
    text = case.content.decode()
    written_in, declared = random.choice(
        [
            *(
                ("latin-1", "utf-8"),
                ("utf-16", "utf-8"),
                ("utf-8", "utf-16"),
                ("utf-16-le", "utf-8"),
            ),
            *(
                ("latin-1", "latin-1"),
                ("cp1252", "cp1252"),
                ("utf-16", "utf-16"),
                ("utf-8", "latin-1"),
            ),
            *(
                ("utf-32", "utf-32"),
                ("utf-16-be", "utf-16-be"),
                ("utf-8", "ascii"),
                ("cp1252", "utf-8"),
            ),
            *(
                ("utf-16-be", "utf-16-le"),
                ("utf-7", "utf-8"),
                ("utf-8-sig", "utf-8"),
                ("cp037", "utf-8"),
            ),
        ]
    )
    content = text.encode(written_in, "replace")
    return case.of(content, format=replace(draft.dialect, encoding=declared))


@kind("bytes that are no UTF-8")
def broken_utf8(random: Random) -> Case:
    case = drafted(random).case()
    wrong = random.choice(
        [
            *(b"\xff", b"\x80", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"),
            *(b"\xe2\x82", b"\xf0\x9f\x98", b"\xf8\x88\x80\x80\x80", b"\xc1\xbf", b"\xe0\x80\x80"),
        ]
    )
    place = random.randrange(len(case.content))
    return case.of(case.content[:place] + wrong + case.content[place:])


@kind("comments, no quotes, other quotes")
def dialects(random: Random) -> Case:
    dialect = random.choice(
        [
            *(Csv(comment="#"), Csv(quote=None), Csv(quote="'", comment="#", delimiter="\t")),
            *(Csv(quote=None, comment="%"), Csv(delimiter=" "), Csv(delimiter="'", quote=";")),
        ]
    )
    draft = drafted(random, dialect=dialect, text=random.choice([good_text, any_text]))
    text = draft.text()
    for _ in range(3):
        signs = random.choice(
            ["\n#", "\n%", "#", "'", '"', "\n#'\n", '\n#"\0\r\n', "\n\n", "\n'#\n'"]
        )
        text = put(random, text, signs)
    return draft.case(random.choice(["# of it's\n", "", "", "\n"]) + text)


@kind("cut at any byte")
def cut(random: Random) -> Case:
    case = drafted(random, text=random.choice([good_text, any_text])).case()
    content = case.content[: random.randrange(len(case.content) + 1)]
    return case.of(content + random.choice([b"", b"\n"]))


@kind("bytes changed")
def changed(random: Random) -> Case:
    case = drafted(random).case()
    content = bytearray(case.content)
    for _ in range(random.randint(1, 4)):
        content[random.randrange(len(content))] = random.choice(b'"\n\r\0,;\xff\xc3#a0')
    return case.of(bytes(content), missing=random.choice(["refuse", "null"]))


@kind("parts twice or out of order")
def shuffled(random: Random) -> Case:
    case = drafted(random).case()
    first, second = sorted(random.randrange(len(case.content) + 1) for _ in range(2))
    begin, middle, rest = case.content[:first], case.content[first:second], case.content[second:]
    return case.of(
        random.choice([begin + middle + middle + rest, begin + rest, middle + begin + rest])
    )


@kind("several at once")
def several(random: Random) -> Case:
    text = drafted(random, random.choice(["codes", "numbers", "one", "trimmed"]), Csv()).text()
    draft = drafted(random, random.choice(["codes", "numbers", "one", "trimmed"]), Csv())
    text = draft.text()
    for _ in range(random.randint(2, 8)):
        signs = ['"', "\r", "\n", "\0", ",", '"x\ny"', "\n\n", '\n"', "x" * RECORD_BYTES, "\ufeff"]
        text = put(random, text, random.choice(signs))
    return draft.case(text)
