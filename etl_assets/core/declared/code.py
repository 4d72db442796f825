"""A digest of a function's text, by which a changed transform is known. Pure.

Comments, docstrings and layout do not count. What the function calls counts as far as it is of the
same package; a library's function counts by its name alone.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache
from types import FunctionType
from typing import Any

from etl_assets.core.fingerprint import fingerprint

_PLAIN = (str, bytes, bool, int, float, date, time, timedelta, Decimal, type(None))
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@cache
def code_digest(function: Callable[..., Any]) -> str | None:
    """The digest of a function and of its package's functions that it calls; None where Python
    has no text of it, as of one that was typed at a prompt."""
    try:
        return fingerprint(list(_texts(function, set())))
    except (OSError, TypeError):
        return None


def _texts(given: Any, seen: set[Any]) -> Iterator[str]:
    function = inspect.unwrap(given)
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        yield _ADDRESS.sub("", repr(function))
        return
    if function in seen:
        return
    seen.add(function)
    yield _normal(inspect.getsource(function))
    root = function.__module__.partition(".")[0]
    outside = inspect.getclosurevars(function)
    for name, value in sorted({**outside.globals, **outside.nonlocals}.items()):
        yield name
        of_package = getattr(value, "__module__", "") or ""
        if isinstance(value, FunctionType) and of_package.partition(".")[0] == root:
            yield from _texts(value, seen)
        elif (text := _constant(value)) is not None:
            yield text


def _constant(value: object) -> str | None:
    """A value that a function refers to, as text that is the same in every process."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, dict):
        values: Iterable[object] = value.values()
    elif isinstance(value, tuple | list | set | frozenset):
        values = value
    else:
        return None
    if not all(isinstance(one, _PLAIN) for one in values):
        return None
    if isinstance(value, dict):
        return repr(sorted(value.items(), key=repr))
    return repr(value) if isinstance(value, tuple | list) else repr(sorted(value, key=repr))


def _normal(source: str) -> str:
    """The text as Python itself would lay it out; as it is where it is only part of a statement."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return source.strip()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
