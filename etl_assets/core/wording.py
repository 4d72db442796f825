"""How numbers of things are said in messages. Which messages there are is decided elsewhere."""

_IRREGULAR = {"entry": "entries", "query": "queries", "index": "indexes"}


def count_of(number: int, one: str, many: str | None = None) -> str:
    """`1 day`, `2,000 days`: the number with its noun, `one` in the singular.

    The plural takes an s, unless `many` says it. Words behind the noun stay as they are:
    `count_of(2, "row of raw/orders", "rows of raw/orders")`.
    """
    return f"{number:,} {one if number == 1 else many or _IRREGULAR.get(one, one + 's')}"


def is_or_are(number: int) -> str:
    """The verb that goes with so many."""
    return "is" if number == 1 else "are"


def has_or_have(number: int) -> str:
    """The verb that goes with so many."""
    return "has" if number == 1 else "have"


def it_or_them(number: int) -> str:
    """The pronoun of so many things."""
    return "it" if number == 1 else "them"
