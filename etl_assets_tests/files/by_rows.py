"""Shipments whose lines say their day in a column, and what Python's own csv makes of them."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.ledger import FileStatus, LedgerEntry
from etl_assets_tests.files.shipments import DAY, NEXT, SOURCE, SPEC, THIRD, Place, Shipments
from etl_assets_tests.files.shipments import lines as lines_of

HEADER = "shipment_id,weight_kg,carrier,delivered_on\n"
DAYS = (DAY, NEXT, THIRD)


class ByRow(Contract):
    """A line of a partner's file, which says its day itself."""

    shipment_id: pl.Int64 = column(description="The partner's number.", ge=1)
    weight_kg: "pl.Decimal(8, 3)" = column(description="Weight.", unit="kg", nullable=True)
    carrier: pl.String = column(description="Who brings it.")
    delivered_on: pl.Date = column(description="The day of the line.")
    file: pl.String = column(description="The object that the line is in.")
    line: pl.Int64 = column(description="The line in it.")

    class Config:
        """The key."""

        unique = ("delivered_on", "file", "line")


BY_ROWS = replace(
    SPEC,
    source=replace(SOURCE, pattern="shipments/**.csv*", day_from="rows", day_column=None),
    raw=ByRow,
    staged=ByRow,
)


def lines(*rows: tuple[object, ...]) -> bytes:
    """A CSV file with these rows; a day alone stands for a good row of it."""
    return lines_of(*rows, header=HEADER)


def good(day: date, number: int = 1) -> tuple[object, ...]:
    return number, f"{number}.5", "DHL", day


def _parsed(name: str, content: bytes) -> Iterable[tuple[int, list[str]]]:
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    reader = csv.reader(io.StringIO(text))
    next(reader)
    return [(reader.line_num, record) for record in reader]


def _row(name: str, line: int, record: list[str]) -> dict[str, Any] | None:
    """What a line should become: None for one that does not fit."""
    try:
        number, weight, carrier, day = record
        row = {
            "shipment_id": int(number),
            "weight_kg": Decimal(weight) if weight else None,
            "carrier": carrier,
            "delivered_on": date.fromisoformat(day),
            "file": name,
            "line": line,
        }
    except (ValueError, ArithmeticError):
        return None
    return row if row["shipment_id"] >= 1 else None


def rows_of(place: Place, day: date) -> list[dict[str, Any]]:
    """The rows of a day in all objects, which must be ones that can be trusted."""
    found = [
        row
        for name, content in place.held.items()
        for line, record in _parsed(name, content)
        if (row := _row(name, line, record)) and row["delivered_on"] == day
    ]
    return sorted(found, key=lambda row: (row["file"], row["line"]))


def held(shipments: Shipments, days: Iterable[date] = DAYS) -> None:
    """Every day is published as the place holds it, and the ledger accounts for every line."""
    for day in days:
        assert shipments.published(day) == rows_of(shipments.place, day), day
    read, published, aside = Counter[str](), Counter[str](), Counter[str]()
    for entry in ledger(shipments):
        assert (entry.status, entry.error) == (FileStatus.LOADED, None)
        read[entry.object_key] += entry.rows_read
        published[entry.object_key] += entry.rows_published
        aside[entry.object_key] += entry.rows_quarantined
    for name, content in shipments.place.held.items():
        records = list(_parsed(name, content))
        rows = [row for line, record in records if (row := _row(name, line, record))]
        counts = (read[name], published[name], aside[name])
        assert counts == (len(records), len(rows), len(records) - len(rows)), name
    assert read.keys() <= shipments.place.held.keys()


def ledger(shipments: Shipments) -> list[LedgerEntry]:
    return shipments.platform.warehouse.ledger(shipments.table)
