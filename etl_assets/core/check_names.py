"""Pandera's checks by name, and how Pandera words them, without importing Pandera.

A test holds both to Pandera itself. What the checks do with rows is Pandera's, by way of
`core/rules.py`.
"""

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

_CHECKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "eq": ("equal_to({value})", ("value",)),
    "ne": ("not_equal_to({value})", ("value",)),
    "gt": ("greater_than({min_value})", ("min_value",)),
    "ge": ("greater_than_or_equal_to({min_value})", ("min_value",)),
    "lt": ("less_than({max_value})", ("max_value",)),
    "le": ("less_than_or_equal_to({max_value})", ("max_value",)),
    "in_range": ("in_range({min_value}, {max_value})", ("min_value", "max_value")),
    "between": ("in_range({min_value}, {max_value})", ("min_value", "max_value")),
    "isin": ("isin({allowed_values})", ("allowed_values",)),
    "notin": ("notin({forbidden_values})", ("forbidden_values",)),
    "str_contains": ("str_contains('{pattern}')", ("pattern",)),
    "str_endswith": ("str_endswith('{string}')", ("string",)),
    "str_matches": ("str_matches('{pattern}')", ("pattern",)),
    "str_length": ("str_length({min_value}, {max_value})", ("min_value", "max_value")),
    "str_startswith": ("str_startswith('{string}')", ("string",)),
    "unique_values_eq": ("unique_values_eq({values})", ("values",)),
}
"""By name, in the order in which Pandera runs them: its words, and the names of its arguments."""

CHECK_OPTIONS = ("ignore_na", "raise_warning", "n_failure_cases")
"""Pandera's options of a column that apply to all of its checks."""

_COLUMN_CHECK, _FRAME_CHECK = "__check_config__", "__dataframe_check_config__"


def is_check(name: str) -> bool:
    """Whether Pandera has the check, or the check was registered with it (`pandera.extensions`)."""
    return name in _CHECKS or name in _registered()


def checks_shown(checks: Mapping[str, Any]) -> list[str]:
    """A column's checks in Pandera's words, in its order; a registered check is its name."""
    built_in = [_shown(name, checks[name]) for name in _CHECKS if name in checks]
    return [*built_in, *(name for name in _registered() if name in checks)]


def custom_checks(contract: type, *, of_columns: bool) -> list[Any]:
    """What `@pa.check` (or `@pa.dataframe_check`) left on methods of the contract and its bases.

    A method that is overridden counts once, as in Pandera; the contract's own come first.
    """
    found: dict[str, Any] = {}
    for owner in contract.__mro__[:-1]:
        for name, method in vars(owner).items():
            left = getattr(method, _COLUMN_CHECK if of_columns else _FRAME_CHECK, None)
            if left is not None:
                found.setdefault(name, left)
    return list(found.values())


def is_about(check: Any, column: str) -> bool:
    """Whether a method with `@pa.check(...)` is about this column."""
    names = [str(getattr(given, "name", given)) for given in check.fields]
    return any(re.match(n, column) for n in names) if check.regex else column in names


def custom_shown(check: Any) -> str:
    """The name of a method's check as Pandera has it."""
    given = check.check_kwargs
    return str(given.get("error") or given.get("name") or check.check_fn.__name__)


def _shown(name: str, argument: Any) -> str:
    template, parameters = _CHECKS[name]
    if isinstance(argument, dict):
        given = argument
    else:
        values = argument if isinstance(argument, tuple) else (argument,)
        given = dict(zip(parameters, values, strict=False))
        if name == "str_length" and len(values) == 1:
            given = {"exact_value": values[0]}
    if given.get("exact_value") is not None:
        template = "str_length({exact_value})"
    return template.format(**{**dict.fromkeys(parameters), **given})


def _registered() -> Mapping[str, Callable[..., Any]]:
    """Checks of others: who registered one has imported Pandera."""
    pandera = sys.modules.get("pandera.api.checks")
    return pandera.Check.REGISTERED_CUSTOM_CHECKS if pandera else {}
