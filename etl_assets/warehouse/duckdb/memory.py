"""How much memory DuckDB may take: little as a rule, more for an operation that cannot do with it.

DuckDB keeps 2,048 rows of a table in memory at a time, so what it needs follows from how wide they
are, and is not known before. More than it needs it would only fill with pages that it has read.
"""

import os
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

from etl_assets.core.errors import WarehouseError

P = ParamSpec("P")
T = TypeVar("T")
USUAL_BYTES = 192_000_000
_MOST_SHARE = 0.8


class TooLittleMemory(WarehouseError):
    """An operation needs more memory than DuckDB was allowed; nothing of it was done."""


class Limited(Protocol):
    """What has an engine whose memory can be limited."""

    def limit_memory(self, most_bytes: int) -> None:
        """Allow so many bytes from the next operation on."""
        ...


W = TypeVar("W", bound=Limited)


def limits() -> Iterator[int]:
    """The usual limit, then each twice the last, up to four fifths of the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    most = max(USUAL_BYTES, int(machine * _MOST_SHARE))
    limit = USUAL_BYTES
    while limit < most:
        yield limit
        limit *= 2
    yield most


def grows(work: Callable[Concatenate[W, P], T]) -> Callable[Concatenate[W, P], T]:
    """A method that is called again with more memory for as long as it has too little.

    It must leave nothing behind when it raises TooLittleMemory, which is raised in the end.
    """

    @wraps(work)
    def again(self: W, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(self, *args, **kwargs)
        except TooLittleMemory as error:
            failed = error
        try:
            for limit in limits():
                if limit == USUAL_BYTES:
                    continue
                self.limit_memory(limit)
                try:
                    return work(self, *args, **kwargs)
                except TooLittleMemory as error:
                    failed = error
            raise failed
        finally:
            self.limit_memory(USUAL_BYTES)

    return cast("Callable[Concatenate[W, P], T]", again)
