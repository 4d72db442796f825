"""Names of columns that the platform adds to frames for its own work; they are never published."""

DAY = "__day"
"""The UTC day of a row (Date), null for a row that has none."""
