"""The last step before the terminal: control characters of data are written so that they are seen.

A value of a source may hold what a terminal obeys: colours, a new title, text that runs backwards.
Our own colours are made by `styled`, which marks them, so that no value can have them. What is
printed is the commands' matter; `--json` has its own escapes.
"""

import os
import re
from typing import Any

import click

_OURS = os.urandom(8).hex()
"""Behind the ESC of our own codes; drawn anew in each process, so that no data can have it."""

_CONTROLS = re.compile(
    f"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\x1b(?!{_OURS})"
)
_HALVES = re.compile("[\ud800-\udfff]")
_LAYOUT = re.compile("[\t\n]")


def visible(text: str) -> str:
    r"""The text with its control characters as `\x1b` or `\u202e`, and our own colours as codes.

    These are C0 and C1, the controls of bidirectional text, and what is no character. Line feed and
    tab are layout, and stay.
    """
    return _CONTROLS.sub(_written, text).replace(f"\x1b{_OURS}", "\x1b")


def visible_value(text: str) -> str:
    """The same for a value of data within a line, where line feed and tab are no layout."""
    return _LAYOUT.sub(_written, _CONTROLS.sub(_written, text))


def styled(text: str, **style: Any) -> str:
    """The text in a style of `click.style`, for what is printed by `echo`."""
    begin, end = click.style("|", **style).split("|")
    return "".join(
        (begin.replace("\x1b", f"\x1b{_OURS}"), text, end.replace("\x1b", f"\x1b{_OURS}"))
    )


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text of a command, without what a terminal would obey but our own colours."""
    click.echo(visible(text), err=err, nl=nl)


def echo_json(text: str) -> None:
    """Print a JSON document, which has its own escapes of what is C0."""
    # Half of a pair of surrogates is no character, and nothing can print it.
    click.echo(_HALVES.sub(_written, text))


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
