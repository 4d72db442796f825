"""SQLAlchemy types for texts of other systems, by the rules of `conform/rules/`."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from etl_assets.conform.rules.texts import boolean, email, of_one


class NormalizedEmail(sa.TypeDecorator[str]):
    """A text that is trimmed and in lower case, whoever writes, reads or looks for it."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """What is stored, or compared with what is stored."""
        found: str | None = of_one(email, value)
        return found

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """What was stored, by whomever."""
        found: str | None = of_one(email, value)
        return found


class BooleanString(sa.TypeDecorator[bool]):
    """A boolean that the database keeps as a word, None for a word that is neither.

    Written in one spelling and read in any. It is for no condition of a query: there the spellings
    of others would be different values.
    """

    impl = sa.String
    cache_ok = True

    def __init__(self, yes: str = "Y", no: str = "N") -> None:
        super().__init__()
        self.yes, self.no = yes, no

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The word that is written."""
        return None if value is None else self.yes if value else self.no

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:  # noqa: ARG002
        """What the word means."""
        found: bool | None = of_one(boolean, value)
        return found
