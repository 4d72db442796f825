"""A run that dies at a publication, before or after its commit."""

from collections.abc import Callable, Sequence
from typing import Any

from etl_assets.warehouse.publication import JobCost, Publication
from etl_assets_tests.sync.shelf import Shelf


class Killed(BaseException):
    """Ends a run where a process would have died."""


class dying:  # noqa: N801 - it is used as a statement
    """Lets the warehouse of a shelf kill its run at the n-th publication."""

    def __init__(self, shelf: Shelf, after: int, *, committed: bool) -> None:
        self.shelf, self.left, self.committed = shelf, after, committed
        self.publish: Callable[[Publication], Sequence[JobCost]] = shelf.warehouse.publish

    def __enter__(self) -> None:
        self.shelf.warehouse.publish = self._publish  # type: ignore[method-assign]

    def __exit__(self, *_: Any) -> None:
        del self.shelf.warehouse.publish

    def _publish(self, publication: Publication) -> Sequence[JobCost]:
        if self.left:
            self.left -= 1
            return self.publish(publication)
        if self.committed:
            self.publish(publication)
        raise Killed
