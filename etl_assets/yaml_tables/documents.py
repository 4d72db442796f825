"""Reads the YAML files of a package of tables: which tables they declare, and what is wrong with
them, each in a sentence with file, line and field.

What may be written is `table.py`. Documents of other components are Dagster's and not read here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from etl_assets.core.errors import SpecError
from etl_assets.core.spec import TableSpec
from etl_assets.yaml_tables.table import SOURCES, SourceTableYaml
from etl_assets.yaml_tables.words import in_yaml

TYPE: Final = "etl_assets.SourceTable"
_BESIDE = ("type", "attributes", "requirements")

_TEXTS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")

Place = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Dates stay text, as in Dagster's own reading of the file."""


_Loader.yaml_implicit_resolvers = {
    sign: [(tag, form) for tag, form in known if tag != "tag:yaml.org,2002:timestamp"]
    for sign, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a document, in a sentence or two; `name` is its table's, if it says it."""

    message: str
    name: str | None


def read(file: Path, shown: str) -> list[TableSpec | Wrong]:
    """What the documents of our type in a file declare; `shown` is the file in messages."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [Wrong(f"{shown} cannot be read ({type(error).__name__}).", None)]
    if TYPE not in text:
        return []
    loader = _Loader(text)
    found: list[TableSpec | Wrong] = []
    try:
        while loader.check_node():
            node = loader.get_node()
            document = _Document(node, shown)
            unusable = document.unusable_key()
            value = loader.construct_document(node)
            if isinstance(value, dict) and value.get("type") == TYPE:
                found.append(unusable or document.table(value))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        found.append(Wrong(f"{shown}{line}: this is no YAML: {error.problem}.", None))
    except yaml.YAMLError as error:
        found.append(Wrong(f"{shown}: this is no YAML: {str(error).splitlines()[0]}.", None))
    finally:
        loader.dispose()
    return found


@dataclass(frozen=True)
class _Document:
    """One document of a file, whose nodes know their lines."""

    node: Any
    shown: str

    def table(self, value: dict[str, Any]) -> TableSpec | Wrong:
        """The spec that it declares, or all that is wrong with it."""
        given = value.get("attributes")
        name = given.get("name") if isinstance(given, dict) else None
        name = name if isinstance(name, str) else None
        beside = [key for key in value if key not in _BESIDE]
        if beside:
            what = f"{TYPE} has no {beside[0]}. Write {', '.join(_BESIDE)} alone."
            return self._wrong((beside[0],), what, name)
        try:
            return SourceTableYaml.model_validate(given if given is not None else {}).spec()
        except ValidationError as error:
            sentences = [self._told(one) for one in error.errors(include_url=False)]
            return Wrong(" ".join(dict.fromkeys(sentences)), name)
        except SpecError as error:
            told = str(error).removeprefix(f"TableSpec {error.table}: ")
            told = in_yaml(told)
            if error.field is None:
                return self._wrong(("attributes",), told, error.table)
            fields = {**_FIELDS, "source": next((s for s in SOURCES if s in (given or {})), "")}
            field = fields.get(error.field, error.field)
            what = told.removeprefix(f"{error.field}: ")
            return self._wrong(("attributes", field), what, error.table)

    def unusable_key(self) -> Wrong | None:
        """A key that a mapping has twice, of which YAML would take the last one without a word, or
        one that YAML takes for something else than a text, as it does `on` and `true`."""
        for place, key, what in _unusable(self.node, ()):
            line = key.start_mark.line + 1
            return Wrong(f"{self.shown}, line {line}: {_shown((*place, key.value))}: {what}", None)
        return None

    def _told(self, error: Any) -> str:
        what = str(error["msg"]).removeprefix("Value error, ")
        place = [one for one in error["loc"] if self._is_written(error, one)]
        written = error.get("input")
        if error["type"] == "extra_forbidden":
            what = "there is no such field."
        elif error["type"] == "missing":
            what = "it is missing."
        elif error["type"] in ("enum", "literal_error"):
            what = f"{written!r} is none of them. {what}" if isinstance(written, str) else what
        what = what if what.endswith((".", "?")) else f"{what}."
        return self._wrong(("attributes", *place), what, None).message

    def _is_written(self, error: Any, part: str | int) -> bool:
        """Whether the part of a place is a key or a number of the file, not pydantic's own."""
        return isinstance(part, int) or part in _keys(self.node) or part == error["loc"][-1]

    def _wrong(self, place: Sequence[str | int], what: str, name: str | None) -> Wrong:
        line = _line(self.node, place)
        shown = _shown(tuple(place)[1:] if place[:1] == ("attributes",) else place)
        return Wrong(f"{self.shown}, line {line}: {shown}{': ' if shown else ''}{what}", name)


_FIELDS = {"raw": "columns", "staged": "columns"}
"""What YAML calls the fields of a TableSpec that it does not have."""


def _line(node: Any, place: Sequence[str | int]) -> int:
    """The line of a place, from 1; that of what is around it, where it is not written."""
    line: int = node.start_mark.line
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                continue
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def _keys(node: Any) -> set[str]:
    if isinstance(node, yaml.MappingNode):
        inner = (_keys(value) for _, value in node.value)
        return {str(key.value) for key, _ in node.value}.union(*inner)
    if isinstance(node, yaml.SequenceNode):
        return set().union(*map(_keys, node.value))
    return set()


def _unusable(node: Any, place: Place) -> Iterator[tuple[Place, Any, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[Any] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _TEXTS:
                what = "YAML does not read this as a text. Write it in quotes."
                yield place, key, what
            elif key.value in seen:
                yield place, key, "it stands there twice."
            else:
                seen.add(key.value)
                yield from _unusable(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for number, one in enumerate(node.value):
            yield from _unusable(one, (*place, number))


def _shown(place: Sequence[str | int]) -> str:
    """`columns[2].type`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text.removeprefix("attributes.").removeprefix("attributes")
