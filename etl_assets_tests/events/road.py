"""The three roads into landing for tests: an API with faults, dropped files, signed webhooks.

And what stands at the end of the road, in the warehouse.
"""

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from etl_assets_tests.events.sent import Sent
from etl_assets_tests.events.tables import query
from etl_assets_tests.events.tables_oracle import QUERIES, Received, Row, ordered
from etl_assets_tests.http_api.server import Asked, Reply
from etl_assets_tests.webhook.service import Service, signed

Put = Callable[[str, bytes], None]
FAULTS = (
    Reply(status=429, headers={"Retry-After": "0"}),
    Reply(b'{"error": "busy"}', 503),
    Reply(b'{"events": [{"id": "cut"', cut=12),
    Reply(drops=True),
)
PAGE = 4


class Feed:
    """The API's list: it grows, its answers fail `faults` times first, its cursors may expire."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.faults: list[Reply] = []
        self.expired = 0
        self._age = 0

    def expire(self) -> None:
        """Every cursor that was given until now is known no more."""
        self._age += 1

    def answer(self, asked: Asked) -> Reply:
        if self.faults:
            return self.faults.pop(0)
        age, _, place = asked.params.get("cursor", f"{self._age}.0").partition(".")
        if int(age) != self._age:
            self.expired += 1
            return Reply(b"{}", 410)
        start = int(place)
        more = f"{self._age}.{start + PAGE}" if start + PAGE < len(self.items) else None
        items = b", ".join(self.items[start : start + PAGE])
        cursor = json.dumps(more).encode()
        return Reply(b'{"events": [' + items + b'], "next_cursor": ' + cursor + b"}")


def deliver(sent: Sequence[Sent], name: str, feed: Feed, put: Put, service: Service) -> None:
    """Each event by its own road; `name` is that of the files."""
    by_source = {
        source: [one.payload for one in sent if one.source == source]
        for source in ("shop_api", "partner_files", "partner_webhook")
    }
    feed.faults += FAULTS
    feed.items += by_source["shop_api"]
    lines, half = by_source["partner_files"], len(by_source["partner_files"]) // 2
    put(f"partner_events/{name}/a.jsonl", b"".join(line + b"\n" for line in lines[:half]))
    packed = gzip.compress(b"".join(line + b"\r\n" for line in lines[half:]))
    put(f"partner_events/{name}/b.jsonl.gz", packed)
    put(f"partner_events/{name}/cut.jsonl", lines[0][:-3] if lines else b"{")
    calls = by_source["partner_webhook"]
    together = len(calls) // 3
    bodies = [b"[" + b", ".join(calls[:together]) + b"]"] if together else []
    for body in [*bodies, *calls[together:]]:
        call(service, body)


def call(service: Service, body: bytes) -> None:
    """A signed call that is answered 2xx."""
    answer = service.send(body, source="partner_webhook")
    assert 200 <= answer.status < 300, answer


def refuses(service: Service, body: bytes) -> None:
    """Calls that are forged, tampered with or no JSON are not landed."""
    path, headers = "/webhooks/partner_webhook", signed(body)
    assert service.call(path, body + b" ", headers).status == 401
    assert service.call(path, body, headers[:1]).status in (400, 401)
    assert service.send(body[:-1], source="partner_webhook").status in (400, 422)


def received(url: str, sent: Iterable[Sent]) -> Received:
    """When each was received; landing has just what was sent, byte for byte, and each once."""
    rows = query(url, "SELECT source, event_id, digest, payload, ingested_at FROM staging_events")
    found = {(source, event_id, bytes(digest)): at for source, event_id, digest, _, at in rows}
    assert len(found) == len(rows)
    payloads = {bytes(payload) for *_, payload, _ in rows}
    assert payloads == {one.payload for one in sent}
    assert found.keys() == {(one.source, one.landed_id, one.digest) for one in sent}
    return found


def warehouse(home: Path) -> dict[str, list[Row]]:
    """By table the rows of QUERIES; raises duckdb.Error while somebody writes."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return {
            table: ordered(
                _reasons_read(columns, row)
                for row in connection.execute(f"SELECT {columns} FROM {table}").fetchall()
            )
            for table, columns in QUERIES.items()
        }


def publications(home: Path) -> dict[tuple[str, str], str]:
    """By table and day the load that published it."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT table_name, partition_key::VARCHAR, load_id FROM etl.etl_state"
        ).fetchall()
    return {(table, day): str(load) for table, day, load in rows}


def _reasons_read(columns: str, row: tuple[Any, ...]) -> Row:
    if "quality_reasons" not in columns:
        return row
    place = columns.split(", ").index("quality_reasons::VARCHAR")
    return (*row[:place], json.loads(row[place]), *row[place + 1 :])


def whole(home: Path) -> dict[str, list[Row]]:
    """Every column of each table but those of the load, its moments, and the rows of landing."""
    left_out = "'staging_id', 'processed_at', 'updated_at', '_ingested_at', '_run_id'"
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return {
            table: connection.execute(
                f"SELECT COLUMNS(lambda one: one NOT IN ({left_out})) FROM {table} ORDER BY ALL"
            ).fetchall()
            for table in QUERIES
        }
