"""Many signed calls at once from one process, over connections that stay open."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from etl_assets_tests.webhook.service import new_id, signed


@dataclass
class Answers:
    """What was answered: (id, status, seconds) of each call, in the order of the answers.

    The seconds run from the moment at which the call was due, also where its sender was late.
    """

    calls: list[tuple[str, int, float]] = field(default_factory=list)

    @property
    def good(self) -> set[str]:
        """The ids of the calls that were answered 2xx."""
        return {call_id for call_id, status, _ in self.calls if 200 <= status < 300}

    def latency(self, share: float) -> float:
        """The milliseconds within which this share of the calls was answered."""
        seconds = sorted(seconds for *_, seconds in self.calls)
        return 1000 * seconds[min(len(seconds) - 1, int(share * len(seconds)))]

    def shown(self) -> str:
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
        return ", ".join(f"{name} {self.latency(share):.1f} ms" for name, share in shares.items())


def load(
    port: int,
    count: int,
    *,
    rate: float = 0,
    connections: int = 32,
    then: Callable[[int], None] = lambda _: None,
) -> Answers:
    """Send `count` calls, `rate` a second (0: as fast as they are answered).

    `then` is called with the number of answers after each. A sender whose connection breaks stops.
    """
    answers = Answers()

    async def send(sender: int, begin: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for n in range(sender, count, connections):
                due = begin + n / rate if rate else time.perf_counter()
                await asyncio.sleep(max(0, due - time.perf_counter()))
                call_id = new_id()
                writer.write(_request(call_id))
                status = await _status(reader)
                answers.calls.append((call_id, status, time.perf_counter() - due))
                then(len(answers.calls))
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def all_of_them() -> None:
        begin = time.perf_counter() + 0.1
        await asyncio.gather(*(send(sender, begin) for sender in range(connections)))

    asyncio.run(all_of_them())
    return answers


def _request(call_id: str) -> bytes:
    body = (
        b'{"event_id": "%b", "type": "view", "product": "p-1", "price": 19.90}' % call_id.encode()
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(body, call_id))
    length = f"content-length: {len(body)}\r\n\r\n"
    return f"POST /webhooks/shop HTTP/1.1\r\nhost: x\r\n{head}{length}".encode() + body


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head[9:12])
