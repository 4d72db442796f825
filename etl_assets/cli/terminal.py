"""What the terminal can show: colours, and lines that are drawn again. Nothing is printed here.

The variables that are read here belong to the terminal and to CI services, not to the platform's
settings, and a command must know them before it reads any setting.
"""

import os
import sys
from collections.abc import Mapping
from typing import IO, Any

_NEITHER = ("", "0", "false", "no")


def color_choice(environment: Mapping[str, str] | None = None) -> bool | None:
    """Whether to use colours: True always, False never, None where a stream is a terminal.

    NO_COLOR (https://no-color.org) wins over FORCE_COLOR. A dumb terminal gets none, nor does the
    log of a CI job.
    """
    given = os.environ if environment is None else environment
    if given.get("NO_COLOR"):
        return False
    forced = given.get("FORCE_COLOR")
    if forced is not None and forced != "":
        return forced.lower() not in _NEITHER
    return False if _is_dumb(given) or _is_ci(given) else None


def has_color(stream: IO[Any]) -> bool:
    """Whether texts on this stream have colours."""
    choice = color_choice()
    return _is_terminal(stream) if choice is None else choice


def is_live(stream: IO[Any]) -> bool:
    """Whether lines on this stream can be drawn again, as a progress bar is."""
    return _is_terminal(stream) and not _is_dumb(os.environ) and not _is_ci(os.environ)


def stderr() -> IO[str]:
    """The stream of messages and of progress, as it is now."""
    return sys.stderr


def _is_terminal(stream: IO[Any]) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


def _is_dumb(environment: Mapping[str, str]) -> bool:
    return environment.get("TERM", "").lower() in ("dumb", "unknown")


def _is_ci(environment: Mapping[str, str]) -> bool:
    return environment.get("CI", "").lower() not in _NEITHER
