"""Personal values under a keyed digest, so that a key can be named without being shown.

HMAC-SHA-256 with a secret: without it nobody can try values out, and the digest of a value stays
the same across releases, because positions in `etl_quarantine` are made of it. The secret is handed
in by whoever starts the process (`pipeline/platform.py`); it is asked for when it is needed first.
"""

import hashlib
import hmac
from collections.abc import Callable

import polars as pl

DIGITS = 12


class _Secret:
    """Where the process's secret comes from; nothing is hashed before that is said."""

    ask: Callable[[], bytes] | None = None


def hash_with(secret: Callable[[], bytes]) -> None:
    """Hash personal values of this process with the key that `secret` gives when asked."""
    _Secret.ask = staticmethod(secret)


def digests_of(texts: pl.Series) -> pl.Series:
    """Twelve hexadecimal digits for each text, null for null; raises RuntimeError without a key."""
    if _Secret.ask is None:
        raise RuntimeError("No key to hash personal values with: call hash_with() first.")
    key = _Secret.ask()
    digests = [
        None if text is None else hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:DIGITS]
        for text in texts
    ]
    return pl.Series(texts.name, digests, pl.String)
