"""Puts the files of the demo's partners into a folder or a bucket, once, and further ones later.

What is in the files is decided in `shipments.py` and `price_lists.py`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from etl_assets.core.errors import ConfigError
from etl_assets.demo.plan import ShopPlan
from etl_assets.demo.price_lists import price_lists
from etl_assets.demo.shipments import late_file, shipment_files

# Counted up whenever the same plan gives other files, so that older ones are noticed.
_GENERATOR: Final = 1
_MARKER_FOLDER: Final = "demo/"
_MARKER: Final = "demo/partners.json"


class Place(Protocol):
    """A folder or a bucket's prefix, which may be written to; its text is how it is named."""

    def is_empty(self) -> bool:
        """Whether there is no object at all."""
        ...

    def keys(self, below: str) -> Sequence[str]:
        """The keys that begin with `below`, which ends with a slash."""
        ...

    def read(self, key: str) -> bytes:
        """The content of an object that is there."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Put an object, over another one if need be."""
        ...


@dataclass(frozen=True)
class Dropped:
    """An object that was put, and how many bytes it has; `mends` if it replaces one that is cut."""

    key: str
    size: int
    mends: bool


def fill_partners(place: Place, plan: ShopPlan | None = None) -> int:
    """Put the partners' files there, unless they are; how many objects of theirs are there now.

    A place that is filled is left alone, whatever became of its objects; one whose filling was
    killed is completed. Raises ConfigError where there are objects that are not the demo's, or
    files of another plan.
    """
    plan = plan or ShopPlan()
    marker = _marker(place)
    if marker is None and not place.is_empty():
        raise ConfigError(
            f"{place} holds objects that are not the demo's, and the demo puts its partners' "
            "files there.",
            "Set OBJECT_STORE_URL to a bucket or a prefix that is empty, or unset it: then they "
            "are put into a folder of ETL_HOME.",
        )
    if marker is not None and marker["parameters"] != _parameters(plan):
        raise ConfigError(
            f"{place} holds the files of another demo, of {json.dumps(marker['parameters'])}.",
            "Delete them, with the ETL_HOME and the warehouse of that demo, or name another place.",
        )
    if marker is None or not marker["complete"]:
        _mark(place, plan, complete=False)
        there = set(_keys(place))
        for key, content in {**shipment_files(plan).objects, **price_lists(plan)}.items():
            if key not in there:
                place.put(key, content)
        _mark(place, plan, complete=True)
    return len(_keys(place))


def drop_file(place: Place, plan: ShopPlan | None = None) -> Dropped:
    """Put another file of shipments of the newest day: first the whole of the one that is cut.

    Raises ConfigError where the partners' files are not there, and when no order is left to ship.
    """
    plan = plan or ShopPlan()
    if _marker(place) is None:
        raise ConfigError("The demo's partners have sent nothing yet.", "Run etl-assets demo.")
    files = shipment_files(plan)
    there = set(place.keys("shipments/"))
    cut = files.cut
    if cut is not None and (cut not in there or place.read(cut) == files.objects[cut]):
        place.put(cut, files.whole)
        return Dropped(cut, len(files.whole), mends=True)
    number = 1
    while late := late_file(plan, number):
        if late[0] not in there:
            place.put(*late)
            return Dropped(late[0], len(late[1]), mends=False)
        number += 1
    raise ConfigError(
        "Every order that was paid for has been shipped.",
        "Delete some of the files that end with -late-… and a number.",
    )


def _keys(place: Place) -> list[str]:
    return [*place.keys("shipments/"), *place.keys("supplier_prices/")]


def _marker(place: Place) -> dict[str, Any] | None:
    if _MARKER not in place.keys(_MARKER_FOLDER):
        return None
    found: dict[str, Any] = json.loads(place.read(_MARKER))
    return found


def _mark(place: Place, plan: ShopPlan, *, complete: bool) -> None:
    marker = {"parameters": _parameters(plan), "complete": complete}
    place.put(_MARKER, f"{json.dumps(marker)}\n".encode())


def _parameters(plan: ShopPlan) -> dict[str, Any]:
    return {**plan.parameters(), "generator": _GENERATOR}
