"""CSV files whose header is wrong, or only odd, by kinds."""

from dataclasses import replace
from random import Random

from etl_assets_tests.files.hostile.cases import Case
from etl_assets_tests.files.hostile.kinds.csv_drafts import drafted, quoted, wide
from etl_assets_tests.files.hostile.kinds.kind import Kind, kinds

KINDS: dict[str, Kind] = {}
kind = kinds(KINDS)


@kind("header only, or nothing")
def header_only(random: Random) -> Case:
    draft = drafted(random)
    draft.lines = []
    texts = [
        draft.text(),
        "",
        "\n",
        "\r\n",
        "\n\n\n",
        draft.text().strip(),
        '""\n',
        ",\n",
        " \n",
        "\0\n",
    ]
    return draft.case(random.choice(texts))


@kind("columns in another order, missing or more")
def columns_elsewhere(random: Random) -> Case:
    draft = wide(random)
    order = random.sample(range(len(draft.names)), len(draft.names))
    draft.names = [draft.names[place] for place in order]
    draft.lines = [[line[place] for place in order] for line in draft.lines]
    if random.random() < 0.5:
        del draft.names[-1]
        for line in draft.lines:
            del line[-1]
    if random.random() < 0.5:
        draft.names.insert(
            0, random.choice(["extra", '"ex,""tra"', "\u00e9", "Id", "id ", "_lines"])
        )
        for line in draft.lines:
            line.insert(0, random.choice(["1", '"a""b"', "", '""', '"\n"', "007", "\u00e9"]))
    changes = {"missing": random.choice(["refuse", "null"]), "overflow": random.random() < 0.5}
    return replace(draft.case(), **changes)


@kind("duplicate names in the header")
def duplicates(random: Random) -> Case:
    draft = drafted(random)
    again = random.choice([*draft.names, "x", ""])
    for line in (draft.names, *draft.lines):
        line += [again, again] if line is draft.names else ["1", "2"]
    return draft.case()


@kind("the header again")
def header_again(random: Random) -> Case:
    draft = drafted(random)
    for _ in range(random.randint(1, 3)):
        draft.lines.insert(random.randrange(len(draft.lines) + 1), list(draft.names))
    if random.random() < 0.3:
        draft.lines.append([quoted(name) for name in draft.names])
    text = draft.text()
    return draft.case(text.replace(draft.end, "\n", 1) if random.random() < 0.3 else text)


@kind("names in the header that are not quite right")
def odd_header(random: Random) -> Case:
    draft = drafted(random)
    place = random.randrange(len(draft.names))
    name = draft.names[place]
    draft.names[place] = random.choice(
        [
            name.upper(),
            name + " ",
            "\ufeff" + name,
            quoted(name),
            "",
            f'"{name}',
            name + "\0",
            name[:-1],
        ]
    )
    return replace(draft.case(), missing=random.choice(["refuse", "null"]))


@kind("no header where one is declared, or one where none is")
def header_or_not(random: Random) -> Case:
    draft = drafted(random)
    if random.random() < 0.5:
        draft.dialect = replace(draft.dialect, header=False)
        if random.random() < 0.3:
            return draft.case(random.choice(["", "\ufeff", "\n", "\ufeff\n"]))
        return draft.case(random.choice(["", draft.joined(draft.names) + "\n"]) + draft.text())
    return draft.case("".join(draft.joined(line) + "\n" for line in draft.lines))
