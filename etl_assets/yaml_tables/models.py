"""From a dataclass of the specs to a model of what YAML may say of it: the same names and defaults.

Generic on purpose: a field that a spec gains can be written in YAML at once. What a whole table
says is `table.py`.
"""

import re
import types
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model, model_validator

KIND = "kind"
"""What tells the members of a union apart: `kind: csv`."""


class Part(BaseModel):
    """A part of a YAML table: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SpecPart(Part):
    """A part that stands for a dataclass of the specs."""

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        self.made()  # what the dataclass itself refuses is told with its place
        return self

    def made(self) -> Any:
        """The dataclass; raises ValueError where that refuses its values."""
        spec: type = self.__spec__  # type: ignore[attr-defined]
        given = {
            name: _made(getattr(self, name))
            for name in type(self).model_fields
            if name != KIND and name in self.model_fields_set
        }
        return spec(**{name.rstrip("_"): value for name, value in given.items()})


def model_of(spec: type, *, without: Collection[str] = (), tagged: bool = False) -> type[SpecPart]:
    """The model of a dataclass, without some of its fields; `tagged` has a `kind` beside them."""
    return _model_of(spec, frozenset(without), tagged)


@cache
def _model_of(spec: type, without: frozenset[str], tagged: bool) -> type[SpecPart]:
    hints = get_type_hints(spec, localns={"BaseModel": BaseModel})
    shown: dict[str, Any] = {}
    for one in fields(spec):
        if one.name in without:
            continue
        name, default = one.name, one.default
        if default is MISSING and one.default_factory is not MISSING:
            default = None
        # `schema` is a method of every model: the field has another name, and this as its alias.
        attribute = f"{name}_" if hasattr(BaseModel, name) else name
        alias = name if attribute != name else None
        required = one.default is MISSING and one.default_factory is MISSING
        kind = _annotation(hints[name])
        if one.default_factory is not MISSING:
            kind = kind | None
        shown[attribute] = (kind, Field(... if required else default, alias=alias))
    if tagged:
        shown = {KIND: (Literal[kind_of(spec)], ...), **shown}
    model = create_model(f"{spec.__name__}Yaml", __base__=SpecPart, **shown)
    model.__doc__ = (spec.__doc__ or "").split("\n\n")[0]
    model.__spec__ = spec  # type: ignore[attr-defined]
    return model


def kind_of(spec: type) -> str:
    """`CursorPages` is written `cursor_pages`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", spec.__name__).lower()


def _annotation(hint: Any) -> Any:
    """The same type, with models in the place of dataclasses."""
    if is_dataclass(hint) and isinstance(hint, type):
        return model_of(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is None or origin is Literal:
        return hint
    if origin is Annotated:
        return hint
    inner = tuple(_annotation(one) if one is not Ellipsis else one for one in arguments)
    return (dict if origin is Mapping else origin)[inner]


def _union(members: tuple[Any, ...]) -> Any:
    specs: list[type] = [one for one in members if is_dataclass(one)]  # type: ignore[misc]
    others = [_annotation(one) for one in members if not is_dataclass(one)]
    if len(specs) > 1:
        tagged = tuple(Annotated[model_of(one, tagged=True), Tag(kind_of(one))] for one in specs)
        kinds = " or ".join(f"{KIND}: {kind_of(one)}" for one in specs)
        told = f"it does not say which kind it is. Write {kinds}."
        by_kind = Discriminator(_kind_in, custom_error_type=KIND, custom_error_message=told)
        others.insert(0, Annotated[Union[tagged], by_kind])  # noqa: UP007 - made of a list
    else:
        others = [*(model_of(one) for one in specs), *others]
    return Union[tuple(others)]  # noqa: UP007 - made of a list


def _kind_in(value: Any) -> Any:
    return value.get(KIND) if isinstance(value, Mapping) else getattr(value, KIND, None)


def _made(value: Any) -> Any:
    if isinstance(value, SpecPart):
        return value.made()
    if isinstance(value, Mapping):
        return {name: _made(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_made(one) for one in value)
    return value
