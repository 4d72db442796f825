"""Spec classes say in a sentence what is wrong with how they are called: an argument that is
missing, that they do not have, or of another type.

Which values fit a contract is checked elsewhere (`spec_checks.py`). Types are looked at from
outside only, not within lists and dicts.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any, TypeVar, cast

from etl_assets.core.errors import SpecError
from etl_assets.core.near_names import near
from etl_assets.core.wording import count_of, is_or_are

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
_KNOWN: dict[type, Mapping[str, Any]] = {}
_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD
_NAMED = inspect.Parameter.KEYWORD_ONLY

_WORDS: Mapping[type, str] = {
    str: "a text",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    timedelta: "a time span, like timedelta(minutes=5)",
    datetime: "a moment",
    date: "a day",
    time: "a time of day",
    Mapping: "a dict",
    Sequence: "a list",
    Collection: "a list",
    tuple: "a tuple",
    list: "a list",
    dict: "a dict",
}


def spec_class(cls: type[T]) -> type[T]:
    """Let a dataclass refuse a wrong call with SpecError in place of Python's TypeError."""
    make = cls.__init__
    call = _Call(cls.__name__, make)

    @functools.wraps(make)
    def __init__(self: Any, *given: Any, **named: Any) -> None:  # noqa: N807 - it takes its place
        try:
            make(self, *given, **named)
        except (SpecError, ValueError):
            raise
        except Exception:
            call.refuse(given, named)
            # Something of another type was taken for what it should be: say that, not how it ended.
            for told in _wrong_types(cls, self, given, named):
                raise told from None
            raise

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls


def spec_function(function: F) -> F:
    """The same for a function that specs are written with."""
    call = _Call(function.__name__, function)

    @functools.wraps(function)
    def called(*given: Any, **named: Any) -> Any:
        try:
            return function(*given, **named)
        except TypeError:
            call.refuse(given, named)
            raise

    return cast("F", called)


def refuse_types(spec: Any) -> None:
    """Raises SpecError for a field of a spec, or of one within it, that has another type."""
    for name, value, hint in _fields_of(spec):
        if not _fits(value, hint):
            raise _wrong_type(spec, name, value, hint)
        if is_dataclass(value) and not isinstance(value, type):
            refuse_types(value)


@dataclass(frozen=True)
class _Call:
    """How a class or a function is called."""

    name: str
    make: Callable[..., Any]

    @functools.cached_property
    def parameters(self) -> Sequence[inspect.Parameter]:
        """Those that are written down."""
        every = inspect.signature(self.make).parameters.values()
        return [one for one in every if one.name != "self"]

    def refuse(self, given: Sequence[Any], named: Mapping[str, Any]) -> None:
        """Raises SpecError for arguments that are too many, unknown or missing."""
        fixed = [one for one in self.parameters if one.kind in (_EITHER, _NAMED)]
        known = [one.name for one in fixed]
        takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in self.parameters)
        in_order = [one.name for one in fixed if one.kind is _EITHER]
        placed = in_order[: len(given)]
        for name in () if takes_all else named:
            if name not in known:
                close = near(name, known)
                meant = f"Did you mean {close[0]}? " if close else ""
                raise SpecError(
                    f"{self.name} has no argument {name!r}.", f"{meant}It has {', '.join(known)}."
                )
        if len(given) > len(in_order):
            values = count_of(len(given), "value")
            what = f"{self.name} is given {values} in order, and takes {len(in_order)}."
            raise SpecError(what, self.example)
        for name in placed:
            if name in named:
                raise SpecError(f"{self.name}: {name} is given twice.", self.example)
        without = [one.name for one in self.needed if one.name not in (*placed, *named)]
        if without:
            what = f"{self.name}: {', '.join(without)} {is_or_are(len(without))} missing."
            raise SpecError(what, self.example)

    @property
    def needed(self) -> Sequence[inspect.Parameter]:
        """The parameters without a default."""
        return [
            one
            for one in self.parameters
            if one.default is one.empty and one.kind in (_EITHER, _NAMED)
        ]

    @property
    def example(self) -> str:
        """`Write Epoch(columns=…, unit="seconds").`: all that has no default."""
        shown = [f"{one.name}={_value_shown(one.annotation)}" for one in self.needed]
        return f"Write {self.name}({', '.join(shown)})."


def _value_shown(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return repr(typing.get_args(hint)[0]).replace("'", '"')
    return '"…"' if hint is str else "…"


def _wrong_types(
    cls: type, spec: Any, given: Sequence[Any], named: Mapping[str, Any]
) -> Iterator[SpecError]:
    known = [one for one in fields(cls) if one.init] if is_dataclass(cls) else []
    values = {**dict(zip((one.name for one in known), given, strict=False)), **named}
    hints = _hints(cls)
    for name, value in values.items():
        if not _fits(value, hints.get(name, Any)):
            yield _wrong_type(spec, name, value, hints[name])


def _wrong_type(spec: Any, name: str, value: object, hint: Any) -> SpecError:
    kind = type(spec).__name__
    what = f"{kind}: {name} is {value!r:.60}, of type {type(value).__name__}."
    return SpecError(what, f"Write {_shown(hint)}.")


def _fields_of(spec: Any) -> Iterator[tuple[str, Any, Any]]:
    hints = _hints(type(spec))
    for one in fields(spec):
        if one.init:
            yield one.name, getattr(spec, one.name, None), hints.get(one.name, Any)


def _hints(cls: type) -> Mapping[str, Any]:
    if cls not in _KNOWN:
        try:
            _KNOWN[cls] = typing.get_type_hints(cls)
        except (NameError, TypeError):  # a name that only a type checker knows
            _KNOWN[cls] = {}
    return _KNOWN[cls]


def _fits(value: object, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if origin is typing.Literal:
        return True  # which of the texts there are is for the check that names them
    if origin is type:
        return isinstance(value, type)
    if origin is typing.Annotated:
        return _fits(value, typing.get_args(hint)[0])
    kind = origin or hint
    if kind is Callable or getattr(kind, "_is_protocol", False):
        return callable(value)
    if not isinstance(kind, type):
        return True
    if issubclass(kind, Collection) and not issubclass(kind, str) and isinstance(value, str):
        return False
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _shown(hint: Any) -> str:
    """What to write, in words."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(dict.fromkeys(_shown(one) for one in typing.get_args(hint)))
    if origin is typing.Literal:
        return " or ".join(repr(one) for one in typing.get_args(hint))
    if hint is None or hint is type(None):
        return "None"
    kind = origin or hint
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"{kind.__name__}.{one.name}" for one in kind)
    if kind is type:
        (of,) = typing.get_args(hint) or ("class",)
        return f"a class that inherits from {getattr(of, '__name__', of)}"
    if kind is Callable or getattr(kind, "_is_protocol", False):
        return "a function"
    if kind in _WORDS:
        return _WORDS[kind]
    return f"a {getattr(kind, '__name__', str(kind))}"
