"""The billing system's database, for look-ups of one account.

The table of accounts does not come this way, but by `sources/postgres/`.
"""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from etl_assets.conform.schema.billing import BillingAccount
from etl_assets.conform.schema.models import AccountRow


class BillingClient:
    """`engine` is of the billing system's database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def account(self, number: int) -> BillingAccount | None:
        """The account of that number, None where there is none."""
        with Session(self._engine) as session:
            row = session.get(AccountRow, number)
            return None if row is None else BillingAccount.model_validate(row)
