"""Where a group of calls is kept: the database, or the spool while the database is away.

Calls become groups in `groups.py`; what a call is answered stands in `app.py`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from etl_assets.core.errors import EtlError, SourceError
from etl_assets.core.unexpected import told
from etl_assets.events.database import EventsDatabase
from etl_assets.webhook.calls import Call, forget_calls, land_calls
from etl_assets.webhook.metrics import Metrics
from etl_assets.webhook.spool import Spool, SpoolFull

_log: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0
_FORGET_SECONDS: Final = 3600.0
_T = TypeVar("_T")


class Kept(Enum):
    """What became of a call."""

    LANDED = auto()  # committed in the database
    SPOOLED = auto()  # on disk, and landed when the database is back
    CONFLICT = auto()  # its id came before with another body
    NOWHERE = auto()  # the database is away, and there is no room or no wish to spool


class Keeper:
    """Keeps groups of calls; `spool` None means that calls are refused while the database is away.

    `left` is the spool of an earlier life of the service, which is landed in any case.
    """

    def __init__(
        self,
        database: EventsDatabase,
        spool: Spool | None,
        left: Spool,
        seconds: float,
        metrics: Metrics,
    ) -> None:
        self._database, self._spool, self._left = database, spool, left
        self._seconds, self._metrics = seconds, metrics
        # One lands groups and one drains; what hangs in an attempt that was given up needs another.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="webhook")
        self._forgotten_at = -_FORGET_SECONDS
        self._told: set[str] = set()
        self.is_away = False

    @property
    def is_ready(self) -> bool:
        """Whether a call that comes now can be kept."""
        return not self.is_away or (self._spool is not None and self._spool.has_room)

    async def keep(self, calls: Sequence[Call]) -> list[Kept]:
        """Keep a group, and say what became of each call; never raises for trouble outside."""
        if not self.is_away:
            began = time.perf_counter()
            try:
                refused = await self._in_time(lambda: self._land(calls))
            except (EtlError, TimeoutError) as error:
                self._note_away(error)
            else:
                self._metrics.commit_seconds.observe(time.perf_counter() - began)
                return [Kept.CONFLICT if n in refused else Kept.LANDED for n in range(len(calls))]
        return [await self._to_spool(calls)] * len(calls)

    async def look_after(self) -> None:
        """Until it is cancelled: see whether the database answers, and land what was spooled."""
        while True:
            try:
                await self._drain()
            except (EtlError, TimeoutError) as error:
                self._note_away(error)
            except Exception as error:
                self._tell_once("the spool cannot be drained", error)
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Let go of threads and connections; a thread that hangs in the database is left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.get_running_loop().run_in_executor(None, self._database.close)

    async def _drain(self) -> None:
        await self._in_time(self._database_answers)
        if self.is_away:
            _log.warning("the database of events is back")
        self.is_away = False
        for file in self._left.files():
            try:
                await self._in_time(partial(self._land_file, file))
            except SourceError as error:  # of this file: others may be better
                self._tell_once(f"{file.name} cannot be landed", error)
        self._left.measure()

    async def _in_time(self, work: Callable[[], _T]) -> _T:
        """What `work` returns from a thread; raises TimeoutError when it takes too long.

        What hangs is not ended, and may still commit: landing twice is landing once.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.run_in_executor(self._threads, work), self._seconds)

    async def _to_spool(self, calls: Sequence[Call]) -> Kept:
        if self._spool is None:
            return Kept.NOWHERE
        loop, spool = asyncio.get_running_loop(), self._spool
        try:
            await loop.run_in_executor(None, lambda: spool.put(calls))
        except SpoolFull:
            return Kept.NOWHERE
        except OSError as error:
            _log.error("nothing can be spooled: %s", told(error))
            return Kept.NOWHERE
        return Kept.SPOOLED

    def _land(self, calls: Sequence[Call], *, answered: bool = False) -> set[int]:
        self._database.make_ready()
        with self._database.transaction("landing webhooks", "ingest") as connection:
            refused, landed = land_calls(connection, calls, answered=answered)
        self._metrics.events.labels("new").inc(landed.new)
        self._metrics.events.labels("again").inc(landed.again)
        return refused

    def _land_file(self, file: Path) -> None:
        calls = self._left.read(file)
        if calls is None:
            _log.error("%s is gone, or damaged and put aside", file.name)
            return
        self._land(calls, answered=True)
        self._left.remove(file)
        self._metrics.drained.inc(len(calls))

    def _database_answers(self) -> None:
        self._database.make_ready()
        with self._database.transaction("looking after webhooks", "ingest") as connection:
            connection.execute("SELECT 1")
            if time.monotonic() - self._forgotten_at > _FORGET_SECONDS:
                forget_calls(connection, datetime.now(UTC))
                self._forgotten_at = time.monotonic()

    def _tell_once(self, what: str, error: Exception) -> None:
        text = f"{what}: {told(error)}"
        if text not in self._told:
            self._told.add(text)
            _log.error("%s", text)

    def _note_away(self, error: BaseException) -> None:
        if not self.is_away:
            what = str(error) if isinstance(error, EtlError) else "It did not answer in time."
            _log.warning("the database of events is away: %s", what)
        self.is_away = True
