"""Events of the shop's API for benchmarks: made by their number, the same in each run."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

SOURCE = "shop_api"
BEGIN = datetime(2024, 5, 1, tzinfo=UTC)
DAYS = 30
_TYPES = ("page_view", "page_view", "product_view", "add_to_cart", "purchase")


def payload(number: int, rows: int) -> bytes:
    """The event of a number, about 200 bytes; `rows` of them are spread over 30 days."""
    moment = BEGIN + timedelta(seconds=number * DAYS * 86_400 // rows)
    return (
        f'{{"event_id": "E-{number:09d}", "type": "{_TYPES[number % 5]}", '
        f'"occurred_at": "{moment.isoformat()}", "user_id": "{number % 50_000}", '
        f'"product_id": "{number % 999}", "quantity": 1, "price": 19.90, "currency": "EUR", '
        f'"channel": "app", "order_id": "O-{number}"}}'
    ).encode()


def batches(rows: int, size: int) -> Iterator[list[tuple[str, bytes]]]:
    """(event id, payload) of all events, in lists of `size`."""
    for begin in range(0, rows, size):
        numbers = range(begin, min(begin + size, rows))
        yield [(f"E-{number:09d}", payload(number, rows)) for number in numbers]
