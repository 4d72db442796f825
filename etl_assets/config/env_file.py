"""The file `.env`: variables that complete the environment. What they mean is `environment.py`."""

from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from etl_assets.core.errors import ConfigError


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of the file; none where there is no file.

    Raises ConfigError, which names the file and quotes nothing of it, where it cannot be read.
    """
    path = path.absolute()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return {}
    except UnicodeDecodeError:
        raise ConfigError(
            f"{path} is not text in UTF-8.",
            "Save it as UTF-8: some editors, and > of PowerShell, write UTF-16.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}).",
            "Let this user read it, or move it away.",
        ) from None
    for statement in parse_stream(StringIO(text)):
        if statement.error:
            # What is before the statement belongs to it, and may be empty lines.
            written = statement.original.string
            empty = written[: len(written) - len(written.lstrip())].count("\n")
            raise ConfigError(
                f"{path}, line {statement.original.line + empty}: that is no NAME=value.",
                "Correct the line: a quote that is opened must be closed, and a value with spaces "
                "or a # needs quotes.",
            )
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}
