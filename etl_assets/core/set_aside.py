"""The rules by which a source sets a row aside that it has read and cannot hand over.

The rule in quarantine is `<column>: <one of these>`. Rules of contracts are `core/rules.py`.
"""

REPRESENTABLE = "representable"
"""No declared dtype holds the value: infinity, BC, NaN in a decimal."""

TOO_LARGE = "too_large"
"""The row is larger than the platform carries; the column is the one with its longest value."""

LOCAL_TIME = "local_time"
"""A local time that its zone has twice, or not at all."""

SOURCE_RULES = (REPRESENTABLE, TOO_LARGE, LOCAL_TIME)
"""All of them."""


def counts_as_bad(rule: str) -> bool:
    """Whether the row counts to the share of bad rows that keeps a day from being published.

    A single large value, or one night's hour, tells nothing of the other rows of its day.
    """
    return rule.rpartition(": ")[2] not in (TOO_LARGE, LOCAL_TIME)
