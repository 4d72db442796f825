"""The files in which the demo's carriers report what they picked up, made up from the shop's plan.

Pure: keys and bytes. Where the files are kept is not decided here.
"""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from etl_assets.demo.chance import later, midnight, pick, seeded
from etl_assets.demo.generate import shop_days
from etl_assets.demo.plan import BadLineKind, ShopPlan, bad_lines, is_large
from etl_assets.demo.rows import Order
from etl_assets.demo.vocabulary import CARRIERS, Carrier

_HEADER: Final = "carrier;tracking_no;order_no;service;weight_kg;freight_eur;picked_up_at"
_SHIPPED: Final = frozenset({"shipped", "delivered", "refunded"})
_CARRIERS: Final[Mapping[str, Carrier]] = {carrier.name: carrier for carrier in CARRIERS}
_SHARES: Final = {carrier.name: carrier.share for carrier in CARRIERS}
_LATE_LINES: Final = 12
# So much of a gzip arrived before its connection broke.
_ARRIVED: Final = 0.6


class Shipment(NamedTuple):
    """A parcel; the moment is UTC, and its day is the day of the file."""

    carrier: str
    tracking_no: str
    order_id: int
    service: str
    weight_kg: Decimal
    freight: Decimal
    picked_up_at: datetime


class ShipmentFiles(NamedTuple):
    """Objects by key; `cut` is the key of the one that is cut, if any, and `whole` all of it."""

    objects: Mapping[str, bytes]
    cut: str | None
    whole: bytes


def shipment_files(plan: ShopPlan) -> ShipmentFiles:
    """A file for each day and carrier; some lines are bad, and the last gzip is cut.

    What would be picked up after the plan's last day is not there yet. In a small shop all is good.
    """
    by_file: dict[tuple[date, str], list[Shipment]] = {}
    for shipment in _shipments(plan):
        by_file.setdefault((shipment.picked_up_at.date(), shipment.carrier), []).append(shipment)
    bad = {(bad.day, bad.carrier): bad.kind for bad in bad_lines(plan)}
    objects = {}
    for day, carrier in sorted(by_file):
        parcels = sorted(by_file[day, carrier], key=lambda parcel: parcel.picked_up_at)
        lines = [_line(parcel) for parcel in parcels]
        if kind := bad.get((day, carrier)):
            lines[len(lines) // 2] = _spoilt(lines[len(lines) // 2], kind)
        objects[_key(day, _CARRIERS[carrier])] = _packed(lines, _CARRIERS[carrier])
    if not is_large(plan):
        return ShipmentFiles(objects, None, b"")
    cut = max(key for key in objects if key.endswith(".gz"))
    whole = objects[cut]
    return ShipmentFiles({**objects, cut: whole[: int(len(whole) * _ARRIVED)]}, cut, whole)


def late_file(plan: ShopPlan, number: int) -> tuple[str, bytes] | None:
    """The key and the content of another file of the newest day; None if nothing is left to ship.

    `number` counts from 1: each file has parcels of its own.
    """
    day = plan.day(plan.days - 1)
    evening = midnight(day) + timedelta(hours=21)
    # No carrier's file has an order that is only paid for.
    waiting = [
        order
        for order in _orders(plan)
        if order.status.lower() == "paid" and order.created_at < evening
    ]
    orders = waiting[::-1][(number - 1) * _LATE_LINES : number * _LATE_LINES]
    if not orders:
        return None
    rng, carrier = seeded(plan.seed, "late shipments", number), CARRIERS[0]
    moments = sorted(later(rng, evening, (0, 2.9)) for _ in orders)
    lines = [
        _line(_shipment(rng, order, carrier, moment))
        for order, moment in zip(orders, moments, strict=True)
    ]
    return f"shipments/{day:%Y/%m/%d}/{carrier.name}-late-{number:03}.csv", _packed(lines, carrier)


def _orders(plan: ShopPlan) -> Iterator[Order]:
    return (order for day in shop_days(plan) for order in day.orders)


def _shipments(plan: ShopPlan) -> Iterator[Shipment]:
    rng = seeded(plan.seed, "shipments")
    end = midnight(plan.day(plan.days - 1)) + timedelta(days=1)
    for order in _orders(plan):
        if order.status.lower() not in _SHIPPED:
            continue
        carrier = _CARRIERS[pick(rng, _SHARES)]
        shipment = _shipment(rng, order, carrier, _picked_up_at(rng, order))
        if shipment.picked_up_at < end:
            yield shipment


def _shipment(rng: Random, order: Order, carrier: Carrier, picked_up: datetime) -> Shipment:
    express = rng.random() < 0.15
    weight = Decimal(round(rng.lognormvariate(0.4, 0.8) * 1000)).scaleb(-3)
    freight = Decimal("9.90" if express else "4.90") + (weight // 5) * 2
    return Shipment(
        carrier.name,
        f"{carrier.code}{order.id:08}",
        order.id,
        "express" if express else "standard",
        weight,
        freight,
        picked_up.replace(second=0, microsecond=0),
    )


def _picked_up_at(rng: Random, order: Order) -> datetime:
    """Before the shop has noted that it arrived; it notes at once that a parcel left."""
    if order.status.lower() == "shipped" and isinstance(order.updated_at, datetime):
        return order.updated_at
    return later(rng, order.created_at, (4, 24))


def _line(shipment: Shipment) -> str:
    return ";".join(
        (
            shipment.carrier,
            shipment.tracking_no,
            str(shipment.order_id),
            shipment.service,
            _decimal(shipment.weight_kg),
            _decimal(shipment.freight),
            f"{shipment.picked_up_at:%d.%m.%Y %H:%M}",
        )
    )


def _decimal(number: Decimal) -> str:
    return str(number).replace(".", ",")


def _spoilt(line: str, kind: BadLineKind) -> str:
    fields = line.split(";")
    match kind:
        case "freight_in_words":
            fields[5] = "included"
        case "no_order":
            fields[2] = ""
        case "missing_field":
            del fields[4]
    return ";".join(fields)


def _packed(lines: Sequence[str], carrier: Carrier) -> bytes:
    content = "".join(f"{line}\n" for line in (_HEADER, *lines)).encode()
    # Without a time of its own, the same lines are the same bytes.
    return gzip.compress(content, mtime=0) if carrier.suffix.endswith(".gz") else content


def _key(day: date, carrier: Carrier) -> str:
    return f"shipments/{day:%Y/%m/%d}/{carrier.name}{carrier.suffix}"
