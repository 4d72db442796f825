"""A proposed table as the text of its module, formatted. Pure; nothing is decided here.

No value of a row is in it, but for the words of a small vocabulary in comments.
"""

from collections.abc import Iterator, Mapping, Sequence

from etl_assets.scaffold.names import class_name
from etl_assets.scaffold.proposal import ProposedColumn, ProposedTable
from etl_assets.scaffold.python_text import (
    WIDTH,
    Call,
    Expression,
    annotation,
    comment,
    docstring,
    laid_out,
    text,
    value,
    width_of,
)

_ROOM = WIDTH - len('        description="",')


def module_text(table: ProposedTable, *, is_first_party: bool = False) -> str:
    """The module. `is_first_party` says that etl_assets lies in the same folder as the package, so
    that its imports stand by themselves."""
    raw, staged = f"Raw{class_name(table.name)}", f"Staged{class_name(table.name)}"
    contracts = [*_contract(raw, table, table.columns, is_staged=False)]
    if table.is_staged_apart:
        contracts += ["", "", *_contract(staged, table, table.columns, is_staged=True)]
    body = [
        *contracts,
        "",
        "",
        *_stage(table),
        "",
        "",
        *_spec(table, raw, staged if table.is_staged_apart else raw),
    ]
    head = _head(table)
    imports = _imports(table, "\n".join(body), is_first_party=is_first_party)
    return "\n".join([*head, "", *imports, "", "", *body]) + "\n"


def _head(table: ProposedTable) -> list[str]:
    return docstring(
        [
            f"{table.name}: {table.place}, proposed by `etl-assets add-table`",
            f"It was {table.looked_at}. What was guessed is said where it stands. It is yours: "
            "correct what you know better; nothing writes it again",
        ]
    )


def _imports(table: ProposedTable, body: str, *, is_first_party: bool) -> list[str]:
    lines = []
    standard = []
    if "Decimal(" in body.replace("pl.Decimal", ""):
        standard.append("from decimal import Decimal")
    if "Annotated[" in body:
        standard.append("from typing import Annotated")
    if standard:
        lines += [*standard, ""]
    lines.append("import polars as pl")
    if is_first_party:
        lines.append("")
    own: dict[str, set[str]] = {
        "etl_assets.core.contracts": {"Contract", "column"},
        "etl_assets.core.spec": {"TableSpec"},
    }
    if "exact_decimal(" in body:
        own["etl_assets.core.money"] = {"exact_decimal"}
    for module, names in table.imports.items():
        own.setdefault(module, set()).update(names)
    lines += [
        f"from {module} import {', '.join(sorted(names, key=_import_order))}"
        for module, names in sorted(own.items())
    ]
    return lines


def _import_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as isort has them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _contract(
    name: str, table: ProposedTable, columns: Sequence[ProposedColumn], *, is_staged: bool
) -> Iterator[str]:
    yield f"class {name}(Contract):"
    what = "cleaned and typed" if is_staged else "as the source has it"
    yield from docstring([f"{table.row}, {what}"], 4)
    yield ""
    for column in columns:
        if not is_staged:
            for note in column.notes:
                yield from comment(note, 4)
        yield from _column(column, is_staged=is_staged)
    yield ""
    yield "    class Config:"
    yield '        """The key."""'
    yield ""
    yield laid_out("unique = ", value(tuple(table.key)), "", 8)


def _column(column: ProposedColumn, *, is_staged: bool) -> Iterator[str]:
    dtype = column.staged if is_staged and column.staged else column.dtype
    options = dict(column.options)
    if is_staged:
        options.pop("source_name", None)
        options.pop("source_zone", None)
        if dtype != column.dtype:
            options["nullable"] = True
    described = _fitting(column.description)
    if described != text(column.description) and not is_staged:
        yield from comment(column.description, 4)
    arguments: list[tuple[str, Expression]] = [("description", described)]
    arguments += [(name, value(given)) for name, given in options.items()]
    arguments += [(name, _check(given)) for name, given in column.checks.items()]
    begin = f"{column.attribute}: {annotation(dtype)} = "
    yield laid_out(begin, Call("column", arguments), "", 4)


def _check(given: object) -> Expression:
    from decimal import Decimal

    return f'Decimal("{given}")' if isinstance(given, Decimal) else value(given)


def _fitting(description: str) -> str:
    """The description as a literal that fits on a line; a longer one ends in three points."""
    plain = " ".join(description.split()) or "?"
    literal = text(plain)
    while width_of(literal) - 2 > _ROOM:
        plain = plain[: min(len(plain) - 4, _ROOM)].rstrip(" .…")
        shorter = plain.rpartition(" ")[0]
        plain = f"{shorter if len(shorter) > _ROOM // 2 else plain}…"
        literal = text(plain)
    return literal


def _stage(table: ProposedTable) -> Iterator[str]:
    made = [column for column in table.columns if column.how]
    yield "def stage(raw: pl.LazyFrame) -> pl.LazyFrame:"
    if not made:
        yield '    """Rows as they are: nothing of them wants cleaning."""'
        yield "    return raw"
        return
    padded = [column for column in made if column.how.startswith(".")]
    numbers = [column for column in made if not column.how.startswith(".")]
    told = (["without the padding of char(n)"] if padded else []) + (
        ["with numbers where raw has their texts"] if numbers else []
    )
    yield from docstring([f"Rows {', and '.join(told)}"], 4)
    expressions: list[Expression] = [_made(column) for column in made]
    yield laid_out("return ", Call("raw.with_columns", [("", one) for one in expressions]), "", 4)


def _made(column: ProposedColumn) -> Expression:
    source: Expression = f"pl.col({text(column.name)})"
    if column.how.startswith("."):
        return f"{source}{column.how}"
    function, _, rest = column.how.partition("(")
    arguments = [("", source), *(("", one) for one in rest.rstrip(")").split(", "))]
    return Call(function, arguments)


def _spec(table: ProposedTable, raw: str, staged: str) -> Iterator[str]:
    for reason in table.reasons:
        yield from comment(reason.told)
    for warning in table.warnings:
        yield from comment(warning)
    arguments: Mapping[str, Expression] = {
        "name": text(table.name),
        "source": table.source,
        "raw": raw,
        "staged": staged,
        "stage": "stage",
        "description": _fitting(table.description),
        "partition_column": value(table.partition_column),
        "cursor_column": table.cursor,
        "domain": text(table.domain),
        **table.spec,
    }
    yield laid_out("TABLE = ", Call("TableSpec", list(arguments.items())))
