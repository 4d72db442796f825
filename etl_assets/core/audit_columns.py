"""The columns that the platform itself adds to every published table, with their descriptions."""

from collections.abc import Mapping

AUDIT_COLUMNS: Mapping[str, str] = {
    "_ingested_at": "When the row was published (UTC).",
    "_source": "The system and table that the row was read from.",
    "_run_id": "The run that published the row.",
    "_schema_version": "A digest of the contract that the row was checked with.",
}
"""No contract may have a column of one of these names (`name_checks.py`)."""
