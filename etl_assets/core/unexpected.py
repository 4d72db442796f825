"""How an error is told that nobody foresaw: its kind, where it came up, and what to do.

A message never sends to a log for its own cause, and never repeats a row's values, which may stand
in the message of any library. Errors of ours tell themselves (`errors.py`).
"""

import re
import traceback
from pathlib import Path

from etl_assets.core.errors import EtlError
from etl_assets.core.extras import not_installed

_PACKAGE = Path(__file__).parents[1]
_LONGEST = 200
# What is quoted, and what looks like a number of some length or an address.
_VALUE = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\S+@\S+|\d{4,}""")
# Their quoted words are names in the code.
_NAMES_CODE = (AttributeError, ImportError, NameError)


def told(error: BaseException) -> str:
    """One message: what happened, where, and the next step."""
    if isinstance(error, EtlError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (missing := not_installed(error)):
        return str(missing)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return (
            f"The file or folder {error.filename} cannot be used ({error.strerror}). "
            "Give this user the right to read and write it, or name another place: ETL_HOME is "
            "the data folder, WAREHOUSE_URL names the warehouse's file. Then run it again."
        )
    return (
        f"{type(error).__name__}: {_first_line(error)} ({place_of(error)}). "
        "The platform did not expect this error. Nothing unfinished was published. Run it again; "
        "if the error comes again, report it with this message."
    )


def place_of(error: BaseException) -> str:
    """The last line of this package that the error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not own:
        return "outside the platform's own code"
    path = Path(own[-1].filename).relative_to(_PACKAGE.parent)
    return f"{path}, line {own[-1].lineno}, in {own[-1].name}"


def stack_of(error: BaseException) -> str:
    """The lines of code that the error came through: names and places, no values."""
    return "".join(traceback.format_tb(error.__traceback__))


def _first_line(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or ["no message"])[0]
    if not isinstance(error, _NAMES_CODE):
        first = _VALUE.sub("…", first)
    return first[:_LONGEST].rstrip(".")
