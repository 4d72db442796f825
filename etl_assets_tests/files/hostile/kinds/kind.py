"""A kind of hostile files: a name, and what makes one file of it from a random source.

What becomes of the file is the oracle's to say.
"""

from collections.abc import Callable
from random import Random

from etl_assets_tests.files.hostile.cases import Case

Kind = Callable[[Random], Case]


def kinds(known: dict[str, Kind]) -> Callable[[str], Callable[[Kind], Kind]]:
    """A decorator that puts a kind into `known` by its name."""

    def named(name: str) -> Callable[[Kind], Kind]:
        def add(made: Kind) -> Kind:
            assert name not in known
            known[name] = made
            return made

        return add

    return named
