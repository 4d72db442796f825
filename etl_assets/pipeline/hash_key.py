"""The key that personal values are hashed with: ETL_HASH_KEY, else a file under ETL_HOME.

Positions in `etl_quarantine` are made with it: who loses the key, or works on one warehouse from
two data folders, sets ETL_HASH_KEY.
"""

import os
import secrets
from functools import cache
from pathlib import Path

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError

_FILE = "hash.key"


def hash_key(settings: Settings) -> bytes:
    """The key; made once where there is none. Raises ConfigError where it cannot be kept."""
    if settings.hash_key:
        return settings.hash_key.encode()
    return _kept(settings.home / _FILE)


@cache
def _kept(file: Path) -> bytes:
    try:
        if not file.exists():
            _make(file)
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The key that personal values are hashed with cannot be kept in {file} "
            f"({error.strerror}).",
            "Set ETL_HASH_KEY to a secret of your own, or make ETL_HOME writable.",
        ) from None


def _make(file: Path) -> None:
    """Write a new key beside its place and link it there: of two processes one is first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(secrets.token_hex(32).encode())
        file.hardlink_to(draft)
    except FileExistsError:
        pass  # the other process was faster
    finally:
        draft.unlink()
