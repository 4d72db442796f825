"""Ids of events: one spelling for all sources.

An event that came without an id has got one from its content when it landed (`landing.py`).
"""

from etl_assets.core.errors import EventRefused


def canonical_id(text: str) -> str:
    """The id as it is known across all sources: without white space around it, in lower case.

    Raises EventRefused for an id with nothing in it.
    """
    found = text.strip().lower()
    if not found:
        raise EventRefused(
            "The event's id is empty.", "Land it without one: its content then gives it an id."
        )
    return found
