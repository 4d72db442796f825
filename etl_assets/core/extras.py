"""Packages that only a part of the platform needs, and the extra that brings each of them.

A default installation reads PostgreSQL into DuckDB or PostgreSQL. What is not installed is told in
a sentence with the command to write; nobody sees an ImportError.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from etl_assets.core.errors import ConfigError

_EXTRAS = {
    "google": "bigquery",
    "dagster_gcp": "bigquery",
    "obstore": "files",
    "isal": "files",
    "zstandard": "files",
    "faker": "demo",
    "splink": "identity",
}
"""The extra by the top-level package that it brings; a test holds it to pyproject.toml."""

_WHAT = {
    "bigquery": "BigQuery",
    "files": "A table of files or an archive of events",
    "demo": "The demo",
    "identity": "Likely matches of customers",
}


@contextmanager
def explained(extra: str | None = None) -> Iterator[None]:
    """Raises ConfigError for an import within that needs an extra, `extra` where it is given."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = not_installed(error, extra)
        if missing is None:
            raise
        raise missing from None


def not_installed(error: ModuleNotFoundError, extra: str | None = None) -> ConfigError | None:
    """What to say of a module that is not there; None where no extra of ours would bring it."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        return None
    extra = extra or _EXTRAS[package]
    return ConfigError(
        f"{_WHAT[extra]} needs the package {package}, which is not installed.",
        f"Run pip install 'etl_assets[{extra}]'.",
    )
