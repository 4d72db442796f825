"""Names of columns that the platform adds to frames for its own work; they are never published."""

import re

DAY = "__day"
"""The UTC day of a row (Date), null for a row that has none."""

DIGEST, CURSOR = "__digest", "__cursor"
"""The digest of a row, and the moment of its cursor, beside its key."""

RULE, POSITION, PAYLOAD = "__rule", "__position", "__payload"
"""Of a row that cannot be handed over: the rule, the source position, the row as JSON."""

COUNT, ROWS = "__count", "__rows"
"""How many rows have a key, and how many a part has."""

WITHOUT = "__without"
"""How many rows have NULL in all columns of their cursor."""

OWN = re.compile(
    "__([0-9]+|day|digest|cursor|column|position|payload|count|rows|total|staged|rule|row|at|moment"
    "|bucket|following|again|gone|without)"
)
"""The names that the platform gives to columns of its own in frames: no contract has such a one."""


def numbered(number: int) -> str:
    """The name of one of several columns that stand beside those of a contract."""
    return f"__{number}"
