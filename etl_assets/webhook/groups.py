"""Calls that come at one time are kept together: a commit each would be too slow for a thousand.

Where they are kept is `keeper.py`.
"""

import asyncio
import logging
from typing import Final

from etl_assets.core.unexpected import told
from etl_assets.webhook.calls import Call
from etl_assets.webhook.keeper import Keeper, Kept
from etl_assets.webhook.metrics import Metrics

GATHER_SECONDS: Final = 0.005
"""How long the first call of a group waits for others."""

_MOST_CALLS: Final = 500
_MOST_BYTES: Final = 64 << 20
_log: Final = logging.getLogger(__name__)


class Groups:
    """Collects calls and has them kept, a group at a time; those that come meanwhile are the next.

    Memory is bounded: what does not fit is answered like a database that is away.
    """

    def __init__(self, keeper: Keeper, metrics: Metrics) -> None:
        self._keeper, self._metrics = keeper, metrics
        self._waiting: list[tuple[Call, asyncio.Future[Kept]]] = []
        self._bytes = 0
        self._came, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()

    async def keep(self, call: Call) -> Kept:
        """Keep a call; returns when it is on disk, here or there, or nowhere."""
        if self._bytes + call.size > _MOST_BYTES:
            return Kept.NOWHERE
        kept: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, kept))
        self._bytes += call.size
        self._idle.clear()
        self._came.set()
        return await kept

    async def work(self) -> None:
        """Keep groups until it is cancelled."""
        while True:
            await self._came.wait()
            await asyncio.sleep(GATHER_SECONDS)
            group, self._waiting = self._waiting[:_MOST_CALLS], self._waiting[_MOST_CALLS:]
            if not self._waiting:
                self._came.clear()
            self._metrics.group_calls.observe(len(group))
            calls = [call for call, _ in group]
            try:
                kept = await self._keeper.keep(calls)
            except Exception as error:
                _log.error("calls could not be kept: %s", told(error))
                kept = [Kept.NOWHERE] * len(calls)
            for (call, future), one in zip(group, kept, strict=True):
                self._bytes -= call.size
                if not future.done():
                    future.set_result(one)
            if not self._waiting:
                self._idle.set()

    async def finish(self) -> None:
        """Wait until every call that came is kept."""
        await self._idle.wait()
